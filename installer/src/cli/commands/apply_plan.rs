//! Applying a plan, confirming the result, and rolling back a failed upgrade.

use serde::Serialize;

use super::bundle::title;
use super::confirm::{Confirmed, confirm};
use super::guard::guard_and_report;
use super::revert;
use crate::cli::{Advise as _, Exit, Refused};
use crate::facts::SigningKey;
use crate::host::real::received_signal;
use crate::journal::{Settling, TxId};
use crate::locked_host::LockedHost;
use crate::plan::{Applied, ApplyError, Applying, Origin, Phase, Plan, Reboot, Rollback};
use crate::step::{AT_CONSOLE, enrollment};
use crate::store::Bundles;
use crate::trust::Candidate;
use crate::ui::{Tone, Ui, printable, printable_lines};

/// The applied bundle, in the document about the change.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Ran<'r> {
    #[serde(flatten)]
    candidate: &'r Candidate,
    /// The summaries of the steps that this run carried out.
    steps: &'r [String],
}

/// Applies the plan, confirms the result on the host, and records it.
///
/// If an upgrade's new driver does not work, rolls back to the previous bundle.
pub(super) fn apply_plan(
    locked: &mut LockedHost,
    plan: &Plan,
    candidate: &Candidate,
    phase: Phase,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let origin = Origin { bundle: candidate.bundle, boot: locked.boot()? };
    let mut steps = Vec::new();
    let applied = locked.apply(&origin, plan, phase, &mut |event| {
        if let Applying::Step { step, .. } = &event {
            steps.push(step.summary());
        }
        print_event(event, ui);
    });
    ui.outcome(&Ran { candidate, steps: &steps })?;
    let (tx, error) = match applied {
        Ok(applied) if is_open(applied.reboot) => {
            let exit = finish(applied, Confirmed::Yes, plan, ui)?;
            if enrollment(&plan.after_reboot, locked.look()) == Some(SigningKey::Requested) {
                ui.say(format_args!("during the reboot, {AT_CONSOLE}"));
            }
            return Ok(exit);
        }
        Ok(applied) => {
            guard_and_report(locked, ui);
            match confirm(locked, plan, candidate, applied.reboot, ui) {
                Ok(proven) => return finish(applied, proven, plan, ui),
                // Without a transaction, nothing has changed that could be rolled back.
                Err(error) => (applied.tx, error),
            }
        }
        Err(error @ (ApplyError::Step { .. } | ApplyError::NoEffect { .. })) => {
            (locked.current()?.map(|tx| tx.id), error.into())
        }
        Err(error) => return Err(error.into()),
    };
    match tx {
        Some(tx) => roll_back(locked, tx, error, ui),
        None => Err(error),
    }
}

fn is_open(reboot: Reboot) -> bool {
    matches!(reboot, Reboot::NeededToContinue | Reboot::Stopped)
}

/// Rolls back `tx`, which failed with `error`, if it replaced a working driver.
pub(super) fn roll_back(
    locked: &mut LockedHost,
    tx: TxId,
    error: anyhow::Error,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    if received_signal().is_some() {
        // The new driver has not failed.
        return Err(error);
    }
    let old = match locked.rollback(tx)? {
        Rollback::NoDriver => return Err(error),
        Rollback::Lacks(items) => {
            let items: Vec<_> = items.iter().map(|item| format!("`{item}`")).collect();
            let hint = format!(
                "cannot roll back to the previous driver: the store lacks {}; run \
                    `vgpu-installer store add OLD-BUNDLE`, then `vgpu-installer revert`",
                items.join(" and ")
            );
            return Err(error).hint(hint);
        }
        Rollback::To(old) => old,
    };
    let why = format!("{error:#}");
    let word = ui.paint_talk(Tone::Bad, "the new driver does not work:");
    ui.say(format_args!("{word} {}", printable_lines(&why)));
    ui.say(format_args!("rolling back to driver {old}"));
    let exit = revert::revert_last(locked, ui)
        .hint("fix this, then run `vgpu-installer revert` to restore the previous bundle")?;
    let bundles = Bundles::load(locked.look());
    let before = locked.current()?.and_then(|tx| bundles.get(tx.new.bundle).map(title));
    let refused =
        Refused::RolledBack { to: before.unwrap_or_else(|| format!("driver {old}")), why };
    if exit == Exit::Reboot {
        return Err(refused).hint("reboot to activate all changes");
    }
    Err(refused.into())
}

fn print_event(event: Applying<'_>, ui: &Ui) {
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

fn finish(applied: Applied, proven: Confirmed, plan: &Plan, ui: &Ui) -> anyhow::Result<Exit> {
    ui.outcome(&applied)?;
    let (word, exit) = match (applied.tx, applied.reboot) {
        (None, _) => ("done: nothing to do", Exit::Done),
        (_, Reboot::NotNeeded) => ("done", Exit::Done),
        (_, Reboot::Needed) if proven == Confirmed::AfterReboot => {
            ("done; reboot, then run `vgpu-installer apply` to confirm the result", Exit::Reboot)
        }
        (_, Reboot::Needed) => ("done; reboot to activate all changes", Exit::Reboot),
        (_, Reboot::NeededToContinue) if plan.resumes_automatically() => (
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
    Ok(exit)
}
