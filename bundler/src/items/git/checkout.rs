//! Checkout of the files of a commit.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::patch::TreePath;
use vgpu_manifest::ui::ByteSize;

use super::blobs::Blobs;
use super::error::{submodule, too_large};
use super::list::{Entry, Kind};
use crate::types::LocalPath;

/// A selection of the files of a commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection<'s> {
    /// The folder; none for the whole commit.
    pub(crate) folder: Option<&'s TreePath>,
    /// Paths in the folder to leave out.
    pub(crate) exclude: &'s [LocalPath],
    /// The most bytes in all.
    pub(crate) cap: ByteSize,
}

/// The longest link target of any system, in bytes.
const MAX_TARGET: u64 = 4096;

/// Writes the `selected` files among the `entries` of a commit to the empty folder `top`.
///
/// Links are created last, so that nothing is written through one. Their targets are checked when
/// the folder is packed.
pub(crate) fn check_out(
    entries: &[Entry],
    blobs: &mut Blobs,
    selected: Selection<'_>,
    top: &Utf8Path,
) -> anyhow::Result<()> {
    let chosen = choose(entries, selected)?;
    let total = chosen.iter().map(|(entry, _)| entry.size).fold(0, u64::saturating_add);
    if total > selected.cap.bytes() {
        return Err(too_large("the folder", total, selected.cap));
    }
    for (entry, path) in &chosen {
        let place = top.join(path);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).with_context(|| cannot_write(&place))?;
        }
        if entry.kind != Kind::Link {
            write_file(entry, blobs, &place)?;
        }
    }
    for (entry, path) in chosen.iter().filter(|(entry, _)| entry.kind == Kind::Link) {
        let mut target = Vec::new();
        blobs.copy(entry, &mut |bytes| {
            target.extend_from_slice(bytes);
            Ok(())
        })?;
        let refuse = |why| anyhow!("the name `{}` {why}", entry.shown());
        let target = String::from_utf8(target).map_err(|_| refuse("leads to no UTF-8"))?;
        if target.contains('\0') {
            return Err(refuse("leads to no path"));
        }
        let place = top.join(path);
        symlink(&target, &place).with_context(|| cannot_write(&place))?;
    }
    Ok(())
}

fn write_file(entry: &Entry, blobs: &mut Blobs, place: &Utf8Path) -> anyhow::Result<()> {
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .open(place)
        .with_context(|| cannot_write(place))?;
    blobs.copy(entry, &mut |bytes| file.write_all(bytes).with_context(|| cannot_write(place)))?;
    let mode = if entry.kind == Kind::Program { 0o755 } else { 0o644 };
    file.set_permissions(Permissions::from_mode(mode)).with_context(|| cannot_write(place))
}

fn cannot_write(path: &Utf8Path) -> String {
    format!("cannot write `{}`", path.as_str().escape_debug())
}

/// Returns the selected entries, with their paths in the folder.
fn choose<'e>(
    entries: &'e [Entry],
    selected: Selection<'_>,
) -> anyhow::Result<Vec<(&'e Entry, Utf8PathBuf)>> {
    let prefix = selected.folder.map(|folder| format!("{folder}/")).unwrap_or_default();
    let mut unused: Vec<&LocalPath> = selected.exclude.iter().collect();
    let mut chosen = Vec::new();
    for entry in entries {
        let Some(path) = entry.path.strip_prefix(prefix.as_bytes()) else { continue };
        let excluded = |it: &&LocalPath| is_at_or_below(path, it.as_path().as_str().as_bytes());
        if let Some(by) = selected.exclude.iter().find(excluded) {
            unused.retain(|other| *other != by);
            continue;
        }
        if entry.kind == Kind::Submodule {
            return Err(submodule(&entry.shown()));
        }
        if entry.kind == Kind::Link && entry.size > MAX_TARGET {
            return Err(too_large(&entry.shown(), entry.size, ByteSize::new(MAX_TARGET)));
        }
        chosen.push((entry, checked(entry, path)?));
    }
    // A typing error would silently include a file that should be left out.
    if let Some(missing) = unused.first() {
        bail!("`{missing}`, which is to be left out, is not there");
    }
    Ok(chosen)
}

fn is_at_or_below(path: &[u8], top: &[u8]) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

/// Returns the path if it has the same meaning on every system.
fn checked(entry: &Entry, path: &[u8]) -> anyhow::Result<Utf8PathBuf> {
    let refuse = |why| anyhow!("the name `{}` {why}", entry.shown());
    let text = std::str::from_utf8(path).map_err(|_| refuse("is not UTF-8"))?;
    if text.chars().any(char::is_control) {
        return Err(refuse("has control characters"));
    }
    if text.contains('\\') {
        return Err(refuse("has a backslash, which some take for a slash"));
    }
    if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(refuse("leads elsewhere"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, path: &[u8]) -> Entry {
        Entry { kind, object: "0".repeat(40), size: 1, path: path.to_vec() }
    }

    #[test]
    fn a_folder_without_what_is_left_out() {
        let paths: [&[u8]; 5] = [b"a", b"src/a", b"src/b/c", b"src/bc", b"src2/a"];
        let entries = paths.map(|path| entry(Kind::File, path));
        let folder: TreePath = "src".parse().unwrap();
        let exclude = ["b".parse().unwrap()];
        let cap = ByteSize::new(100);
        let all = Selection { folder: Some(&folder), exclude: &exclude, cap };
        let chosen: Vec<_> = choose(&entries, all).unwrap().into_iter().map(|it| it.1).collect();
        assert_eq!(chosen, ["a", "bc"]);
        let exclude = ["d".parse().unwrap()];
        let error = choose(&entries, Selection { exclude: &exclude, ..all }).unwrap_err();
        assert!(error.to_string().contains("`d`, which is to be left out"), "{error}");
    }

    #[test]
    fn a_name_that_means_something_else_is_refused() {
        let cap = ByteSize::new(100);
        let all = Selection { folder: None, exclude: &[], cap };
        let cases: [(&[u8], &str); 6] = [
            (b"a\nb", "control"),
            (b"a\\b", "backslash"),
            (b"../b", "leads elsewhere"),
            (b"a//b", "leads elsewhere"),
            (b"/a", "leads elsewhere"),
            (b"a\xff", "UTF-8"),
        ];
        for (path, word) in cases {
            let error = choose(&[entry(Kind::File, path)], all).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains('\n'), "{error}");
        }
        let error = choose(&[entry(Kind::Submodule, b"sub")], all).unwrap_err().to_string();
        assert!(error.contains("`sub` is a submodule"), "{error}");
        let exclude = ["sub".parse().unwrap()];
        let entries = [entry(Kind::Submodule, b"sub"), entry(Kind::File, b"a")];
        assert_eq!(choose(&entries, Selection { exclude: &exclude, ..all }).unwrap().len(), 1);
    }
}
