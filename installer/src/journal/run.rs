use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::act::Act;
use super::{Change, EntryId, JournalError, Log, NewEntry, RunState, Scope, Snapshot, TxId, keep};
use crate::component::Component;
use crate::host::{Command, Door, Host, HostError, Look};

/// A command that changes the host, with what it takes to live with a power cut and to undo it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reversible {
    /// The command.
    pub command: Command,
    /// Whether its effect is there.
    pub probe: Probe,
    /// What makes the host usable again after the command, or its undo, was cut short. It must do
    /// no harm if the command had not begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recover: Vec<Command>,
    /// What takes the effect back; nothing if the files in its scope are all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Command>,
    /// The paths that the command, or its undo, may change by itself.
    #[serde(default)]
    pub scope: Scope,
}

/// How to tell whether the effect of a command is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// This command, which only looks, exits with status zero.
    Succeeds(Command),
    /// There is something at this path.
    Exists(HostPath),
}

impl Probe {
    /// Whether the effect is there. Where commands do not run it is taken to be.
    pub fn is_present(&self, look: &dyn Look) -> Result<bool, HostError> {
        match self {
            Self::Succeeds(command) => {
                Ok(look.query(command)?.is_none_or(|output| output.succeeded()))
            }
            Self::Exists(path) => Ok(look.stat(path)?.is_some()),
        }
    }
}

/// Where in the journal a change belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) tx: TxId,
    pub(super) component: Component,
}

/// Run something, with every state of it durable before the next.
pub(super) fn run(
    host: &mut dyn Host,
    log: &mut dyn Log,
    part: Part,
    change: &Change,
    act: &dyn Act,
) -> Result<(), JournalError> {
    let before = look_and_keep(host, log, &act.scope())?;
    let dirties = &BTreeSet::new();
    let new = NewEntry { change, before: Some(&before), dirties, component: part.component };
    let id = log.append(part.tx, &new)?;
    log.advance(id, RunState::Started, &[], &BTreeSet::new())?;
    let result = act.run(&mut Door::open(host));
    // What failed has left traces just as well.
    record_traces(host, log, id, act, RunState::Exited)?;
    result
}

/// Undo what ran to an end, if its effect is still there, and say so to `begins` before.
pub(super) fn undo(
    host: &mut dyn Host,
    log: &mut dyn Log,
    id: EntryId,
    act: &dyn Act,
    begins: &mut dyn FnMut(),
) -> Result<(), JournalError> {
    if !act.needs_undo(host)? {
        return Ok(log.advance(id, RunState::Undone, &[], &BTreeSet::new())?);
    }
    begins();
    let before = look_and_keep(host, log, &act.scope())?;
    log.snapshot(id, RunState::Undoing, &before)?;
    let result = act.undo(&mut Door::open(host));
    let state = if result.is_ok() { RunState::Undone } else { RunState::Exited };
    record_traces(host, log, id, act, state)?;
    result
}

/// Make the host usable after a cut, and record what had been done, or undone, by then.
///
/// Afterwards it counts as something that ran to an end: its probe says whether it did.
pub(super) fn recover(
    host: &mut dyn Host,
    log: &mut dyn Log,
    id: EntryId,
    act: &dyn Act,
) -> Result<(), JournalError> {
    act.recover(&mut Door::open(host))?;
    record_traces(host, log, id, act, RunState::Exited)
}

fn look_and_keep(
    host: &mut dyn Host,
    log: &dyn Log,
    scope: &Scope,
) -> Result<Snapshot, JournalError> {
    let snapshot = scope.look(host)?;
    for (path, node) in snapshot.files() {
        keep(host, log, path, node)?;
    }
    Ok(snapshot)
}

/// Turn what has changed in the scope into entries.
fn record_traces(
    host: &dyn Host,
    log: &mut dyn Log,
    id: EntryId,
    act: &dyn Act,
    state: RunState,
) -> Result<(), JournalError> {
    let before = log.seen_before(id)?;
    let after = act.scope().look(host)?;
    let traces = before.difference(&after, host)?;
    let dirties = traces.iter().flat_map(Change::dirties).collect();
    Ok(log.advance(id, state, &traces, &dirties)?)
}
