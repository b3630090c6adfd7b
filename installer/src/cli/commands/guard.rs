use crate::cli::{Exit, Target};
use crate::journal::TxState;
use crate::kernel_guard::{Guarded, Helpless};
use crate::locked_host::LockedHost;
use crate::plan::Plan;
use crate::status::proof::Expected;
use crate::ui::{Ui, printable};

/// Keep booting a kernel that has the module (used by hooks).
///
/// The hooks in /etc/kernel run this whenever a kernel or its headers are installed or removed.
/// If the next boot would use a kernel without the driver's module, pins the last kernel that has
/// one; removes its own pin once the newest kernel has the module. Always exits with 0, so that
/// no package operation fails.
#[derive(Debug, clap::Args)]
pub(crate) struct Guard {}

impl Guard {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as all commands")]
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        say(&guarded(target), ui);
        Ok(Exit::Done)
    }
}

fn guarded(target: Target) -> anyhow::Result<Guarded> {
    target.check_may_change()?;
    match target.find_locked()? {
        Some(mut locked) => guard_applied(&mut locked),
        None => Ok(Guarded::Nothing),
    }
}

/// Guards the applied driver and reports the result. Problems with the next boot are left to the
/// checks of `status`.
pub(super) fn guard_and_report(locked: &mut LockedHost, ui: &Ui) {
    say(&guard_applied(locked), ui);
}

fn guard_applied(locked: &mut LockedHost) -> anyhow::Result<Guarded> {
    let Some(tx) = locked.current()? else { return Ok(Guarded::Nothing) };
    if tx.state != TxState::Applied || tx.going().next().is_some() {
        return Ok(Guarded::Nothing);
    }
    // First recover a pin operation that a power cut interrupted.
    locked.recover()?;
    let plan = Plan::parse(&tx.new.plan)?;
    let there = plan.steps().filter(|step| !tx.is_removed(step.component()));
    match Expected::of(there).driver {
        Some(driver) => locked.guard(tx.id, &driver.to_string()),
        None => Ok(Guarded::Nothing),
    }
}

fn say(guarded: &anyhow::Result<Guarded>, ui: &Ui) {
    let guarded = match guarded {
        Ok(guarded) => guarded,
        Err(error) => {
            return ui.say(format_args!("vgpu-installer: {}", printable(&format!("{error:#}"))));
        }
    };
    match guarded {
        Guarded::Nothing => {}
        Guarded::Kept { kernel, instead_of } => ui.say(format_args!(
            "vgpu-installer: {} has no NVIDIA module; this host keeps booting {} until it \
                has one. Run `vgpu-installer status` for the next step",
            instead_of.as_str(),
            kernel.as_str()
        )),
        Guarded::Released(kernel) => ui.say(format_args!(
            "vgpu-installer: {} has its NVIDIA module and boots next",
            kernel.as_str()
        )),
        Guarded::Helpless { next, why } => ui.say(format_args!(
            "vgpu-installer: {} boots next and has no NVIDIA module, {}. Run `vgpu-installer \
                status` for the next step",
            next.as_str(),
            match why {
                Helpless::Pinned => "because it is pinned or selected",
                Helpless::NoOther => "and no other kernel has one",
                Helpless::Pool =>
                    "and the last one with a module may be unable to import the root pool",
                Helpless::NoMeans =>
                    "and cannot be held back: there is no `proxmox-boot-tool`, and \
                        /boot/grub/grub.cfg has no entry for the last one with a module",
            }
        )),
    }
}
