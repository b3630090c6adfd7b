use std::time::Duration;

use crate::cli::{Exit, Target};
use crate::gpus::sriov::{Functions, enable};
use crate::ui::Ui;

/// Enable SR-IOV virtual functions (used by the systemd unit).
///
/// `vgpu-offline-sriov.service` runs this at boot where Proxmox VE has no unit for it. Waits for
/// the driver, retries until functions exist, and prints their number.
#[derive(Debug, clap::Args)]
pub(crate) struct Sriov {}

/// The delay between attempts.
const PAUSE: Duration = Duration::from_secs(10);

impl Sriov {
    #[expect(clippy::unused_self, reason = "as all commands")]
    pub(crate) fn run(self, mut target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        for Functions { address, there, total } in enable(&mut target.host, PAUSE)? {
            ui.print(format_args!("{address}: {there} of {total} virtual functions"))?;
        }
        Ok(Exit::Done)
    }
}
