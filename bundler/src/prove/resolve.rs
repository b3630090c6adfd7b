//! Whether a kernel would load modules: their kernel, versions, signatures and symbols.

use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::driver::ModuleSignature;
use vgpu_manifest::headers::{Exported, SymversError, exports};
use vgpu_manifest::platform::{KernelRelease, SecureBoot};

use super::module::{License, Module};

/// The node's kernel, which decides whether modules are loaded.
#[derive(Debug)]
pub(super) struct Kernel<'k> {
    pub(super) release: &'k KernelRelease,
    /// The text of its `Module.symvers`.
    pub(super) symvers: &'k str,
    pub(super) secure_boot: Option<SecureBoot>,
}

/// A reason why the kernel would refuse a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("`{module}` was built for `{actual}` instead of kernel {kernel}")]
    Vermagic { module: String, actual: String, kernel: KernelRelease },
    #[error("`{module}` has version {actual} instead of {expected}")]
    Version { module: String, actual: String, expected: DriverVersion },
    #[error("`{module}` is not signed, but the node has Secure Boot")]
    Unsigned { module: String },
    #[error("`{module}` needs the symbol `{symbol}`: {why}")]
    Symbol { module: String, symbol: String, why: Unresolved },
}

/// Why a symbol is not available to a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unresolved {
    #[error("neither kernel {0} nor another module of the driver exports it")]
    Missing(KernelRelease),
    #[error(
        "the kernel exports it with checksum {kernel:#010x}, but the module has {module:#010x}"
    )]
    Checksum { kernel: u32, module: u32 },
    #[error("the kernel exports it with checksum {0:#010x}, but the module has none")]
    NoChecksum(u32),
    #[error("the kernel exports it in the namespace `{0}`, which the module does not import")]
    Namespace(String),
    #[error("the kernel exports it for modules under the GPL only")]
    Gpl,
}

impl Kernel<'_> {
    /// Returns every reason why the kernel would refuse one of these modules, which are loaded
    /// together.
    ///
    /// # Errors
    ///
    /// The list of the kernel's symbols has another format.
    pub(super) fn refuses(
        &self,
        modules: &[Module],
        driver: &DriverVersion,
    ) -> Result<Vec<Fault>, SymversError> {
        let exported: BTreeMap<&str, Exported<'_>> = exports(self.symvers)
            .map(|line| line.map(|line| (line.symbol, line)))
            .collect::<Result<_, _>>()?;
        let ours: BTreeSet<&str> =
            modules.iter().flat_map(|it| it.exports.iter().map(String::as_str)).collect();
        let mut faults = Vec::new();
        for module in modules {
            faults.extend(self.frame(module, driver));
            for (symbol, crc) in &module.needs {
                let why = match exported.get(symbol.as_str()) {
                    Some(export) => unresolved(module, *export, *crc),
                    None if ours.contains(symbol.as_str()) => None,
                    None => Some(Unresolved::Missing(self.release.clone())),
                };
                faults.extend(why.map(|why| Fault::Symbol {
                    module: module.file.clone(),
                    symbol: symbol.clone(),
                    why,
                }));
            }
        }
        Ok(faults)
    }

    /// Checks a module without its symbols.
    fn frame(&self, module: &Module, driver: &DriverVersion) -> Vec<Fault> {
        let mut faults = Vec::new();
        if module.vermagic.split(' ').next() != Some(self.release.as_str()) {
            let (actual, kernel) = (module.vermagic.trim_end().to_owned(), self.release.clone());
            faults.push(Fault::Vermagic { module: module.file.clone(), actual, kernel });
        }
        if let Some(actual) = module.version.as_ref().filter(|it| **it != driver.to_string()) {
            let (actual, expected) = (actual.clone(), driver.clone());
            faults.push(Fault::Version { module: module.file.clone(), actual, expected });
        }
        let is_signed = module.built.signature == ModuleSignature::Signed;
        if self.secure_boot == Some(SecureBoot::Enabled) && !is_signed {
            faults.push(Fault::Unsigned { module: module.file.clone() });
        }
        faults
    }
}

