//! The installer's own files: store, undo store, trust, logs, and saved state.
//!
//! None of them is journaled, and no step can change them.

use std::fmt;
use std::ops::Deref;

use serde::de::DeserializeOwned;
use vgpu_manifest::{HostPath, ItemId, Mode, shell_word};

use super::{Content, Host, HostError, Kind, Look, New, Node, Source, TempName, work};

/// The state folder.
const DIR: &str = "/var/lib/vgpu-offline";

/// The folder of the log.
const LOG: &str = "/var/log/vgpu-offline";

/// The certificates, keys and leases of the license server. They belong to the operator, as the
/// trust policy does: a revert keeps them.
const LICENSE: &str = "/var/lib/vgpu-offline-license";

/// The unit of the license server.
pub(crate) const LICENSE_UNIT: &str = "vgpu-offline-license.service";

/// The suffix of a damaged file that was set aside.
const ASIDE: &str = ".damaged";

/// The folder of the trust policy.
const TRUST: &str = "/etc/vgpu-offline";

/// A path in one of the installer's own folders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnPath(HostPath);

impl OwnPath {
    /// Returns the path, if it is reserved for the installer.
    pub(crate) fn of(path: &HostPath) -> Option<Self> {
        reserves(path).then(|| Self(path.clone()))
    }

    /// Returns the path of `name` in this folder.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self(below_dir(&self.0, name))
    }
}

impl Deref for OwnPath {
    type Target = HostPath;

    fn deref(&self) -> &HostPath {
        &self.0
    }
}

impl From<OwnPath> for HostPath {
    fn from(path: OwnPath) -> Self {
        path.0
    }
}

impl fmt::Display for OwnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to write the installer's own files.
pub(crate) struct OwnState<'h>(&'h mut dyn Host);

impl<'h> OwnState<'h> {
    pub(crate) fn of(host: &'h mut dyn Host) -> Self {
        Self(host)
    }

    /// Returns the machine, to read it.
    pub(crate) fn look(&self) -> &dyn Look {
        self.0
    }

    /// Creates the state folder with store and undo store, if they do not exist.
    pub(crate) fn prepare(&mut self) -> Result<(), HostError> {
        [dir(), store(), undo()].iter().try_for_each(|path| self.ensure_dir(path, folder_mode()))
    }

    /// Creates a folder owned by root, and the system's folders above it, if they do not exist.
    pub(crate) fn ensure_dir(&mut self, path: &OwnPath, mode: Mode) -> Result<(), HostError> {
        if self.0.stat(path)?.is_some() {
            return Ok(());
        }
        if let Some(above) = path.parent().filter(|above| above.parent().is_some()) {
            self.ensure_dir(&OwnPath(above), Mode::DIR)?;
        }
        self.put(path, &Node::dir(mode), Source::Nowhere)
    }

    /// Replaces a small file owned by root, in one durable step. Its folder must exist.
    pub(crate) fn replace(
        &mut self,
        path: &OwnPath,
        bytes: &[u8],
        mode: Mode,
    ) -> Result<(), HostError> {
        self.clear_the_way(path)?;
        self.put(path, &Node::file(Content::of(bytes), mode), Source::Bytes(bytes))
    }

    /// Replaces `path` with this node, in one durable step. Its folder must exist.
    pub(crate) fn put(
        &mut self,
        path: &OwnPath,
        node: &Node,
        from: Source<'_>,
    ) -> Result<(), HostError> {
        self.0.put(path, New { node, from, temp: TempName::of_entry(0) })
    }

    /// Sets a folder aside that is where a file belongs: a file cannot replace it.
    pub(crate) fn clear_the_way(&mut self, path: &OwnPath) -> Result<(), HostError> {
        match self.0.stat(path)? {
            Some(stat) if stat.kind == Kind::Dir => self.set_aside(path).map(drop),
            _ => Ok(()),
        }
    }

    /// Renames a damaged file or folder to the first free one of `NAME.damaged`, `NAME.damaged-2`
    /// and so on, durably, and returns its new path.
    pub(crate) fn set_aside(&mut self, path: &OwnPath) -> Result<OwnPath, HostError> {
        let mut aside = Self::aside(path, "");
        for n in 2.. {
            if self.0.stat(&aside)?.is_none() {
                break;
            }
            aside = Self::aside(path, &format!("-{n}"));
        }
        self.0.set_aside(path, &aside)?;
        Ok(aside)
    }

    fn aside(path: &OwnPath, number: &str) -> OwnPath {
        OwnPath(fixed(&format!("{}{ASIDE}{number}", path.as_path())))
    }

    /// Removes `path` durably, if it exists. A directory must be empty.
    pub(crate) fn remove(&mut self, path: &OwnPath) -> Result<(), HostError> {
        self.0.remove(path)
    }

    /// Removes a folder and the files in it, if it exists. A folder in it must be empty.
    pub(crate) fn remove_dir(&mut self, dir: &OwnPath) -> Result<(), HostError> {
        self.empty(dir)?;
        self.remove(dir)
    }

    /// Removes the files in a folder.
    pub(crate) fn empty(&mut self, dir: &OwnPath) -> Result<(), HostError> {
        let (names, _) = self.0.list_own(dir)?;
        names.iter().try_for_each(|name| self.remove(&dir.join(name)))
    }
}

pub(crate) fn license() -> OwnPath {
    own(LICENSE)
}

pub(crate) fn trust() -> OwnPath {
    own(TRUST)
}

pub(crate) fn dir() -> OwnPath {
    own(DIR)
}

