use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use camino::Utf8Path;
use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Label, MAX_LIST, Unread};

use crate::host::{Kind, Look};

/// A reader for the files of a machine that records what it could not read or parse.
///
/// A missing file is a valid result and is not recorded.
pub(super) struct Reader<'a> {
    look: &'a dyn Look,
    unread: RefCell<BTreeSet<Unread>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(look: &'a dyn Look) -> Self {
        Self { look, unread: RefCell::default() }
    }

    /// Returns the bytes of a file.
    ///
    /// A link to `/dev/null` is an empty file: it masks a file of the same name in another folder, as
    /// in systemd.unit(5), modprobe.d(5) and udev(7).
    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        self.ask(path, |path| match self.look.read(path) {
            Err(_) if self.look.link(path)?.as_deref() == Some("/dev/null") => Ok(Some(Vec::new())),
            read => read,
        })
    }

    /// Returns the bytes of a file with a size limit above the default.
    pub(super) fn large(&self, path: &str, max: u64) -> Option<Vec<u8>> {
        self.ask(path, |path| self.look.read_up_to(path, max))
    }

    /// Returns the text of a file; bytes that are not UTF-8 are replaced.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        self.bytes(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the value of a file with one short line.
    pub(super) fn value<T: FromStr<Err: Display>>(&self, path: &str) -> Option<T> {
        let text = self.text(path)?;
        self.understood(path, text.trim().parse())
    }

    /// Returns the names in a directory, sorted; none if there is no directory.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        self.short(path, self.ask(path, |path| self.look.list(path)).unwrap_or_default())
    }

    /// Returns the names in a directory that have this extension, sorted.
    pub(super) fn names_with(&self, path: &str, extension: &str) -> Vec<String> {
        let mut names = self.names(path);
        names.retain(|name| Utf8Path::new(name).extension() == Some(extension));
        names
    }

    /// Returns the last component of a symlink's target.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        let target = self.ask(path, |path| self.look.link(path))?;
        target.rsplit('/').next().map(str::to_owned)
    }

    /// Checks whether the path exists, also as a dangling symlink.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.ask(path, |path| self.look.stat(path)).is_some()
    }

    /// Checks whether the path is a directory.
    pub(super) fn is_dir(&self, path: &str) -> bool {
        let stat = self.ask(path, |path| self.look.stat(path));
        stat.is_some_and(|stat| stat.kind == Kind::Dir)
    }

    /// Returns the free bytes of the file system that contains a path.
    pub(super) fn free_space(&self, path: &str) -> Option<u64> {
        self.ask(path, |path| self.look.free_space(path).map(Some))
    }

    /// Returns as many items as an inventory's list can have; records if there are more.
    pub(super) fn short<T>(&self, path: &str, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items = items.into_iter();
        let kept = items.by_ref().take(MAX_LIST).collect();
        if items.next().is_some() {
            self.note(path, "has more entries than the inventory can list");
        }
        kept
    }

    /// Returns the parsed content of a file; records a parse error.
    pub(super) fn understood<T, E: Display>(&self, path: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.note(path, &error.to_string())).ok()
    }

    /// Records that something could not be read or parsed.
    pub(super) fn note(&self, path: &str, why: &str) {
        if let Ok(path) = HostPath::new(path) {
            self.unread.borrow_mut().insert(Unread { path, why: Label::lossy(why) });
        }
    }

    /// Returns all records of unread files.
    pub(super) fn unread(self) -> Vec<Unread> {
        self.unread.into_inner().into_iter().take(MAX_LIST).collect()
    }

    fn ask<T, E: Display>(
        &self,
        path: &str,
        ask: impl FnOnce(&HostPath) -> Result<Option<T>, E>,
    ) -> Option<T> {
        // A name from a directory may be invalid as a path of this program; it is then treated as
        // missing.
        let host_path = HostPath::new(path).ok()?;
        self.understood(path, ask(&host_path)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Node;
    use crate::host::testing::MemHost;

    #[test]
    fn a_masked_file_is_empty_and_another_odd_one_is_recorded() {
        let mut host = MemHost::with_files(&[("/dev/null/is-no-file", "")]);
        let units = ["/etc/systemd/system/masked.service", "/etc/systemd/system/odd.service"];
        host.place_node(units[0], Node::link("/dev/null"), b"");
        host.place_node(units[1], Node::link("/etc/systemd"), b"");
        let reader = Reader::new(&host);
        assert_eq!(reader.text(units[0]).as_deref(), Some(""));
        assert_eq!(reader.text(units[1]), None);
        let unread: Vec<_> = reader.unread().into_iter().map(|it| it.path.to_string()).collect();
        assert_eq!(unread, [units[1]]);
    }
}
