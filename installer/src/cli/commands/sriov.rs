use std::time::Duration;

use vgpu_manifest::platform::PciAddress;

use crate::cli::{Exit, Target};
use crate::gpus::sriov::{Functions, enable};
use crate::ui::Ui;

/// Enable SR-IOV virtual functions (used by the systemd unit).
///
/// Proxmox VE's unit for this, or `vgpu-offline-sriov.service`, runs it at boot. Waits for the
/// driver, retries until functions exist, and prints their number.
#[derive(Debug, clap::Args)]
pub(crate) struct Sriov {
    /// PCI address of a GPU [default: all NVIDIA GPUs with SR-IOV]
    #[arg(value_name = "ADDRESS")]
    gpus: Vec<PciAddress>,
}

/// The delay after the first attempt.
const PAUSE: Duration = Duration::from_secs(10);

impl Sriov {
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        let gpus = self.gpus.into_iter().collect();
        for Functions { address, there, total } in enable(&mut target.host, &gpus, PAUSE)? {
            ui.print(format_args!("{address}: {there} of {total} virtual functions"))?;
        }
        Ok(Exit::Done)
    }
}