/// Returns the path of the journal's database.
pub(crate) fn journal() -> OwnPath {
    dir().join("journal.db")
}

/// Returns the path of the copy of the journal's database.
pub(crate) fn journal_copy() -> OwnPath {
    dir().join("journal.copy.db")
}

/// Returns the files that SQLite opens next to a database: the commits that are not in it yet, and a
/// rollback journal, which this program never has.
pub(crate) fn sidecars(database: &OwnPath) -> [OwnPath; 2] {
    ["-wal", "-journal"].map(|end| OwnPath(fixed(&format!("{}{end}", database.as_path()))))
}

/// Returns the path of the mark that a held trigger of dpkg leaves: the initramfs images are stale.
pub(crate) fn initramfs_due() -> OwnPath {
    dir().join("initramfs-due")
}

/// Returns the path of the lock file that a process holds while it may change the host.
pub(crate) fn lock() -> OwnPath {
    dir().join("lock")
}

/// Returns the path of the list of commands that a prepared folder did not run.
pub(crate) fn commands_log() -> OwnPath {
    dir().join("commands.log")
}

/// Returns the folder of verified items.
pub(crate) fn store() -> OwnPath {
    dir().join("store")
}

/// Returns the path of a verified item.
pub(crate) fn stored(id: ItemId) -> OwnPath {
    store().join(&id.to_string())
}

/// Checks that the file at `path`, which comes from the store, has this content.
pub(crate) fn check_content(
    look: &dyn Look,
    path: &HostPath,
    item: Content,
) -> Result<(), HostError> {
    let content = look.node(path)?.as_ref().and_then(Node::content);
    let stored = stored(item.id).into();
    if content == Some(item) { Ok(()) } else { Err(HostError::Damaged { stored }) }
}

/// Checks that the store still has this content, before a command reads it there. A rehearsal does
/// not have it yet.
pub(crate) fn check_stored(host: &dyn Host, item: Content) -> Result<(), HostError> {
    if host.is_rehearsal() { Ok(()) } else { check_content(host, &stored(item.id), item) }
}

/// Returns the folder of replaced contents.
pub(crate) fn undo() -> OwnPath {
    dir().join("undo")
}

/// Returns the path of the replaced content with this identity.
pub(crate) fn undone(id: ItemId) -> OwnPath {
    undo().join(&id.to_string())
}

pub(crate) fn log_dir() -> OwnPath {
    own(LOG)
}

/// Returns the path of the append-only log of executed commands.
pub(crate) fn log_file() -> OwnPath {
    log_dir().join("installer.log")
}

/// Checks that only root can change the installer's own folders. Missing ones are fine.
///
/// A user who can write to one could exchange the trust policy, the journal, or an item before it
/// is used.
pub(crate) fn check_folders(look: &dyn Look) -> Result<(), HostError> {
    let area = fixed(work::AREA);
    let folders = [fixed(TRUST), dir().0, store().0, undo().0, area, fixed(LICENSE), log_dir().0];
    for folder in folders {
        // An administrator may have moved one to another disk and left a link.
        let real = look.real(&below_dir(&folder, "x"))?.parent().unwrap_or(folder);
        let Some(Node::Dir { meta }) = look.node(&real)? else { continue };
        let word = shell_word(real.as_path().as_str());
        let chown = (meta.uid != 0).then(|| format!("chown root:root {word}"));
        let chmod = meta.mode.others_may_write().then(|| format!("chmod go-w {word}"));
        if chown.is_some() || chmod.is_some() {
            let (uid, mode) = (meta.uid, meta.mode);
            let why = format!(
                "{word} has mode {mode} and belongs to user {uid}, so that not only root can change it"
            );
            let fix = chown.into_iter().chain(chmod).collect::<Vec<_>>().join(" && ");
            return Err(HostError::Unsafe { why, fix });
        }
    }
    Ok(())
}

/// Reads a record that only saves work or informs people. An unreadable one counts as none: it is
/// no reason to fail, and `repair` reports it.
pub(crate) fn recall<T: DeserializeOwned>(look: &dyn Look, path: &OwnPath) -> Option<T> {
    serde_json::from_slice(&look.read(path).ok()??).ok()
}

/// Checks whether this is the name of a file that was set aside.
pub(crate) fn is_aside(name: &str) -> bool {
    name.contains(ASIDE)
}

/// Checks whether `path` belongs to the installer, so that no step may change it.
pub(crate) fn owns(path: &HostPath) -> bool {
    [DIR, work::AREA, LOG, LICENSE].iter().any(|own| path.as_path().starts_with(own))
}

/// Checks whether `path` is reserved: an installer file, or a part of the trust policy.
pub(crate) fn reserves(path: &HostPath) -> bool {
    owns(path) || path.as_path().starts_with(TRUST)
}

/// Returns the mode of a file for root alone.
pub(crate) fn private() -> Mode {
    mode("0600")
}

/// Returns the mode of a folder for root alone.
pub(crate) fn folder_mode() -> Mode {
    mode("0700")
}

/// Returns the path of `name` in `dir`.
pub(crate) fn below_dir(dir: &HostPath, name: &str) -> HostPath {
    fixed(dir.as_path().join(name).as_str())
}

/// Returns a path that is a literal in this program.
pub(crate) fn fixed(path: &str) -> HostPath {
    HostPath::new(path).unwrap_or_else(|_| unreachable!("`{path}` is in its simplest form"))
}

fn own(path: &str) -> OwnPath {
    OwnPath(fixed(path))
}

fn mode(octal: &str) -> Mode {
    octal.parse().unwrap_or_else(|_| unreachable!("`{octal}` is a mode"))
}
