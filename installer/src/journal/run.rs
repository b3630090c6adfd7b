use std::collections::BTreeSet;

use super::{
    Act, Acts, Change, EntryId, JournalError, Log, NewEntry, RunState, Scope, Snapshot, TxId, keep,
};
use crate::host::{Command, Door, Host, HostError, OwnState, TempName, Work};
use crate::state;

/// Runs an act. Every state is durable before the next.
pub(super) fn run<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    (tx, component): (TxId, A::Component),
    act: &A,
) -> Result<(), JournalError> {
    let before = look_and_keep(host, log, &act.scope())?;
    let (change, dirties) = (&Change::Act(act.clone()), &BTreeSet::new());
    let id = log.append(tx, &NewEntry { change, before: Some(&before), dirties, component })?;
    log.advance(id, RunState::Started, &[], &BTreeSet::new())?;
    let stale = log.dirty()?;
    for derived in act.after().intersection(&stale) {
        Door::open(host).run(&derived.command())?;
        log.settled(derived)?;
    }
    let result = act.run(&mut Door::open(host));
    // A failed act leaves traces, too.
    record_traces(host, log, id, &**act, RunState::Exited)?;
    result.map_err(JournalError::Act)?;
    act.settles().iter().try_for_each(|derived| Ok(log.settled(derived)?))
}

/// Undoes a completed act, if its effect is still present, and reports it to `begins` first.
pub(super) fn undo<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
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
    result.map_err(JournalError::Act)
}

/// Recovers from a power cut: sweeps temporary files, and recovers interrupted acts.
///
/// Runs before a transaction is resumed or reverted. It is harmless if nothing was interrupted, and
/// can itself be interrupted and repeated.
pub(crate) fn recover<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    tx: TxId,
) -> Result<(), JournalError> {
    sweep_own(host)?;
    Work::delete_area(host)?;
    for entry in log.entries(tx)? {
        match (&entry.change, entry.run) {
            (Change::Put { path, .. }, _) if entry.by.is_none() => {
                Door::open(host).sweep(path, entry.id.temp())?;
            }
            (Change::Act(act), Some(RunState::Started | RunState::Undoing)) => {
                act.recover(&mut Door::open(host)).map_err(JournalError::Act)?;
                // From here on it counts as completed: its probe tells whether it was.
                record_traces(host, log, entry.id, &**act, RunState::Exited)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes incomplete copies from the installer's own folders.
fn sweep_own(host: &mut dyn Host) -> Result<(), JournalError> {
    for dir in [state::dir(), state::undo(), state::store()] {
        for name in host.list_own(&dir)?.0.iter().filter(|name| TempName::matches(name)) {
            OwnState::of(host).remove(&dir.join(name))?;
        }
    }
    Ok(())
}

fn look_and_keep<A: Acts>(
    host: &mut dyn Host,
    log: &Log<A>,
    scope: &Scope,
) -> Result<Snapshot, JournalError> {
    let snapshot = scope.look(host)?;
    for (path, node) in snapshot.files() {
        keep(host, log, path, node)?;
    }
    Ok(snapshot)
}

/// Turns the changes in the scope into entries.
fn record_traces<A: Acts>(
    host: &dyn Host,
    log: &mut Log<A>,
    id: EntryId,
    act: &dyn Act,
    state: RunState,
) -> Result<(), JournalError> {
    let before = log.seen_before(id)?;
    let after = act.scope().look(host)?;
    let traces: Vec<Change<A>> = before.difference(&after, host)?;
    let dirties = traces.iter().flat_map(Change::dirties).collect();
    Ok(log.advance(id, state, &traces, &dirties)?)
}

/// Runs a command without recording it.
///
/// Only for commands that repeat the effect of an applied act after that effect has ended: a reboot
/// disabled the virtual functions, or a service stopped with its driver or for a restore. The act is
/// in the journal with its undo, so an entry for each repetition would add nothing to a revert. Such
/// a command changes processes, the state of devices, or what systemd has loaded; a command that
/// changes files of the host must be an act. These are all:
///
/// * `sriov-manage -e`, at each boot (`gpus::sriov`);
/// * `systemctl daemon-reload`, and [the restart of a step](crate::step::Step::restart), after a
///   revert (`cli::commands::revert`);
/// * the start and the stop of the license server, around a restore (`cli::commands::license`).
pub(crate) fn run_transient(host: &mut dyn Host, command: &Command) -> Result<(), HostError> {
    Door::open(host).run(command)
}
