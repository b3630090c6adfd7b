use super::{Change, JournalError, Log, RunState, TxId, run};
use crate::host::{Door, Host, OwnState, TempName, Work};
use crate::state;

/// Bring order after a power cut: sweep temporary files, and mend commands that were cut short.
///
/// It comes before a transaction is continued and before it is taken back. It does no harm when
/// nothing was cut, and can itself be cut and done again.
pub fn recover(host: &mut dyn Host, log: &mut dyn Log, tx: TxId) -> Result<(), JournalError> {
    sweep_own(host)?;
    Work::delete_area(host)?;
    for entry in log.entries(tx)? {
        match (&entry.change, entry.run) {
            (Change::Put { path, .. }, _) if entry.by.is_none() => {
                Door::open(host).sweep(path, entry.id.temp())?;
            }
            (change, Some(RunState::Started | RunState::Undoing)) => {
                if let Some(act) = change.act() {
                    run::recover(host, log, entry.id, act)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Remove unfinished copies from our own folders.
fn sweep_own(host: &mut dyn Host) -> Result<(), JournalError> {
    for dir in [state::dir(), state::undo(), state::store()] {
        let names = host.list(&dir)?.unwrap_or_default();
        for name in names.iter().filter(|name| TempName::matches(name)) {
            OwnState::of(host).remove(&dir.join(name))?;
        }
    }
    Ok(())
}
