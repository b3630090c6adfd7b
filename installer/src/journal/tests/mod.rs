//! Acts that change files themselves, interrupted and reverted.

mod chroot;
mod commands;
mod paths;

use std::collections::BTreeSet;

use vgpu_manifest::Digest;

use super::*;
use crate::act::{Action, Change, Journal, Probe, Reversible};
use crate::component::Component;
use crate::host::testing::MemHost;
use crate::host::{Command, HostError};
use crate::power_cut::World;
use crate::state::fixed;

/// The package manager of these tests: it refuses to work while it is locked, as it is after an
/// interruption, and `repair` unlocks it.
pub(super) fn maker(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    if args == ["repair"] {
        host.scratch("/run/maker.lock")?;
        return Ok(0);
    }
    if args == ["is-installed"] {
        return Ok(i32::from(host.text_of("/opt/maker/bin").is_none()));
    }
    if host.text_of("/run/maker.lock").is_some() {
        return Ok(100);
    }
    host.scribble("/run/maker.lock", "")?;
    match args {
        ["install"] => {
            host.scribble("/etc/maker.conf", "new\n")?;
            host.scratch("/etc/old.conf")?;
            host.scribble("/lib/modules/6.8.12-4-pve/updates/maker.ko", "module\n")?;
            host.scribble("/opt/maker/share/doc", "words\n")?;
            host.scribble("/opt/maker/bin", "program\n")?;
        }
        ["remove"] => {
            host.scribble("/etc/maker.conf", "left behind\n")?;
            host.scratch("/opt/maker/bin")?;
            host.scribble("/opt/maker/removed", "trace of the undo\n")?;
        }
        _ => return Ok(2),
    }
    host.scratch("/run/maker.lock")?;
    Ok(0)
}

pub(super) fn host() -> MemHost {
    let mut host = MemHost::with_files(&[
        ("/etc/maker.conf", "old\n"),
        ("/etc/old.conf", "old\n"),
        ("/etc/plain.conf", "old\n"),
        ("/opt/other/file", "other\n"),
        ("/lib/modules/6.8.12-4-pve/kernel/big.ko", "big\n"),
        ("/lib/modules/6.8.12-4-pve/modules.dep", ""),
        ("/run/something", ""),
    ]);
    host.place("/lib/modules/6.8.12-4-pve/updates/dkms.ko", "dkms\n");
    host.programs.insert("maker", maker);
    let mut ready = host.clone();
    crate::journal::run_transient(&mut ready, &Command::new("depmod", &["6.8.12-4-pve"])).unwrap();
    ready.ran.clear();
    ready
}

pub(super) fn install() -> Reversible {
    let paths = |list: &[&str]| list.iter().map(|path| fixed(path)).collect();
    let probe = Probe::Succeeds(Command::new("maker", &["is-installed"]));
    Reversible {
        recover: vec![Command::new("maker", &["repair"])],
        undo: Some(Command::new("maker", &["remove"])),
        scope: Scope {
            small: paths(&["/etc/maker.conf", "/etc/old.conf", "/opt"]),
            large: paths(&[
                "/lib/modules/6.8.12-4-pve/kernel",
                "/lib/modules/6.8.12-4-pve/updates",
            ]),
        },
        ..Reversible::new(Command::new("maker", &["install"]), probe)
    }
}

/// Returns the open transaction, recovered after a power cut, or a new one.
pub(super) fn transaction(world: &mut World) -> Result<TxId, JournalError> {
    match world.log.transactions()?.pop() {
        Some(tx) => {
            recover(&mut world.host, &mut world.log, tx.id)?;
            Ok(tx.id)
        }
        None => Ok(world.log.begin(&NewTransaction {
            bundle: Digest::of(b""),
            plan: String::new(),
            boot: BootId::default(),
            began: 0,
        })?),
    }
}
