//! Keeping a host on a kernel that has the driver's module.
//!
//! Kernel upgrades are the most common cause of a broken vGPU host. dpkg's hooks run this whenever
//! a kernel or its headers are installed or removed: if the next boot would use a kernel without a
//! module, the last kernel with a module is pinned; once the newest one has a module, the pin is
//! removed. If the pinned kernel itself is removed, another one with a module is pinned, or none. Both are changes of the applied installation, and are reverted with it.

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{BootReason, Kernels};
use vgpu_manifest::platform::KernelRelease;

use crate::act::{Journal, Log, PinMeans, pin, unpin};
use crate::component::Component;
use crate::facts::{kernels, root_pool};
use crate::host::{Host, HostError, Look, OwnPath, OwnState};
use crate::journal::{TxId, settle};
use crate::kernel::pin::{DROP_IN, Imports, imports};
use crate::state::{self, fixed};
use crate::status::proof::Built;

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
    /// The operator pinned or selected the kernel.
    Pinned,
    /// No other kernel has a module.
    NoOther,
    /// The other kernel may not be able to import the root pool.
    Pool,
    /// The host has neither `proxmox-boot-tool` nor an entry for the other kernel in GRUB's menu.
    NoMeans,
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
    let Some(newest) = kernels.newest().cloned().filter(|_| built.was_asked()) else {
        return Ok(Guarded::Nothing);
    };
    let lacks = |kernel: &KernelRelease| built.lack(kernel, &kernels).is_some();
    let ours = ours(host).filter(|kernel| is_held(host, &kernels, kernel));
    let next = match &ours {
        Some(_) if !lacks(&newest) => {
            release(host, log, tx)?;
            return Ok(Guarded::Released(newest));
        }
        Some(ours) if kernels.can_boot(ours) && !lacks(ours) => return Ok(Guarded::Nothing),
        // The kernel of this program's pin is gone, or has lost its module.
        Some(_) => &newest,
        None => kernels.next_boot().unwrap_or(&newest),
    };
    if !lacks(next) {
        return Ok(Guarded::Nothing);
    }
    let held = match replacement(host, &built, &kernels) {
        _ if ours.is_none() && is_selected(&kernels) => Err(Helpless::Pinned),
        found => found?,
    };
    // A pin of a kernel that is gone could leave the host without any.
    if ours.is_some() {
        release(host, log, tx)?;
    }
    let (kernel, means) = match held {
        Ok(held) => held,
        Err(why) => return Ok(Guarded::Helpless { next: next.clone(), why }),
    };
    // The record comes first: a pin without a record would never be removed.
    remember(host, &kernel)?;
    pin(&mut Journal::new(host, log, tx, Component::KernelPin), &kernel, &means)?;
    settle(host, log, &mut |_| {})?;
    Ok(Guarded::Kept { kernel, instead_of: next.clone() })
}

/// Checks whether this program's pin of `kernel` is in force.
fn is_held(look: &dyn Look, kernels: &Kernels, kernel: &KernelRelease) -> bool {
    let pinned = kernels.pinned_next.as_ref().or(kernels.pinned.as_ref());
    pinned == Some(kernel) || look.stat(&fixed(DROP_IN)).is_ok_and(|stat| stat.is_some())
}

/// Checks whether the operator selected the kernel of the next boot.
fn is_selected(kernels: &Kernels) -> bool {
    match &kernels.boots {
        // A pin whose kernel is gone has no effect where GRUB reads its menu from `/boot`.
        Some(boots) => boots.because != BootReason::Newest,
        None => kernels.pinned.is_some() || kernels.pinned_next.is_some(),
    }
}

/// Returns the last kernel with a module, and the means to pin it.
fn replacement(
    look: &dyn Look,
    built: &Built<'_>,
    kernels: &Kernels,
) -> Result<Result<(KernelRelease, PinMeans), Helpless>, HostError> {
    let Some(last) = built.last(kernels) else { return Ok(Err(Helpless::NoOther)) };
    if let Some(pool) = root_pool(look)
        && imports(look, last, &pool)? != Imports::Yes
    {
        return Ok(Err(Helpless::Pool));
    }
    let means = PinMeans::of(look, last)?;
    Ok(means.map(|means| (last.clone(), means)).ok_or(Helpless::NoMeans))
}

/// Removes this program's pin and its record.
fn release(host: &mut dyn Host, log: &mut Log, tx: TxId) -> anyhow::Result<()> {
    unpin(&mut Journal::new(host, log, tx, Component::KernelPin))?;
    OwnState::of(host).remove(&memory())?;
    Ok(settle(host, log, &mut |_| {})?)
}

#[cfg(test)]
mod tests;
