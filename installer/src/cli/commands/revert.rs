use serde::Serialize;

use super::Consent;
use super::apply_plan::tell_settling;
use super::bundle::title;
use crate::act::{Action, Change, Entry, Reverting, Transaction};
use crate::cli::{Exit, Target};
use crate::gpus::check_idle;
use crate::journal::{Kept, TxState, run_transient};
use crate::locked_host::LockedHost;
use crate::plan::Plan;
use crate::settle::Derived;
use crate::step::Status;
use crate::store::Bundles;
use crate::ui::{Tone, Ui, printable};

/// Revert the last bundle, or all of them.
///
/// Restores each path that the installer changed. Files changed outside vgpu-installer are kept
/// and listed.
#[derive(Debug, clap::Args)]
pub(crate) struct Revert {
    /// Revert all bundles, not only the last one
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Revert {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        let Some(mut locked) = target.find_locked()? else {
            ui.say("nothing to revert: no bundle was applied here");
            return Ok(Exit::Done);
        };
        let mut open = locked.open()?;
        // Partially reverted transactions were started together, and resume together.
        let begun = open.iter().filter(|tx| tx.state == TxState::Reverting).count();
        let all = self.all || begun > 1;
        if !all {
            open.drain(..open.len().saturating_sub(1));
        }
        if open.is_empty() {
            ui.say("nothing to revert: everything is reverted already");
            return Ok(Exit::Done);
        }
        refuse_if_used(&locked, &open)?;
        show(&locked, &open, ui)?;
        self.consent.ask(ui, "Revert this?")?;
        let exit = exit(&locked, &open)?;
        let stops = stops_services(&open);
        let each = &mut |event: Reverting<'_>| print_event(event, ui);
        let kept =
            if all { locked.revert_all(each)? } else { locked.revert(each)?.unwrap_or_default() };
        say_kept(&kept, ui)?;
        if stops {
            restart_services(&mut locked, ui)?;
        }
        conclude(&locked, exit, ui)?;
        Ok(exit)
    }
}

/// Reverts the last bundle without confirmation, because it failed. The status tells whether a
/// reboot is needed.
pub(super) fn revert_last(locked: &mut LockedHost, ui: &Ui) -> anyhow::Result<Exit> {
    let last: Vec<_> = locked.current()?.into_iter().collect();
    let (exit, stops) = (exit(locked, &last)?, stops_services(&last));
    let kept = locked.revert(&mut |event| print_event(event, ui))?.unwrap_or_default();
    say_kept(&kept, ui)?;
    if stops {
        restart_services(locked, ui)?;
    }
    Ok(exit)
}

/// Restarts the services of the now applied bundle, because its driver or license server was
/// restored. The journal already has their undo.
fn restart_services(locked: &mut LockedHost, ui: &Ui) -> anyhow::Result<()> {
    let Some(tx) = locked.current()?.filter(|tx| tx.state == TxState::Applied) else {
        return Ok(());
    };
    let plan = Plan::parse(&tx.new.plan)?;
    let there = plan.steps().filter(|step| !tx.is_removed(step.component()));
    for (step, command) in there.filter_map(|step| Some((step, step.restart()?))) {
        if step.check(locked.look())? == Status::Done {
            continue;
        }
        ui.say(printable(&step.summary()));
        let host = locked.host();
        let started = [Derived::Systemd.command(), command];
        if let Err(error) = started.iter().try_for_each(|command| run_transient(host, command)) {
            let why = printable(&error.to_string());
            ui.say(format_args!(
                "it does not start: {why}; run `vgpu-installer status` for the next step"
            ));
        }
    }
    Ok(())
}

/// Refuses to remove a driver while guests use it. This is checked first, before its services are
/// stopped.
fn refuse_if_used(locked: &LockedHost, open: &[Transaction]) -> anyhow::Result<()> {
    if exchanges_driver(locked, open)? {
        check_idle(locked.look())?;
    }
    Ok(())
}

