//! What the installer keeps for itself on a host, beside what it installs.
//!
//! None of it is journaled, and no step may touch it.

use vgpu_manifest::{HostPath, ItemId, Mode};

use crate::host::{Host, HostError, Meta, New, Node, Source, TempName};

/// The folder of it all.
const DIR: &str = "/var/lib/vgpu-offline";

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

/// Whether `path` is ours, so that no step may change it.
#[must_use]
pub fn owns(path: &HostPath) -> bool {
    path.as_path().starts_with(DIR)
}

/// Make the folders, if they are not there.
pub fn prepare(host: &mut dyn Host) -> Result<(), HostError> {
    for (path, mode) in [("/var", "0755"), ("/var/lib", "0755"), (DIR, "0700")] {
        ensure_dir(host, &fixed(path), mode)?;
    }
    ensure_dir(host, &store(), "0700")?;
    ensure_dir(host, &undo(), "0700")
}

fn ensure_dir(host: &mut dyn Host, path: &HostPath, mode: &str) -> Result<(), HostError> {
    if host.stat(path)?.is_some() {
        return Ok(());
    }
    let mode: Mode = mode.parse().unwrap_or_else(|_| unreachable!("`{mode}` is a mode"));
    let node = Node::Dir { meta: Meta::root(mode) };
    host.put(path, New { node: &node, from: Source::Nowhere, temp: TempName::of_entry(0) })
}

fn below(name: &str) -> HostPath {
    fixed(&format!("{DIR}/{name}"))
}

/// A path that is written in this program.
pub(crate) fn fixed(path: &str) -> HostPath {
    HostPath::new(path).unwrap_or_else(|_| unreachable!("`{path}` is in its simplest form"))
}
