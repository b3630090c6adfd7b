use std::collections::BTreeSet;

use vgpu_manifest::UnitName;
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::platform::PciAddress;

use crate::step::{LIBRARY, Step};

/// What a plan was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The driver; without one there is nothing to prove.
    pub driver: Option<DriverVersion>,
    /// The GPUs of which vGPUs are to be had.
    pub gpus: BTreeSet<PciAddress>,
    /// Whether the driver takes its cards as they are.
    pub cards: Cards,
    /// The daemons, the last of which keeps running.
    pub services: Vec<UnitName>,
    /// Whether the unlock library is preloaded into them.
    pub preload: Preload,
    /// Whether there are to be virtual functions.
    pub functions: Functions,
}

/// How the driver takes its cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cards {
    /// As they are.
    Native,
    /// As others: some are unlocked, by a patched driver.
    Unlocked,
}

/// Whether something is preloaded into the daemons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preload {
    /// The unlock library.
    Library,
    /// Nothing.
    Nothing,
}

/// Whether there are to be virtual functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Functions {
    /// All that the GPUs can have.
    All,
    /// None are needed.
    None,
}

impl Expected {
    /// What a plan of these steps was for.
    #[must_use]
    pub fn of<'s>(steps: impl IntoIterator<Item = &'s Step>) -> Self {
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
                Step::EnableSriov(_) => expected.functions = Functions::All,
                _ => {}
            }
        }
        expected
    }
}
