//! Properties of a kernel whose headers are installed on this node.

use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::platform::KernelRelease;

use super::reader::Reader;

/// Returns the record of a kernel's installed headers; `None` without headers, or if they are
/// incomplete or damaged.
pub(super) fn look(reader: &Reader<'_>, kernel: &KernelRelease) -> Option<HeadersRecord> {
    let text = |path: &str| {
        let bytes = reader.large(path, HeadersRecord::MAX_FILE)?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let build = format!("/lib/modules/{kernel}/build");
    let symvers = format!("{build}/{}", HeadersRecord::SYMVERS);
    // Headers that were built by hand may have only the source of that file.
    let config = text(&format!("{build}/{}", HeadersRecord::CONFIG));
    let config = config.or_else(|| text(&format!("{build}/.config")))?;
    let record = HeadersRecord::of(kernel.clone(), &text(&symvers)?, &config);
    reader.understood(&symvers, record)
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::verdict::Export;

    use super::*;
    use crate::host::testing::MemHost;

    const SYMVERS: &str = "/lib/modules/6.8.12-43-pve/build/Module.symvers";
    const CONFIG: &str = "/lib/modules/6.8.12-43-pve/build/include/config/auto.conf";
    const OLD_CONFIG: &str = "/lib/modules/6.8.12-43-pve/build/.config";
    const EXPORTED: &str = "0x11\tenable_apicv\tarch/x86/kvm/kvm\tEXPORT_SYMBOL_GPL\t\n";
    const OPTIONS: &str = "CONFIG_KVM_VFIO=y\nCONFIG_VFIO_PCI_CORE=m\nCONFIG_VFIO_IOMMU_TYPE1=m\n";

    fn found(files: &[(&str, &str)]) -> Option<HeadersRecord> {
        let kernel = "6.8.12-43-pve".parse().unwrap();
        crate::facts::headers(&MemHost::with_files(files), &kernel)
    }

    #[test]
    fn installed_headers_settle_what_the_kernel_can() {
        let record = found(&[(SYMVERS, EXPORTED), (CONFIG, OPTIONS)]).unwrap();
        assert_eq!((record.apicv, record.can_host()), (Export::Exported, true));
        assert_eq!(record.kernel.as_str(), "6.8.12-43-pve");
        // As in Linux 6.18.
        let limited = EXPORTED.replace("\t\n", "\tmodule:kvm-intel,kvm-amd\n");
        let record = found(&[(SYMVERS, &limited), (OLD_CONFIG, "CONFIG_KVM_VFIO=y\n")]).unwrap();
        assert_eq!((record.apicv, record.can_host()), (Export::Missing, false));
    }

    #[test]
    fn headers_that_cannot_be_read_settle_nothing() {
        assert_eq!(found(&[]), None);
        assert_eq!(found(&[(SYMVERS, EXPORTED)]), None);
        assert_eq!(found(&[(CONFIG, OPTIONS)]), None);
        assert_eq!(found(&[(SYMVERS, "one two\n"), (CONFIG, OPTIONS)]), None);
    }
}
