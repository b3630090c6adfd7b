//! The parts of a verdict that a plan needs.

use std::collections::BTreeSet;

use vgpu_manifest::catalog::{DriverVersion, LibraryId};
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::platform::PciAddress;
use vgpu_manifest::verdict::{Config, Mode};
use vgpu_manifest::{Kind, Manifest};

use crate::fit::Fit;

/// The driver for this node's GPUs, with its requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vgpu {
    /// The version of the host driver.
    pub(crate) driver: DriverVersion,
    /// The arguments for `nvidia-installer`.
    pub(crate) args: Vec<String>,
    /// The unlock requirements; `None` if all GPUs are supported natively.
    pub(crate) unlock: Option<UnlockNeed>,
    /// Whether a GPU is supported natively.
    pub(crate) native: bool,
    /// The addresses of the GPUs that the driver supports.
    pub(crate) gpus: BTreeSet<PciAddress>,
}

/// The requirements of an unlocked GPU besides the patched driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnlockNeed {
    /// The library that fits the driver, if one is recorded.
    pub(crate) library: Option<LibraryId>,
    /// The `vgpuConfig.xml` that the driver needs.
    pub(crate) config: Config,
}

impl Vgpu {
    /// Combines the verdicts on a node's GPUs; `None` if the bundle has no host driver.
    ///
    /// If no verdict is suitable, the operator has overridden them: then all GPUs get the bundle's
    /// driver as NVIDIA's installer chooses it.
    #[must_use]
    pub(crate) fn of(fit: &Fit<'_>, manifest: &Manifest) -> Option<Self> {
        Self::of_suitable(fit).or_else(|| Self::overridden(fit, manifest))
    }

    fn overridden(fit: &Fit<'_>, manifest: &Manifest) -> Option<Self> {
        let mut drivers = manifest.records(Kind::driver).map(|(_, record)| record);
        let host = drivers.find(|record| record.kind == DriverKind::Host)?;
        Some(Self {
            driver: host.version.clone(),
            args: ["--dkms", "-s"].map(str::to_owned).into(),
            unlock: None,
            native: true,
            gpus: fit.addresses.iter().copied().collect(),
        })
    }

    fn of_suitable(fit: &Fit<'_>) -> Option<Self> {
        let judged = fit.suitability.gpus.iter().zip(&fit.addresses);
        let suitable = judged.filter_map(|(gpu, address)| {
            let suitable = gpu.verdict.suitable().filter(|suitable| suitable.driver.is_some())?;
            Some((suitable, *address))
        });
        let served: Vec<_> = suitable.collect();
        let mut all = served.iter().map(|(suitable, _)| suitable).peekable();
        let install = all.peek()?.driver.as_ref()?;
        let mut vgpu = Self {
            driver: install.driver.host.clone(),
            args: install.args.clone(),
            unlock: None,
            native: false,
            gpus: served.iter().map(|(_, address)| *address).collect(),
        };
        for suitable in all {
            vgpu.native |= suitable.mode == Mode::Native;
            if let Some(unlock) = &suitable.unlock {
                let library = unlock.library.map(|library| library.id.clone());
                let config = unlock.config;
                let need = vgpu.unlock.get_or_insert(UnlockNeed { library, config });
                if config == Config::Branch16 {
                    need.config = config;
                }
                // The GPU that requires explicit module arguments decides for all.
                vgpu.args.clone_from(&suitable.driver.as_ref()?.args);
            }
        }
        Some(vgpu)
    }
}
