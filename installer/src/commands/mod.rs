//! The commands, a file each: `run` takes what was typed, resolves it, and does it.

pub(crate) mod apply;
mod bundle;
mod carry_out;
pub(crate) mod check;
pub(crate) mod forget;
mod go_on;
pub(crate) mod guard;
pub(crate) mod guest_drivers;
pub(crate) mod inspect;
pub(crate) mod inventory;
pub(crate) mod license;
mod password;
pub(crate) mod plan;
mod proving;
pub(crate) mod remove;
pub(crate) mod report;
pub(crate) mod revert;
pub(crate) mod sriov;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod trust;
pub(crate) mod verify;

use serde::Serialize;
use vgpu_manifest::{GuestTool, Manifest};

use crate::cli::Refused;
use crate::plan::GuestTools;
use crate::resume::Resume;
use crate::ui::{Answer, Ui};

/// Whether to ask before something is changed.
#[derive(Debug, clap::Args)]
struct Consent {
    /// Do it without asking.
    #[arg(long, short)]
    yes: bool,
}

impl Consent {
    /// Go on only with somebody's consent, given now or beforehand.
    fn ask(&self, ui: &Ui, question: &str) -> Result<(), Refused> {
        if self.yes {
            return Ok(());
        }
        match ui.confirm(question).map_err(|_| Refused::NobodyToAsk)? {
            Answer::Yes => Ok(()),
            Answer::No => Err(Refused::Declined),
        }
    }
}

/// Who goes on after the reboot between the two parts of a plan.
#[derive(Debug, clap::Args)]
struct ResumeArgs {
    /// Do not go on by itself after the reboot: run `vgpu-installer apply` then.
    #[arg(long)]
    no_resume: bool,
}

impl ResumeArgs {
    fn get(&self) -> Resume {
        if self.no_resume { Resume::ByOperator } else { Resume::ByItself }
    }
}

/// What becomes of tools for guests.
#[derive(Debug, clap::Args)]
struct GuestToolArgs {
    /// Put the tools for guests that the bundle carries onto the image for guests. They are somebody
    /// else's, and are never run here; whether a guest may have them is for you to answer.
    #[arg(long)]
    guest_tools: bool,
}

impl GuestToolArgs {
    fn get(&self) -> GuestTools {
        if self.guest_tools { GuestTools::OnImage } else { GuestTools::LeftOut }
    }
}

/// Why a tool for guests is left out.
fn left_out(manifest: &Manifest, tools: GuestTools) -> Vec<String> {
    let wants = &manifest.wants.guest_tools;
    let left = wants.iter().filter(|_| tools == GuestTools::LeftOut);
    let says = |tool: &GuestTool| {
        format!(
            "left out: {}, a tool for guests: it is somebody else's, and what it does to a guest's driver \
             and whether NVIDIA's licence terms allow that is for you to answer; `--guest-tools` hands \
             it out",
            tool.item
        )
    };
    left.map(says).collect()
}

/// Print `value` as a JSON document for machines and people.
fn print_json(ui: &Ui, value: &impl Serialize) -> anyhow::Result<()> {
    Ok(ui.print(serde_json::to_string_pretty(value)?)?)
}
