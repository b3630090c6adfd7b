use std::collections::BTreeSet;

use super::{Acts, Log, LogError};
use crate::host::{Command, Door, Host, HostError, Look, OwnState};
use crate::settle::{Derived, Rebuild, rebuilds, warnings};
use crate::state;

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
    /// The host could not be read.
    #[error(transparent)]
    Host(#[from] HostError),
}

fn list(failures: &[(Derived, HostError)]) -> String {
    let texts = failures.iter().map(|(what, error)| format!("cannot rebuild {what}: {error}"));
    texts.collect::<Vec<_>>().join("\n")
}

/// An event of a rebuild.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Settling<'a> {
    /// This derived state is being rebuilt.
    Rebuild(&'a Derived),
    /// A program that succeeded has written this warning.
    Warning(&'a str),
}

/// Returns the stale derived state, including what a held trigger of dpkg has left.
pub(crate) fn stale<A: Acts>(
    look: &dyn Look,
    log: &Log<A>,
) -> Result<BTreeSet<Derived>, SettleError> {
    let mut stale = log.dirty()?;
    if look.stat(&state::initramfs_due())?.is_some() {
        stale.insert(Derived::Initramfs);
    }
    Ok(stale)
}

/// Rebuilds all stale derived state, and reports each rebuild to `each` before it begins.
///
/// A failure does not prevent the other rebuilds.
pub(crate) fn settle<A: Acts>(
    host: &mut dyn Host,
    log: &mut Log<A>,
    each: &mut dyn FnMut(Settling<'_>),
) -> Result<(), SettleError> {
    let stale = stale(host, log)?;
    let mut failures = Vec::new();
    for Rebuild { of, commands } in rebuilds(&stale, host)? {
        if let Err(stopped) = host.may_continue() {
            failures.extend(of.first().map(|derived| (derived.clone(), stopped)));
            break;
        }
        // Without a command there is nothing to derive it from.
        let shown = if commands.is_empty() { &[][..] } else { &of };
        for derived in shown {
            each(Settling::Rebuild(derived));
        }
        match run(host, &commands, each) {
            Ok(()) => of.iter().try_for_each(|derived| log.settled(derived))?,
            Err(error) => failures.extend(of.first().map(|derived| (derived.clone(), error))),
        }
    }
    if !failures.is_empty() {
        return Err(SettleError::Rebuild(failures));
    }
    if stale.contains(&Derived::Initramfs) {
        OwnState::of(host).remove(&state::initramfs_due())?;
    }
    Ok(())
}

fn run(
    host: &mut dyn Host,
    commands: &[Command],
    each: &mut dyn FnMut(Settling<'_>),
) -> Result<(), HostError> {
    for command in commands {
        let output = Door::open(host).run_heard(command)?;
        for line in warnings(&output) {
            each(Settling::Warning(line));
        }
    }
    Ok(())
}
