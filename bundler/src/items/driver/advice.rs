//! Where to get a missing driver, and where to put it.

use camino::Utf8Path;
use vgpu_manifest::catalog::{Catalog, Driver, DriverVersion};
use vgpu_manifest::driver::DriverKind;

use crate::types::{FileName, Hypervisor};

/// Returns what to do about a missing input, if its name is that of a driver or an unlock patch.
pub(crate) fn advice(catalog: &Catalog, path: &Utf8Path) -> Option<String> {
    let name = path.file_name()?;
    let folder = path.parent().filter(|it| !it.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let (driver, part) = match FileName::of(name) {
        FileName::Driver(DriverKind::Guest, version) => {
            (of_guest(catalog, &version), "Guest_Drivers")
        }
        FileName::Driver(DriverKind::WindowsGuest, _) | FileName::Portal(Hypervisor::Other(_)) => {
            return None;
        }
        FileName::Driver(_, version) => (of_host(catalog, &version), "Host_Drivers"),
        FileName::Enterprise(version) => {
            let driver = of_host(catalog, &version)?;
            let archive = archive("NVIDIA-AI-Enterprise-Linux-KVM", driver);
            return Some(from_portal(
                "NVIDIA AI Enterprise",
                driver,
                &archive,
                name,
                "Host_Drivers",
                folder,
            ));
        }
        FileName::Portal(Hypervisor::LinuxKvm) => {
            return Some(format!(
                "download it from NVIDIA's licensing portal, for the platform Linux KVM, and put it into `{folder}`"
            ));
        }
        FileName::Other => return patch(catalog, name, folder),
    };
    let driver = driver?;
    let archive = archive("NVIDIA-GRID-Linux-KVM", driver);
    Some(from_portal("NVIDIA vGPU", driver, &archive, name, part, folder))
}

/// Returns the name of a portal archive, which has the versions of the host, the Linux guest and the
/// Windows guest, in this order.
fn archive(product: &str, driver: &Driver) -> String {
    let Driver { host, linux_guest, windows_guest, .. } = driver;
    format!("{product}-{host}-{linux_guest}-{windows_guest}.zip")
}

fn from_portal(
    product: &str,
    driver: &Driver,
    archive: &str,
    file: &str,
    part: &str,
    folder: &Utf8Path,
) -> String {
    format!(
        "download {product} {} for the platform Linux KVM from NVIDIA's licensing portal (`{archive}`), \
         and put `{file}` of its folder `{part}` into `{folder}`; or put the .zip there and name it: `driver-file` in `[vgpu]`, `path` in `[[driver]]`",
        driver.release
    )
}

fn of_host<'c>(catalog: &'c Catalog, version: &DriverVersion) -> Option<&'c Driver> {
    catalog.drivers_by_host(version).last()
}

fn of_guest<'c>(catalog: &'c Catalog, version: &DriverVersion) -> Option<&'c Driver> {
    catalog.drivers().iter().rev().find(|driver| driver.linux_guest == *version)
}

/// Returns the advice for an unlock patch, `VERSION.patch`.
fn patch(catalog: &Catalog, name: &str, folder: &Utf8Path) -> Option<String> {
    let version = name.strip_suffix(".patch")?.parse().ok()?;
    of_host(catalog, &version)?;
    Some(format!(
        "get `{name}` from the repository polloloco/vgpu-proxmox and put it into `{folder}`, or use a \
         `[[patch]]` entry with `git` and `commit`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_names_product_archive_and_folder() {
        let catalog = Catalog::embedded();
        let advice = |path: &str| advice(&catalog, path.into());
        let host = advice("inputs/NVIDIA-Linux-x86_64-580.178.05-vgpu-kvm.run").unwrap();
        for says in [
            "NVIDIA vGPU 19.6",
            "`NVIDIA-GRID-Linux-KVM-580.178.05-580.178.04-582.78.zip`",
            "`Host_Drivers` into `inputs`",
        ] {
            assert!(host.contains(says), "{says}: {host}");
        }
        let guest = advice("NVIDIA-Linux-x86_64-580.178.04-grid.run").unwrap();
        assert!(guest.contains("19.6") && guest.contains("`Guest_Drivers` into `.`"), "{guest}");
        let enterprise = advice("a/NVIDIA-Linux-x86_64-580.178.05-vgpu-kvm-aie.run").unwrap();
        assert!(enterprise.contains("NVIDIA-AI-Enterprise-Linux-KVM-580.178.05-"), "{enterprise}");
        let archive = advice("in/NVIDIA-GRID-Linux-KVM-535.230.02-539.19.zip").unwrap();
        assert!(archive.contains("licensing portal") && archive.contains("`in`"), "{archive}");
        let patch = advice("inputs/535.230.02.patch").unwrap();
        assert!(patch.contains("polloloco/vgpu-proxmox"), "{patch}");
        for other in ["inputs/tool", "inputs/1.2.3.patch", "NVIDIA-Linux-x86_64-1.2-vgpu-kvm.run"] {
            assert_eq!(advice(other), None, "{other}");
        }
    }
}
