use super::Consent;
use super::bundle::title;
use crate::cli::{Exit, Target};
use crate::gpus::check_idle;
use crate::journal::{Change, Entry, Kept, Reverting, Transaction, TxState};
use crate::machine::Machine;
use crate::store::Bundles;
use crate::ui::{Tone, Ui, printable};

/// Take back what was applied.
///
/// Each path goes back to what it was, provided that what it is now is our doing. What somebody
/// else has changed since is kept and named.
#[derive(Debug, clap::Args)]
pub(crate) struct Revert {
    /// Take back everything that was ever applied, not only the last bundle.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
}

impl Revert {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        let Some(mut machine) = target.find_machine()? else {
            ui.say("nothing to take back: nothing was applied here");
            return Ok(Exit::Done);
        };
        let mut open = machine.transactions()?;
        open.retain(|tx| tx.state != TxState::Reverted);
        if !self.all {
            open.drain(..open.len().saturating_sub(1));
        }
        if open.is_empty() {
            ui.say("nothing to take back: everything was taken back already");
            return Ok(Exit::Done);
        }
        refuse_if_used(&machine, &open)?;
        show(&machine, &open, ui)?;
        self.consent.ask(ui, "Take this back?")?;
        let mut exit = Exit::Done;
        for tx in open.iter().rev() {
            if take_back(&mut machine, tx, ui)? == Exit::Reboot {
                exit = Exit::Reboot;
            }
        }
        conclude(&machine, exit, ui)?;
        Ok(exit)
    }
}

/// A driver does not go while guests use it. It is asked before anything else is taken back, and not
/// only when the driver's turn comes: its services would be gone by then.
fn refuse_if_used(machine: &Machine, open: &[Transaction]) -> anyhow::Result<()> {
    for tx in open {
        let entries = machine.entries(tx.id)?;
        if entries.iter().any(|entry| matches!(entry.change, Change::Driver(_))) {
            return Ok(check_idle(machine.look())?);
        }
    }
    Ok(())
}

/// What would be taken back, the last first.
fn show(machine: &Machine, open: &[Transaction], ui: &Ui) -> anyhow::Result<()> {
    let bundles = Bundles::load(machine.look())?;
    for tx in open.iter().rev() {
        let digest = tx.new.bundle;
        let name = bundles.get(digest).map_or_else(|| digest.to_string(), title);
        ui.say(format_args!("to take back: {name}"));
        for entry in machine.entries(tx.id)?.iter().filter(|entry| entry.by.is_none()) {
            ui.say(format_args!("  {}", describe(entry)));
        }
    }
    Ok(())
}

fn describe(entry: &Entry) -> String {
    let text = match &entry.change {
        Change::Put { path, before: None, .. } => format!("remove   {path}"),
        Change::Put { path, .. } => format!("restore  {path}"),
        Change::Run(_) | Change::Packages(_) | Change::Driver(_) => {
            entry.change.undoing().unwrap_or_default()
        }
        Change::Lost { path, .. } => format!("lost     {path}"),
    };
    printable(&text)
}

/// Take back `tx`, the last one. A reboot is needed if the host has booted with what it changed.
fn take_back(machine: &mut Machine, tx: &Transaction, ui: &Ui) -> anyhow::Result<Exit> {
    let waits = machine.entries(tx.id)?.iter().any(|entry| entry.change.awaits_boot());
    let booted = tx.new.boot != machine.boot()?;
    let kept = machine.revert(&mut |event| tell(event, ui))?.unwrap_or_default();
    for Kept { what, why } in &kept {
        let text = printable(&format!("{what}: {why}"));
        ui.say(format_args!("{} {text}", ui.paint_talk(Tone::Warn, "kept:")));
    }
    Ok(if waits && booted { Exit::Reboot } else { Exit::Done })
}

fn tell(event: Reverting<'_>, ui: &Ui) {
    match event {
        Reverting::Restore(path) => {
            ui.say(format_args!("restore {}", printable(&path.to_string())));
        }
        Reverting::Undo(change) => {
            ui.say(printable(&change.undoing().unwrap_or_default()));
        }
        Reverting::Rebuild(derived) => ui.say(format_args!("rebuild {derived}")),
    }
}

fn conclude(machine: &Machine, exit: Exit, ui: &Ui) -> anyhow::Result<()> {
    let left = machine.transactions()?;
    let left = left.iter().filter(|tx| tx.state != TxState::Reverted).count();
    let word = match exit {
        Exit::Reboot => "taken back; a reboot is needed for all of it to take effect",
        _ => "taken back",
    };
    ui.say(ui.paint_talk(Tone::Good, word));
    if left > 0 {
        ui.say(format_args!("{left} earlier ones are still there; `revert` takes back the next"));
    }
    Ok(())
}
