//! Keeping a host on a kernel that has the driver's module.
//!
//! Kernel upgrades are the first thing that breaks a vGPU host. dpkg's hooks run this whenever a kernel
//! or its headers come or go: if the next boot would take a kernel without a module, the last one that
//! has it is pinned; once the newest has one, the pin goes again. Both are changes of the installation
//! that is applied, and a revert takes them back with it.

use serde::{Deserialize, Serialize};
use vgpu_manifest::platform::KernelRelease;

use crate::act::{Journal, Log, pin, unpin};
use crate::component::Component;
use crate::facts::{kernels, root_pool};
use crate::host::{Host, HostError, Look, OwnPath, OwnState};
use crate::journal::{JournalError, SettleError, TxId, settle};
use crate::kernel_pin::{Imports, imports};
use crate::proof::{Built, newest};
use crate::state;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guarded {
    /// There was nothing to do.
    Nothing,
    /// The next boot would take a kernel without a module, and takes the last one that has it.
    Kept {
        /// The one that it takes.
        kernel: KernelRelease,
        /// The one that it would take.
        instead_of: KernelRelease,
    },
    /// The newest kernel has a module, and is booted again.
    Released(KernelRelease),
    /// The next boot takes a kernel without a module, and nothing could be done about it.
    Helpless {
        /// That kernel.
        next: KernelRelease,
        /// Why nothing could be done.
        why: Helpless,
    },
}

/// Why the host cannot be kept on a kernel that has a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helpless {
    /// Somebody has pinned it.
    Pinned,
    /// No other kernel has a module.
    NoOther,
    /// The other one may not be able to import the root pool.
    Pool,
}

/// It could not be guarded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The pin could not be set or taken away.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What the boot loader reads could not be rebuilt.
    #[error(transparent)]
    Settle(#[from] SettleError),
}

/// The pin that is ours and not the operator's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Ours {
    kernel: KernelRelease,
}

fn memory() -> OwnPath {
    state::dir().join("guard.json")
}

fn ours(look: &dyn Look) -> Result<Option<KernelRelease>, HostError> {
    let bytes = look.read(&memory())?;
    // What cannot be read is as good as forgotten: then the pin is somebody else's.
    Ok(bytes.and_then(|bytes| Some(serde_json::from_slice::<Ours>(&bytes).ok()?.kernel)))
}

fn remember(host: &mut dyn Host, kernel: &KernelRelease) -> Result<(), HostError> {
    let text = serde_json::to_vec(&Ours { kernel: kernel.clone() });
    let text = text.unwrap_or_else(|_| unreachable!("it is plain data"));
    OwnState::of(host).replace(&memory(), &text, state::private())
}

/// See to it that the next boot takes a kernel with a module of this version, as a part of `tx`.
pub fn guard(
    host: &mut dyn Host,
    log: &mut Log,
    tx: TxId,
    version: &str,
) -> Result<Guarded, GuardError> {
    // What an interruption has left stale is rebuilt in any case.
    settle(host, log, &mut |_| {})?;
    let kernels = kernels(host);
    let built = Built::look(host, version)?;
    let Some(newest) = newest(&kernels).cloned().filter(|_| built.was_asked()) else {
        return Ok(Guarded::Nothing);
    };
    let lacks = |kernel: &KernelRelease| built.lack(kernel, &kernels).is_some();
    let pinned = kernels.pinned_next.as_ref().or(kernels.pinned.as_ref());

    if let (Some(ours), Some(pinned)) = (ours(host)?, pinned)
        && ours == *pinned
    {
        if lacks(&newest) {
            return Ok(Guarded::Nothing);
        }
        Journal::new(host, log, tx, Component::KernelPin).act(unpin())?;
        OwnState::of(host).remove(&memory())?;
        settle(host, log, &mut |_| {})?;
        return Ok(Guarded::Released(newest));
    }
    let next = pinned.unwrap_or(&newest);
    if !lacks(next) {
        return Ok(Guarded::Nothing);
    }
    let helpless = |why| Guarded::Helpless { next: next.clone(), why };
    if pinned.is_some() {
        return Ok(helpless(Helpless::Pinned));
    }
    let Some(last) = built.last(&kernels) else { return Ok(helpless(Helpless::NoOther)) };
    if let Some(pool) = root_pool(host)
        && imports(host, last, &pool)? != Imports::Yes
    {
        return Ok(helpless(Helpless::Pool));
    }
    // First the memory: a pin that nobody remembers would stay for ever.
    remember(host, last)?;
    Journal::new(host, log, tx, Component::KernelPin).act(pin(last))?;
    settle(host, log, &mut |_| {})?;
    Ok(Guarded::Kept { kernel: last.clone(), instead_of: next.clone() })
}

#[cfg(test)]
mod tests;
