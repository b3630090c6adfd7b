//! Applying a plan, confirming the result, and rolling back a failed upgrade.

use super::bundle::title;
use super::guard::look_after;
use super::proving::{Proven, settle_proof};
use super::revert;
use crate::cli::{Advise as _, Exit, Refused};
use crate::journal::{Settling, TxId};
use crate::machine::Machine;
use crate::plan::{Applied, ApplyError, Applying, Origin, Phase, Plan, Reboot, WayBack};
use crate::status::resume::is_wanted;
use crate::store::Bundles;
use crate::trust::Candidate;
use crate::ui::{Tone, Ui, printable, printable_lines};

/// Applies the plan, confirms the result on the host, and records it.
///
/// If an upgrade's new driver does not work, rolls back to the previous bundle.
pub(super) fn carry_out(
    machine: &mut Machine,
    plan: &Plan,
    candidate: &Candidate,
    phase: Phase,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let origin = Origin { bundle: candidate.bundle, boot: machine.boot()? };
    let applied = machine.apply(&origin, plan, phase, &mut |event| tell(event, ui));
    let (tx, error) = match applied {
        Ok(applied) if is_open(applied.reboot) => {
            return Ok(finish(applied, Proven::Yes, plan, ui));
        }
        Ok(applied) => {
            look_after(machine, ui);
            match settle_proof(machine, plan, candidate, applied.reboot, ui) {
                Ok(proven) => return Ok(finish(applied, proven, plan, ui)),
                // Without a transaction, nothing has changed that could be rolled back.
                Err(error) => (applied.tx, error),
            }
        }
        Err(error @ (ApplyError::Step { .. } | ApplyError::NoEffect { .. })) => {
            (machine.current()?.map(|tx| tx.id), error.into())
        }
        Err(error) => return Err(error.into()),
    };
    match tx {
        Some(tx) => go_back(machine, tx, error, ui),
        None => Err(error),
    }
}

fn is_open(reboot: Reboot) -> bool {
    matches!(reboot, Reboot::NeededToContinue | Reboot::Stopped)
}

/// Rolls back `tx`, which failed with `error`, if it replaced a working driver.
pub(super) fn go_back(
    machine: &mut Machine,
    tx: TxId,
    error: anyhow::Error,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let old = match machine.way_back(tx)? {
        WayBack::Nowhere => return Err(error),
        WayBack::Lacks(items) => {
            let items: Vec<_> = items.iter().map(|item| format!("`{item}`")).collect();
            let hint = format!(
                "cannot roll back to the previous driver: the store lacks {}; run \
                    `vgpu-installer store add OLD-BUNDLE`, then `vgpu-installer revert`",
                items.join(" and ")
            );
            return Err(error).hint(hint);
        }
        WayBack::To(old) => old,
    };
    let why = format!("{error:#}");
    let word = ui.paint_talk(Tone::Bad, "the new driver does not work:");
    ui.say(format_args!("{word} {}", printable_lines(&why)));
    ui.say(format_args!("rolling back to driver {old}"));
    let exit = revert::take_back(machine, ui)
        .hint("fix this, then run `vgpu-installer revert` to restore the previous bundle")?;
    let bundles = Bundles::load(machine.look())?;
    let before = machine.current()?.and_then(|tx| bundles.get(tx.new.bundle).map(title));
    let refused = Refused::WentBack { to: before.unwrap_or_else(|| format!("driver {old}")), why };
    if exit == Exit::Reboot {
        return Err(refused).hint("reboot to activate all changes");
    }
    Err(refused.into())
}

fn tell(event: Applying<'_>, ui: &Ui) {
    match event {
        Applying::Step { step, n, of } => {
            ui.say(format_args!("[{n}/{of}] {}", printable(&step.summary())));
        }
        Applying::Settle(event) => tell_settling(event, ui),
    }
}

pub(super) fn tell_settling(event: Settling<'_>, ui: &Ui) {
    match event {
        Settling::Rebuild(derived) => ui.say(format_args!("rebuild {derived}")),
        Settling::Warning(line) => {
            ui.say(format_args!("{} {}", ui.paint_talk(Tone::Warn, "warning:"), printable(line)));
        }
    }
}

fn finish(applied: Applied, proven: Proven, plan: &Plan, ui: &Ui) -> Exit {
    let (word, exit) = match (applied.tx, applied.reboot) {
        (None, _) => ("done: nothing to do", Exit::Done),
        (_, Reboot::NotNeeded) => ("done", Exit::Done),
        (_, Reboot::Needed) if proven == Proven::AfterReboot => {
            ("done; reboot, then run `vgpu-installer apply` to confirm the result", Exit::Reboot)
        }
        (_, Reboot::Needed) => ("done; reboot to activate all changes", Exit::Reboot),
        (_, Reboot::NeededToContinue) if is_wanted(plan) => (
            "phase 1 is done; reboot to resume automatically, or run `vgpu-installer apply` \
                after it",
            Exit::Reboot,
        ),
        (_, Reboot::NeededToContinue) => {
            ("phase 1 is done; reboot, then run `vgpu-installer apply` to resume", Exit::Reboot)
        }
        (_, Reboot::Stopped) => {
            ("phase 1 is done; run `vgpu-installer apply` to resume", Exit::Done)
        }
    };
    ui.say(ui.paint_talk(Tone::Good, word));
    exit
}
