use super::{Acts, Log, LogError};
use crate::host::{Door, Host, HostError};
use crate::settle::Derived;

/// The failure to rebuild derived state. It stays marked, so the next run tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SettleError {
    /// Some rebuilds failed.
    #[error("{}; do not reboot before `vgpu-installer apply` or `revert` has fixed this", list(.0))]
    Rebuild(Vec<(Derived, HostError)>),
    /// The marks could not be read or removed.
    #[error(transparent)]
    Log(#[from] LogError),
}

fn list(failures: &[(Derived, HostError)]) -> String {
    let texts = failures.iter().map(|(what, error)| format!("cannot rebuild {what}: {error}"));
    texts.collect::<Vec<_>>().join("\n")
}

/// Rebuilds all stale derived state, and reports each rebuild to `each` before it begins.
///
/// A failure does not prevent the other rebuilds.
pub(crate) fn settle<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    each: &mut dyn FnMut(&Derived),
) -> Result<(), SettleError> {
    let mut failures = Vec::new();
    for derived in log.dirty()? {
        match rebuild(host, &derived, each) {
            Ok(()) => log.settled(&derived)?,
            Err(error) => failures.push((derived, error)),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(SettleError::Rebuild(failures)) }
}

fn rebuild(
    host: &mut dyn Host,
    derived: &Derived,
    each: &mut dyn FnMut(&Derived),
) -> Result<(), HostError> {
    if derived.is_moot(host)? {
        return Ok(());
    }
    each(derived);
    Door::open(host).run(&derived.command())
}
