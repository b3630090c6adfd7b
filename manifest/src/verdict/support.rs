//! What is to be said of a GPU whatever machine it is in, for tables.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Case, Mode, Summary, summarize};
use crate::catalog::{Catalog, Gpu, State};
use crate::platform::words::words;

/// Whether a GPU serves vGPUs, and with which branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Support {
    /// How.
    pub sharing: Sharing,
    /// The branches of which at least one release does it, in ascending order.
    pub branches: BTreeSet<u8>,
}

words! {
    /// How a GPU serves vGPUs at best, in the words of the Bash script's `gpu_info.db`.
    Sharing, "a way to serve vGPUs", {
        /// As NVIDIA made it.
        Native = "Native",
        /// Unlocked.
        Yes = "Yes",
        /// The sources disagree.
        Unknown = "Unknown",
        /// Not at all.
        No = "No",
    }
}

impl Support {
    /// What is to be said of `gpu`. A better way hides the branches of a lesser one: a Tesla P4 is
    /// native on 16.x, and that it can be unlocked on 17.x does not count here.
    #[must_use]
    pub fn of(catalog: &Catalog, gpu: &Gpu) -> Self {
        let [mut native, mut unlock, mut doubtful] = [const { BTreeSet::new() }; 3];
        for driver in catalog.drivers() {
            let branch = driver.release.branch();
            match summarize(catalog, &Case::new(gpu.pci_id(), driver.release)) {
                Summary::Suitable(Mode::Native, State::Settled) => native.insert(branch),
                Summary::Suitable(Mode::Unlock, State::Settled) => unlock.insert(branch),
                Summary::Suitable(..) => doubtful.insert(branch),
                Summary::Unsuitable(_) => false,
            };
        }
        let ways =
            [(Sharing::Native, native), (Sharing::Yes, unlock), (Sharing::Unknown, doubtful)];
        let best = ways.into_iter().find(|(_, branches)| !branches.is_empty());
        let (sharing, branches) = best.unwrap_or((Sharing::No, BTreeSet::new()));
        Self { sharing, branches }
    }
}