/// Checks whether these transactions have started services. An unreadable plan does not block a
/// revert.
fn stops_services(open: &[Transaction]) -> bool {
    let starts = |plan: Plan| plan.steps().any(|step| step.restart().is_some());
    open.iter().any(|tx| Plan::parse(&tx.new.plan).is_ok_and(starts))
}

/// Checks whether reverting these installs or removes a driver.
fn exchanges_driver(locked: &LockedHost, open: &[Transaction]) -> anyhow::Result<bool> {
    for tx in open {
        let entries = locked.entries(tx.id)?;
        if entries.iter().any(|entry| matches!(entry.change, Change::Act(Action::Driver(_)))) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn show(locked: &LockedHost, open: &[Transaction], ui: &Ui) -> anyhow::Result<()> {
    let bundles = Bundles::load(locked.look());
    for tx in open.iter().rev() {
        let digest = tx.new.bundle;
        let name = bundles.get(digest).map_or_else(|| digest.to_string(), title);
        ui.say(format_args!("to revert: {name}"));
        for entry in locked.entries(tx.id)?.iter().rev().filter(|entry| entry.by.is_none()) {
            for line in describe(entry) {
                ui.say(format_args!("  {line}"));
            }
        }
    }
    Ok(())
}

/// Describes the revert of a change: a summary line, then its details.
pub(super) fn describe(entry: &Entry) -> Vec<String> {
    let text = match &entry.change {
        Change::Put { path, before: None, .. } => format!("remove   {path}"),
        Change::Put { path, .. } => format!("restore  {path}"),
        Change::Act(act) => act.undoing(),
        Change::Lost { path, .. } => format!("lost     {path}"),
    };
    let mut lines = vec![printable(&text)];
    if let Change::Act(Action::Packages(packages)) = &entry.change {
        lines.extend(packages.undone().map(|line| format!("  {}", printable(&line))));
    }
    lines
}

/// Checks whether a reboot is needed: whether the host has booted with the reverted changes.
fn exit(locked: &LockedHost, open: &[Transaction]) -> anyhow::Result<Exit> {
    let boot = locked.boot()?;
    for tx in open.iter().filter(|tx| *tx.waits_since() != boot) {
        if locked.entries(tx.id)?.iter().any(|entry| entry.change.awaits_boot()) {
            return Ok(Exit::Reboot);
        }
    }
    Ok(Exit::Done)
}

/// The remains of a revert, in the document about the change.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct NotRestored<'k> {
    /// Everything that was not restored, with the reason.
    kept: &'k [Kept],
}

/// The bundles below the reverted one, in the document about the change.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Earlier {
    /// The number of earlier bundles that are still applied.
    still_applied: usize,
}

/// Lists everything that was not restored.
pub(super) fn say_kept(kept: &[Kept], ui: &Ui) -> anyhow::Result<()> {
    ui.outcome(&NotRestored { kept })?;
    for Kept { what, why } in kept {
        let text = printable(&format!("{what}: {why}"));
        ui.say(format_args!("{} {text}", ui.paint_talk(Tone::Warn, "kept:")));
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is the callback of a revert")]
pub(super) fn print_event(event: Reverting<'_>, ui: &Ui) {
    match event {
        Reverting::Restore(path) => {
            ui.say(format_args!("restore {}", printable(&path.to_string())));
        }
        Reverting::Undo(act) => ui.say(printable(&act.undoing())),
        Reverting::Settle(event) => tell_settling(event, ui),
    }
}

pub(super) fn conclude(locked: &LockedHost, exit: Exit, ui: &Ui) -> anyhow::Result<()> {
    let left = locked.open()?.len();
    ui.outcome(&Earlier { still_applied: left })?;
    let word = match exit {
        Exit::Reboot => "reverted; reboot to activate all changes",
        _ => "reverted",
    };
    ui.say(ui.paint_talk(Tone::Good, word));
    if left > 0 {
        ui.say(format_args!(
            "{left} earlier bundles are still applied; run `revert` again for the next one"
        ));
    }
    Ok(())
}
