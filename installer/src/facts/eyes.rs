use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Label, MAX_LIST, Unread};

use crate::host::{Kind, Look};

/// Reads files of a machine, and remembers what it could not read or understand.
///
/// "Not there" is an answer and is not remembered.
pub(super) struct Eyes<'a> {
    look: &'a dyn Look,
    unread: RefCell<BTreeSet<Unread>>,
}

impl<'a> Eyes<'a> {
    pub(super) fn new(look: &'a dyn Look) -> Self {
        Self { look, unread: RefCell::default() }
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        self.ask(path, |path| self.look.read(path))
    }

    /// The bytes of a file that may be larger than what the installer reads otherwise.
    pub(super) fn large(&self, path: &str, max: u64) -> Option<Vec<u8>> {
        self.ask(path, |path| self.look.read_up_to(path, max))
    }

    /// The text of a file; bytes that are not UTF-8 are replaced.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The value that a file of one short line holds.
    pub(super) fn value<T: FromStr<Err: Display>>(&self, path: &str) -> Option<T> {
        let text = self.text(path)?;
        self.understood(path, text.trim().parse())
    }

    /// The names in a directory, sorted; none if there is no directory.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        self.short(path, self.ask(path, |path| self.look.list(path)).unwrap_or_default())
    }

    /// The last part of what a symlink points to.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        let target = self.ask(path, |path| self.look.link(path))?;
        target.rsplit('/').next().map(str::to_owned)
    }

    /// Whether there is anything, a dangling symlink included.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.ask(path, |path| self.look.stat(path)).is_some()
    }

    /// Whether there is a directory.
    pub(super) fn is_dir(&self, path: &str) -> bool {
        let stat = self.ask(path, |path| self.look.stat(path));
        stat.is_some_and(|stat| stat.kind == Kind::Dir)
    }

    /// How many bytes can still be written to the file system that holds a path.
    pub(super) fn free_space(&self, path: &str) -> Option<u64> {
        self.ask(path, |path| self.look.free_space(path).map(Some))
    }

    /// As many items as an inventory's list holds; that there are more is remembered.
    pub(super) fn short<T>(&self, path: &str, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items = items.into_iter();
        let kept = items.by_ref().take(MAX_LIST).collect();
        if items.next().is_some() {
            self.note(path, "has more entries than the inventory can list");
        }
        kept
    }

    /// What was understood of a file; what was not is remembered.
    pub(super) fn understood<T, E: Display>(&self, path: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.note(path, &error.to_string())).ok()
    }

    /// Remember that something could not be read or understood.
    pub(super) fn note(&self, path: &str, why: &str) {
        if let Ok(path) = HostPath::new(path) {
            self.unread.borrow_mut().insert(Unread { path, why: Label::lossy(why) });
        }
    }

    /// Everything that could not be read or understood.
    pub(super) fn unread(self) -> Vec<Unread> {
        self.unread.into_inner().into_iter().take(MAX_LIST).collect()
    }

    fn ask<T, E: Display>(
        &self,
        path: &str,
        ask: impl FnOnce(&HostPath) -> Result<Option<T>, E>,
    ) -> Option<T> {
        // A name from a directory can hold what no path of ours does; then nothing is there.
        let host_path = HostPath::new(path).ok()?;
        self.understood(path, ask(&host_path)).flatten()
    }
}
