//! The exact state of a folder, for comparison after a revert.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::{Digest, Measure};

/// Everything below a folder: types, modes, owners, extended attributes and contents.
///
/// Times are excluded, because a restored file is a new file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<Utf8PathBuf, Entry>);

/// Paths that may differ between two trees, with reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayDiffer {
    /// A path; with a final `*` every path with this prefix, with a final `/` everything below it.
    pub path: &'static str,
    /// The reason, for people.
    pub why: &'static str,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
    xattrs: BTreeMap<String, Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    File(Digest),
    Folder,
    Link(Utf8PathBuf),
    Fifo,
    Socket,
    Device(&'static str, u64),
}

impl Snapshot {
    /// Records everything below `root`, except the paths in `except` and everything below them.
    pub fn of(root: &Utf8Path, except: &[&str]) -> io::Result<Self> {
        let mut entries = BTreeMap::new();
        let mut todo = vec![Utf8PathBuf::new()];
        while let Some(folder) = todo.pop() {
            for child in root.join(&folder).read_dir_utf8()? {
                let path = folder.join(child?.file_name());
                if except.iter().any(|other| path == *other) {
                    continue;
                }
                let entry = Entry::of(&root.join(&path))?;
                if entry.kind == Kind::Folder {
                    todo.push(path.clone());
                }
                entries.insert(path, entry);
            }
        }
        Ok(Self(entries))
    }

    /// Returns a line for each path that differs in `other`; empty if none does.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differ = paths.into_iter().filter(|path| self.0.get(*path) != other.0.get(*path));
        differ
            .map(|path| format!("{path}: {} → {}", show(self.0.get(path)), show(other.0.get(path))))
            .collect()
    }

    /// Returns a line for each path that differs in `other` and that `may` does not allow.
    #[must_use]
    pub fn unexplained(&self, other: &Self, may: &[MayDiffer]) -> Vec<String> {
        let explained = |line: &String| {
            let path = line.split(": ").next().unwrap_or(line);
            may.iter().any(|it| it.covers(path))
        };
        let mut lines = self.differences(other);
        lines.retain(|line| !explained(line));
        lines
    }

    /// Returns the number of paths.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Checks whether there are no paths.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl MayDiffer {
    fn covers(&self, path: &str) -> bool {
        match self.path.strip_suffix(['*', '/']) {
            None => path == self.path,
            Some(folder) if self.path.ends_with('/') => {
                path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
            }
            Some(start) => path.starts_with(start),
        }
    }
}

impl Entry {
    fn of(path: &Utf8Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        let kind = if meta.is_file() {
            Kind::File(Measure::of(&mut File::open(path)?)?.sha256)
        } else if meta.is_dir() {
            Kind::Folder
        } else if meta.is_symlink() {
            Kind::Link(path.read_link_utf8()?)
        } else {
            Kind::special(&meta)
        };
        Ok(Self { kind, mode: meta.mode(), owner: (meta.uid(), meta.gid()), xattrs: xattrs(path)? })
    }
}

impl Kind {
    /// Returns the entry of anything other than a file, folder or symlink.
    fn special(meta: &fs::Metadata) -> Self {
        match meta.file_type() {
            kind if kind.is_fifo() => Self::Fifo,
            kind if kind.is_socket() => Self::Socket,
            kind if kind.is_block_device() => Self::Device("block", meta.rdev()),
            _ => Self::Device("character", meta.rdev()),
        }
    }
}

fn xattrs(path: &Utf8Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut names = vec![0_u8; 64 << 10];
    let len = match rustix::fs::llistxattr(path.as_std_path(), &mut names[..]) {
        Ok(len) => len,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(BTreeMap::new()),
        Err(errno) => return Err(errno.into()),
    };
    let mut all = BTreeMap::new();
    for name in names[..len].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 64 << 10];
        let len = rustix::fs::lgetxattr(path.as_std_path(), name, &mut value[..])?;
        value.truncate(len);
        all.insert(String::from_utf8_lossy(name).into_owned(), value);
    }
    Ok(all)
}

fn show(entry: Option<&Entry>) -> String {
    entry.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, mode, owner: (uid, gid), xattrs } = self;
        match kind {
            Kind::File(digest) => write!(f, "file {}", &digest.to_string()[..12])?,
            Kind::Folder => f.write_str("folder")?,
            Kind::Link(target) => write!(f, "link to {target}")?,
            Kind::Fifo => f.write_str("fifo")?,
            Kind::Socket => f.write_str("socket")?,
            Kind::Device(kind, number) => write!(f, "{kind} device {number:#x}")?,
        }
        write!(f, " {:04o} {uid}:{gid}", mode & 0o7777)?;
        xattrs.keys().try_for_each(|name| write!(f, " {name}"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn sees_every_kind_of_change_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        fs::create_dir(root.join("left-out")).unwrap();
        let look = || Snapshot::of(root, &["left-out"]).unwrap();
        let before = look();
        assert_eq!(before.len(), 3);
        fs::write(root.join("left-out/file"), "x").unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        assert_eq!(before.differences(&look()), Vec::<String>::new());

        let file = root.join("a/file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink("file", root.join("a/link")).unwrap();
        fs::remove_dir(root.join("a/b")).unwrap();
        let differences = before.differences(&look());
        assert_eq!(differences.len(), 3, "{differences:?}");

        let may = |path| MayDiffer { path, why: "" };
        let left = |may: &[MayDiffer]| before.unexplained(&look(), may).len();
        assert_eq!(left(&[]), 3);
        assert_eq!(left(&[may("a/file")]), 2);
        assert_eq!(left(&[may("a/fil*"), may("a/b")]), 1);
        assert_eq!([left(&[may("a/")]), left(&[may("a")]), left(&[may("b/")])], [0, 3, 3]);
    }
}
