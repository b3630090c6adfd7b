use std::collections::BTreeSet;

use vgpu_manifest::UnitName;
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::platform::PciAddress;

use crate::step::{LIBRARY, Step};

/// The purpose of a plan, to confirm on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The driver; without one there is nothing to confirm.
    pub(crate) driver: Option<DriverVersion>,
    /// The GPUs to use for vGPU.
    pub(crate) gpus: BTreeSet<PciAddress>,
    /// How the driver supports its GPUs.
    pub(crate) cards: Cards,
    /// The daemons; only the last one keeps running.
    pub(crate) services: Vec<UnitName>,
    pub(crate) preload: Preload,
    pub(crate) functions: Functions,
}

/// How the driver supports its GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cards {
    /// Natively.
    Native,
    /// Some as other GPUs, through a patched driver and the unlock library.
    Unlocked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preload {
    Library,
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Functions {
    /// All that these GPUs support.
    All(BTreeSet<PciAddress>),
    None,
}

impl Expected {
    /// Derives the purpose of a plan from its steps.
    #[must_use]
    pub(crate) fn of<'s>(steps: impl IntoIterator<Item = &'s Step>) -> Self {
        let mut expected = Self {
            driver: None,
            gpus: BTreeSet::new(),
            cards: Cards::Native,
            services: Vec::new(),
            preload: Preload::Nothing,
            functions: Functions::None,
        };
        for step in steps {
            match step {
                Step::InstallDriver(step) => {
                    expected.driver = Some(step.driver.version.clone());
                    expected.gpus.clone_from(&step.serves);
                    if !step.driver.patches.is_empty() {
                        expected.cards = Cards::Unlocked;
                    }
                }
                Step::StartServices(step) => expected.services.clone_from(&step.units),
                Step::BuildUnlock(_) => expected.preload = Preload::Library,
                Step::PlaceItem(step) if step.path.as_path() == LIBRARY => {
                    expected.preload = Preload::Library;
                }
                Step::EnableSriov(step) => expected.functions = Functions::All(step.gpus.clone()),
                _ => {}
            }
        }
        expected
    }
}