/// Checks an exported symbol as `resolve_symbol` of `kernel/module/main.c` does.
fn unresolved(module: &Module, export: Exported<'_>, crc: Option<u32>) -> Option<Unresolved> {
    let imports = || match export.namespace.strip_prefix("module:") {
        // The kernel makes no difference between `-` and `_` in names of modules.
        Some(names) => names
            .replace('-', "_")
            .split(',')
            .any(|name| name == module.built.name.as_str().replace('-', "_")),
        None => module.namespaces.contains(export.namespace),
    };
    // The kernel compares no checksums if it was built without any.
    match (export.crc, crc) {
        _ if export.how.ends_with("_GPL") && module.license == License::Other => {
            Some(Unresolved::Gpl)
        }
        _ if !export.namespace.is_empty() && !imports() => {
            Some(Unresolved::Namespace(export.namespace.to_owned()))
        }
        (0, _) => None,
        (kernel, Some(module)) if kernel == module => None,
        (kernel, Some(module)) => Some(Unresolved::Checksum { kernel, module }),
        (kernel, None) => Some(Unresolved::NoChecksum(kernel)),
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::super::module::tests::{NVIDIA, compile};
    use super::*;

    const SYMVERS: &str = "0x11111111\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n\
                           0x22222222\tdma_buf_get\tvmlinux\tEXPORT_SYMBOL\tDMA_BUF\n";
    const VFIO: &str = "INFO(i1, \"name=nvidia_vgpu_vfio\"); INFO(i2, \"license=GPL\");\n\
        INFO(i3, \"vermagic=6.1.0-9-amd64 SMP \");\n\
        VERSIONS = { {0x11111111, \"printk\"} };\n\
        int printk(const char *, ...); int nvidia_get(void);\n\
        int init(void) { return printk(\"a\") + nvidia_get(); }\n";

    fn modules(sources: &[(&str, &str)]) -> Vec<Module> {
        let dir = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let compile = |(name, text): &(&str, &str)| compile(&folder, name, text);
        sources.iter().map(|source| Module::read(&compile(source)).unwrap()).collect()
    }

    fn faults(modules: &[Module], release: &str, symvers: &str) -> Vec<String> {
        let release: KernelRelease = release.parse().unwrap();
        let kernel = Kernel { release: &release, symvers, secure_boot: None };
        let faults = kernel.refuses(modules, &"550.90.05".parse().unwrap()).unwrap();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn modules_load_if_the_kernel_and_they_provide_every_symbol() {
        let both = modules(&[("nvidia", NVIDIA), ("nvidia-vgpu-vfio", VFIO)]);
        assert!(faults(&both, "6.1.0-9-amd64", SYMVERS).is_empty());
        let none = "0x00000000\tprintk\tvmlinux\tEXPORT_SYMBOL\n\
                    0x00000000\tdma_buf_get\tvmlinux\tEXPORT_SYMBOL\tmodule:nvidia\n";
        assert!(faults(&both, "6.1.0-9-amd64", none).is_empty());
        let alone = faults(&both[1..], "6.1.0-9-amd64", SYMVERS);
        assert_eq!(
            alone,
            ["`nvidia-vgpu-vfio.ko` needs the symbol `nvidia_get`: neither kernel 6.1.0-9-amd64 \
              nor another module of the driver exports it"]
        );
    }

    #[test]
    fn each_reason_has_its_message() {
        let one = modules(&[("nvidia", NVIDIA)]);
        let only = |symvers: &str| {
            let mut faults = faults(&one, "6.1.0-9-amd64", symvers);
            assert_eq!(faults.len(), 1, "{faults:?}");
            faults.remove(0)
        };
        let fault = only(&SYMVERS.replace("0x11111111", "0x11111112"));
        assert!(fault.contains("checksum 0x11111112, but the module has 0x11111111"), "{fault}");
        let fault = only(&SYMVERS.replace("\tDMA_BUF", "\tOTHER"));
        assert!(fault.contains("namespace `OTHER`, which the module does not import"), "{fault}");
        let fault = only(&SYMVERS.replace("EXPORT_SYMBOL\t\n", "EXPORT_SYMBOL_GPL\t\n"));
        assert!(fault.contains("`nvidia.ko` needs the symbol `printk`"), "{fault}");
        assert!(fault.contains("under the GPL only"), "{fault}");
        let fault = only(&SYMVERS.replace("dma_buf_get", "dma_buf_put"));
        assert!(fault.contains("`dma_buf_get`: neither kernel"), "{fault}");
        let other = faults(&one, "6.1.0-10-amd64", SYMVERS);
        assert!(other[0].contains("instead of kernel 6.1.0-10-amd64"), "{other:?}");
    }

    #[test]
    fn the_version_and_the_signature_count() {
        let one = modules(&[("nvidia", NVIDIA)]);
        let release: KernelRelease = "6.1.0-9-amd64".parse().unwrap();
        let secure_boot = Some(SecureBoot::Enabled);
        let kernel = Kernel { release: &release, symvers: SYMVERS, secure_boot };
        let faults = kernel.refuses(&one, &"550.90.06".parse().unwrap()).unwrap();
        assert!(
            matches!(faults[..], [Fault::Version { .. }, Fault::Unsigned { .. }]),
            "{faults:?}"
        );
        let broken = Kernel { symvers: "what\n", ..kernel };
        assert!(broken.refuses(&one, &"550.90.05".parse().unwrap()).is_err());
    }
}
