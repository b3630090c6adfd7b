//! Keeping a host on a kernel that has the driver's module.
//!
//! Kernel upgrades are the most common cause of a broken vGPU host. dpkg's hooks run this whenever
//! a kernel or its headers are installed or removed: if the next boot would use a kernel without a
//! module, the last kernel with a module is pinned; once the newest one has a module, the pin is
//! removed. Both are changes of the applied installation, and are reverted with it.

use serde::{Deserialize, Serialize};
use vgpu_manifest::platform::KernelRelease;

use crate::act::{Journal, Log, pin, unpin};
use crate::component::Component;
use crate::facts::{kernels, root_pool};
use crate::host::{Host, HostError, Look, OwnPath, OwnState};
use crate::journal::{TxId, settle};
use crate::kernel::pin::{Imports, imports};
use crate::state;
use crate::status::proof::{Built, newest};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// Nothing had to change.
    Nothing,
    /// The default kernel has no module, so the last one that has a module was pinned.
    Kept {
        /// The pinned kernel.
        kernel: KernelRelease,
        /// The kernel without a module.
        instead_of: KernelRelease,
    },
    /// The newest kernel has a module, so the pin was removed.
    Released(KernelRelease),
    /// The next boot uses a kernel without a module, and this could not be prevented.
    Helpless {
        /// The kernel without a module.
        next: KernelRelease,
        /// The reason.
        why: Helpless,
    },
}

/// The reason why the host cannot be kept on a kernel with a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helpless {
    /// The operator pinned the kernel.
    Pinned,
    /// No other kernel has a module.
    NoOther,
    /// The other kernel may not be able to import the root pool.
    Pool,
}

/// The record of a pin that this program set.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Ours {
    kernel: KernelRelease,
}

fn memory() -> OwnPath {
    state::dir().join("guard.json")
}

/// Returns the kernel that this program pinned. Without a record, a pin is the operator's.
fn ours(look: &dyn Look) -> Option<KernelRelease> {
    state::recall::<Ours>(look, &memory()).map(|ours| ours.kernel)
}

fn remember(host: &mut dyn Host, kernel: &KernelRelease) -> Result<(), HostError> {
    let text = serde_json::to_vec(&Ours { kernel: kernel.clone() });
    let text = text.unwrap_or_else(|_| unreachable!("it is plain data"));
    OwnState::of(host).replace(&memory(), &text, state::private())
}

/// Makes the next boot use a kernel with a module of this version, as a part of `tx`.
pub(crate) fn guard(
    host: &mut dyn Host,
    log: &mut Log,
    tx: TxId,
    version: &str,
) -> anyhow::Result<Guarded> {
    // State left stale by an interruption is rebuilt in any case.
    settle(host, log, &mut |_| {})?;
    let kernels = kernels(host);
    let built = Built::look(host, version)?;
    let Some(newest) = newest(&kernels).cloned().filter(|_| built.was_asked()) else {
        return Ok(Guarded::Nothing);
    };
    let lacks = |kernel: &KernelRelease| built.lack(kernel, &kernels).is_some();
    let pinned = kernels.pinned_next.as_ref().or(kernels.pinned.as_ref());

    if let (Some(ours), Some(pinned)) = (ours(host), pinned)
        && ours == *pinned
    {
        if lacks(&newest) {
            return Ok(Guarded::Nothing);
        }
        unpin(&mut Journal::new(host, log, tx, Component::KernelPin))?;
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
    // The record comes first: a pin without a record would never be removed.
    remember(host, last)?;
    pin(&mut Journal::new(host, log, tx, Component::KernelPin), last)?;
    settle(host, log, &mut |_| {})?;
    Ok(Guarded::Kept { kernel: last.clone(), instead_of: next.clone() })
}

#[cfg(test)]
mod tests;
