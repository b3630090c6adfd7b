use vgpu_manifest::ItemName;
use vgpu_manifest::catalog::DriverVersion;

use crate::act::{Action, Change, Log, Way};
use crate::driver::DriverSpec;
use crate::host::{Content, HostError, Look};
use crate::journal::{JournalError, RunState, TxId};
use crate::state;

/// Whether a failed upgrade can be rolled back automatically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rollback {
    /// No rollback is possible: no driver was replaced.
    NoDriver,
    /// The store has everything needed to reinstall this driver.
    To(DriverVersion),
    /// The store lacks these items.
    Lacks(Vec<ItemName>),
}

/// Checks whether `tx` has replaced a driver, and whether the old one can be reinstalled.
///
/// Earlier failures have changed nothing that guests depend on, and are left to the operator.
pub(crate) fn rollback(look: &dyn Look, log: &Log, tx: TxId) -> Result<Rollback, JournalError> {
    let entries = log.entries(tx)?;
    let mut gone = entries.iter().filter_map(|entry| match &entry.change {
        Change::Act(Action::Driver(driver)) if driver.way == Way::Remove => {
            let is_gone = !matches!(entry.run, Some(RunState::Intended | RunState::Undone));
            Some(&driver.driver).filter(|_| is_gone)
        }
        _ => None,
    });
    let Some(old) = gone.next() else { return Ok(Rollback::NoDriver) };
    let mut lacks = Vec::new();
    for (item, content) in items(old) {
        if !has(look, content)? {
            lacks.push(item.clone());
        }
    }
    Ok(if lacks.is_empty() { Rollback::To(old.version.clone()) } else { Rollback::Lacks(lacks) })
}

fn items(driver: &DriverSpec) -> impl Iterator<Item = (&ItemName, Content)> {
    let patches = driver.patches.iter().map(|patch| (&patch.item, patch.content));
    [(&driver.item, driver.content)].into_iter().chain(patches)
}

fn has(look: &dyn Look, content: Content) -> Result<bool, HostError> {
    Ok(look.stat(&state::stored(content.id))?.is_some_and(|stat| stat.size == content.size))
}
