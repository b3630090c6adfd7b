use std::collections::BTreeSet;

use serde::Serialize;

use super::Consent;
use super::revert::{conclude, describe, print_event, say_kept};
use crate::act::{Entry, Reverting, Transaction};
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::component::{Component, Removal};
use crate::gpus::{check_idle, check_slots_idle};
use crate::journal::{RevertError, TxState};
use crate::locked_host::{LockedHost, Pending};
use crate::plan::{ApplyError, Plan};
use crate::step::Step;
use crate::ui::{Tone, Ui};

/// Remove everything that was installed, or components of it.
///
/// Removes exactly what the journal has recorded, after showing it. The previous state is
/// restored. Applying the bundle again reinstalls the component.
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Component to remove (repeatable) [default: everything]
    #[arg(long, value_enum, value_name = "COMPONENT")]
    component: Vec<Component>,
    /// Show what would be removed, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
}

/// The scope of a removal.
struct Going {
    /// The components; `None` for everything.
    components: Option<BTreeSet<Component>>,
    open: Vec<Transaction>,
    /// The entries, newest first, without traces of commands.
    entries: Vec<Entry>,
}

impl Remove {
    pub(super) fn only(component: Component, consent: Consent) -> Self {
        Self { component: vec![component], dry_run: false, consent }
    }

    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        let Some(mut locked) = target.find_locked()? else {
            ui.say("nothing to remove: no bundle was applied here");
            return Ok(Exit::Done);
        };
        let named: BTreeSet<_> = self.component.iter().copied().collect();
        let components = if named.is_empty() { None } else { Some(choose(&locked, &named, ui)?) };
        let going = Going::find(&locked, components)?;
        if going.entries.is_empty() {
            ui.say("nothing to remove");
            return Ok(Exit::Done);
        }
        going.refuse_if_used(&locked)?;
        going.show(ui)?;
        if self.dry_run {
            return Ok(Exit::Done);
        }
        self.consent.ask(ui, "Remove this?")?;
        let exit = going.exit(&locked)?;
        let each = &mut |event: Reverting<'_>| print_event(event, ui);
        let kept = match &going.components {
            Some(components) => locked.remove(components, each)?,
            None => locked.revert_all(each)?,
        };
        say_kept(&kept, ui)?;
        conclude(&locked, exit, ui)?;
        Ok(exit)
    }
}

/// Returns the components that are removed with these, with a note for each that is absent or
/// implied.
fn choose(
    locked: &LockedHost,
    named: &BTreeSet<Component>,
    ui: &Ui,
) -> anyhow::Result<BTreeSet<Component>> {
    let mut named = named.clone();
    match locked.pending()? {
        Pending::Nothing => {}
        Pending::Apply { tx, .. } => return Err(RevertError::Unfinished(tx.id).into()),
        Pending::Revert(tx) => return Err(ApplyError::Reverting(tx.id).into()),
        Pending::Remove(going) => {
            for component in going.difference(&named) {
                ui.say(format_args!("{component}: its interrupted removal resumes"));
            }
            named.extend(going);
        }
    }
    let there = locked.components()?;
    for component in named.difference(&there) {
        let removed = locked.open()?.iter().any(|tx| tx.is_removed(*component));
        let word = if removed { "already removed" } else { "not installed" };
        ui.say(format_args!("{component}: {word}"));
    }
    let removal = Removal::of(&named, &there)
        .map_err(|needed| {
            let hint = format!("remove it as well: `--component {}`", needed.by);
            (Refused::Unfinished(needed.to_string()), hint)
        })
        .or_else(|(refused, hint)| Err(refused).hint(hint))?;
    for (component, with) in &removal.along {
        ui.say(format_args!("{component}: removed as well, because only {with} uses it"));
    }
    Ok(removal.going)
}

/// The changes to undo, in the document about the change.
#[derive(Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct ToRemove<'r> {
    /// A line for each change to undo, and for its details.
    removes: &'r [String],
}

impl Going {
    fn find(locked: &LockedHost, components: Option<BTreeSet<Component>>) -> anyhow::Result<Self> {
        let open = locked.open()?;
        let mut entries = Vec::new();
        for tx in &open {
            let goes = |entry: &Entry| {
                let named = |going: &BTreeSet<_>| {
                    going.contains(&entry.component) && !tx.is_removed(entry.component)
                };
                components.as_ref().is_none_or(named)
            };
            let own = locked.entries(tx.id)?.into_iter().filter(|entry| entry.by.is_none());
            entries.extend(own.filter(goes));
        }
        entries.reverse();
        Ok(Self { components, open, entries })
    }

    fn has(&self, component: Component) -> bool {
        self.entries.iter().any(|entry| entry.component == component)
    }

    /// Refuses to remove a GPU's passthrough while a running guest uses it.
    fn refuse_if_used(&self, locked: &LockedHost) -> anyhow::Result<()> {
        if self.has(Component::Driver) || self.has(Component::Unlock) {
            check_idle(locked.look())?;
        }
        if self.has(Component::Passthrough) {
            let mut slots = Vec::new();
            for tx in &self.open {
                for step in Plan::parse(&tx.new.plan)?.steps() {
                    if let Step::HandToGuests(hand) = step {
                        slots.extend(hand.slots.iter().copied());
                    }
                }
            }
            check_slots_idle(locked.look(), &slots)?;
        }
        Ok(())
    }

    fn show(&self, ui: &Ui) -> anyhow::Result<()> {
        let names = |components: &BTreeSet<Component>| {
            components.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let what = self.components.as_ref().map_or("everything".to_owned(), names);
        ui.say(format_args!("to remove: {}", ui.paint_talk(Tone::Warn, &what)));
        let lines: Vec<_> = self.entries.iter().flat_map(describe).collect();
        for line in &lines {
            ui.say(format_args!("  {line}"));
        }
        ui.outcome(&ToRemove { removes: &lines })
    }

    /// Checks whether the removal needs a reboot: for boot parameters, and for libraries that
    /// running services have loaded.
    fn exit(&self, locked: &LockedHost) -> anyhow::Result<Exit> {
        let boot = locked.boot()?;
        let booted = self.open.iter().any(|tx| *tx.waits_since() != boot);
        let waits = self.entries.iter().any(|entry| entry.change.awaits_boot());
        let loaded = self.has(Component::Unlock)
            && !self.has(Component::Driver)
            && locked.components()?.contains(&Component::Driver);
        let unfinished = self.open.iter().any(|tx| tx.state == TxState::Applying);
        Ok(if (waits && booted && !unfinished) || loaded { Exit::Reboot } else { Exit::Done })
    }
}
