//! What the installer keeps for itself on a host, beside what it installs.
//!
//! None of it is journaled, and no step may touch it.

use vgpu_manifest::{HostPath, ItemId, Mode};

use crate::host::{Content, Host, HostError, Meta, New, Node, Source, TempName};

/// The folder of it all.
const DIR: &str = "/var/lib/vgpu-offline";

/// The folder of what tools work on. It is on the same file system as the store, and others than
/// root may look into it: apt reads packages as its own user `_apt`.
const WORK: &str = "/var/lib/vgpu-offline-work";

/// The folder of what was run, and what came of it.
const LOG: &str = "/var/log/vgpu-offline";

/// What the licence server has and must not lose: certificates, keys, leases. It is the operator's, as
/// trust is: an undo leaves it.
const LICENSE: &str = "/var/lib/vgpu-offline-license";

/// `/var/lib/vgpu-offline-license`, root's alone.
#[must_use]
pub fn license() -> HostPath {
    fixed(LICENSE)
}

/// `/var/lib/vgpu-offline`, root's alone.
#[must_use]
pub fn dir() -> HostPath {
    fixed(DIR)
}

/// The journal's database.
#[must_use]
pub fn journal() -> HostPath {
    below("journal.db")
}

/// The file that a process which may change the host holds locked.
#[must_use]
pub fn lock() -> HostPath {
    below("lock")
}

/// The commands that were not run, on a folder that is only prepared.
#[must_use]
pub fn commands_log() -> HostPath {
    below("commands.log")
}

/// The folder of verified items.
#[must_use]
pub fn store() -> HostPath {
    below("store")
}

/// Where the verified bytes of an item lie.
#[must_use]
pub fn stored(id: ItemId) -> HostPath {
    below(&format!("store/{id}"))
}

/// The folder of contents that were replaced.
#[must_use]
pub fn undo() -> HostPath {
    below("undo")
}

/// Where the replaced bytes with this identity lie.
#[must_use]
pub fn undone(id: ItemId) -> HostPath {
    below(&format!("undo/{id}"))
}

/// `/var/lib/vgpu-offline-work`, which is there only while a tool needs it.
#[must_use]
pub fn work() -> HostPath {
    fixed(WORK)
}

/// `/var/log/vgpu-offline`, root's alone.
#[must_use]
pub fn log_dir() -> HostPath {
    fixed(LOG)
}

/// The file that says what was run. It is only ever added to.
#[must_use]
pub fn log_file() -> HostPath {
    below_dir(&log_dir(), "installer.log")
}

/// Whether `path` is ours, so that no step may change it.
#[must_use]
pub fn owns(path: &HostPath) -> bool {
    [DIR, WORK, LOG, LICENSE].iter().any(|own| path.as_path().starts_with(own))
}

/// Whether `path` is not for bundles: what is ours, and what says whom this host trusts.
#[must_use]
pub fn reserves(path: &HostPath) -> bool {
    owns(path) || path.as_path().starts_with("/etc/vgpu-offline")
}

/// Make the folders, if they are not there.
pub fn prepare(host: &mut dyn Host) -> Result<(), HostError> {
    for path in ["/var", "/var/lib"] {
        ensure_dir(host, &fixed(path), Mode::DIR)?;
    }
    for path in [dir(), store(), undo()] {
        ensure_dir(host, &path, mode("0700"))?;
    }
    Ok(())
}

/// Make a folder of root's, if there is nothing.
pub(crate) fn ensure_dir(
    host: &mut dyn Host,
    path: &HostPath,
    mode: Mode,
) -> Result<(), HostError> {
    if host.stat(path)?.is_some() {
        return Ok(());
    }
    let node = Node::Dir { meta: Meta::root(mode) };
    host.put(path, New { node: &node, from: Source::Nowhere, temp: TempName::of_entry(0) })
}

/// Make a small file of root's be these bytes, in one step. Its folder must exist.
pub(crate) fn replace(
    host: &mut dyn Host,
    path: &HostPath,
    bytes: &[u8],
    mode: Mode,
) -> Result<(), HostError> {
    let node = Node::file(Content::of(bytes), mode);
    host.put(path, New { node: &node, from: Source::Bytes(bytes), temp: TempName::of_entry(0) })
}

/// What only root may read or write.
#[must_use]
pub fn private() -> Mode {
    mode("0600")
}

/// The path of `name` in our own folder `dir`.
pub(crate) fn below_dir(dir: &HostPath, name: &str) -> HostPath {
    fixed(dir.as_path().join(name).as_str())
}

fn mode(octal: &str) -> Mode {
    octal.parse().unwrap_or_else(|_| unreachable!("`{octal}` is a mode"))
}

fn below(name: &str) -> HostPath {
    fixed(&format!("{DIR}/{name}"))
}

/// A path that is written in this program.
pub(crate) fn fixed(path: &str) -> HostPath {
    HostPath::new(path).unwrap_or_else(|_| unreachable!("`{path}` is in its simplest form"))
}
