//! The commands, one file each: `run` resolves the arguments and runs the command.

pub(crate) mod apply;
pub(crate) mod apply_plan;
mod bundle;
pub(crate) mod check;
mod confirm;
pub(crate) mod forget;
pub(crate) mod guard;
pub(crate) mod guest_drivers;
pub(crate) mod inspect;
pub(crate) mod inventory;
pub(crate) mod license;
mod password;
pub(crate) mod plan;
pub(crate) mod remove;
pub(crate) mod repair;
pub(crate) mod report;
mod resume;
pub(crate) mod revert;
pub(crate) mod sriov;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod trust;
pub(crate) mod verify;

use vgpu_manifest::{GuestTool, Manifest};

pub(crate) use self::bundle::title;

use crate::cli::Refused;
use crate::plan::{GuestTools, Resume};
use crate::ui::{Answer, Ui};

/// Confirmation options.
#[derive(Debug, clap::Args)]
struct Consent {
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

impl Consent {
    /// Continues only with the operator's consent, given now or with `--yes`.
    fn ask(&self, ui: &Ui, question: &str) -> Result<(), Refused> {
        if self.yes {
            return Ok(());
        }
        match ui.confirm(question).map_err(|_| Refused::NoTerminal)? {
            Answer::Yes => Ok(()),
            Answer::No => Err(Refused::Declined),
        }
    }
}

/// How to resume after the reboot.
#[derive(Debug, clap::Args)]
struct ResumeArgs {
    /// Do not resume automatically after the reboot; run `vgpu-installer apply` then
    #[arg(long)]
    no_resume: bool,
}

impl ResumeArgs {
    fn get(&self) -> Resume {
        if self.no_resume { Resume::ByOperator } else { Resume::ByUnit }
    }
}

/// How to handle guest tools.
#[derive(Debug, clap::Args)]
struct GuestToolArgs {
    /// Put the bundle's third-party guest tools on the guest image; whether guests may have them
    /// is your responsibility
    #[arg(long)]
    guest_tools: bool,
}

impl GuestToolArgs {
    fn get(&self) -> GuestTools {
        if self.guest_tools { GuestTools::OnImage } else { GuestTools::LeftOut }
    }
}

/// Returns why a guest tool is left out.
fn left_out(manifest: &Manifest, tools: GuestTools) -> Vec<String> {
    let wants = &manifest.wants.guest_tools;
    let left = wants.iter().filter(|_| tools == GuestTools::LeftOut);
    let says = |tool: &GuestTool| {
        format!(
            "left out: {}, a third-party guest tool; its effect on a guest's driver, and \
                whether NVIDIA's license terms permit it, are your responsibility; \
                `--guest-tools` includes it",
            tool.item
        )
    };
    left.map(says).collect()
}
