use std::fs::{self, FileType, Metadata};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::ItemMode;

use super::{bad_link, bad_name, cannot_read, link};
use crate::types::LocalPath;

/// A file, folder or link in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// The path relative to the folder, with single slashes.
    pub(super) path: Utf8PathBuf,
    /// The path on this machine.
    pub(super) place: Utf8PathBuf,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File { size: u64, mode: ItemMode },
    Link { target: String },
}

/// Returns everything in the folder `top` that is not excluded, in byte order of the paths.
pub(crate) fn scan(top: &Utf8Path, exclude: &[LocalPath]) -> anyhow::Result<Vec<Node>> {
    let mut unused: Vec<&Utf8Path> = exclude.iter().map(LocalPath::as_path).collect();
    let mut nodes = Vec::new();
    let mut folders = vec![(top.to_owned(), Utf8PathBuf::new())];
    while let Some((place, path)) = folders.pop() {
        for name in names(&place)? {
            let (place, path) = (place.join(&name), path.join(&name));
            if let Some(index) = unused.iter().position(|excluded| *excluded == path) {
                unused.remove(index);
                continue;
            }
            let kind = kind_of(&place, &path)?;
            if kind == Kind::Folder {
                folders.push((place.clone(), path.clone()));
            }
            nodes.push(Node { path, place, kind });
        }
    }
    // A typing error would silently include a file that should be left out.
    if let Some(missing) = unused.first() {
        bail!("`{}`, which is to be left out, is not there", missing.as_str().escape_debug());
    }
    if nodes.is_empty() {
        bail!("the folder is empty");
    }
    nodes.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    Ok(nodes)
}

/// Returns the bytes of all files.
#[must_use]
pub(crate) fn content_size(nodes: &[Node]) -> u64 {
    let size = |node: &Node| if let Kind::File { size, .. } = node.kind { size } else { 0 };
    nodes.iter().map(size).sum()
}

/// Returns the names in a folder after checking them.
fn names(folder: &Utf8Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| cannot_read(folder))? {
        let name = entry.with_context(|| cannot_read(folder))?.file_name();
        let refuse = |why| bad_name(folder.join(name.to_string_lossy().as_ref()).as_str(), why);
        let name = name.to_str().ok_or_else(|| refuse("is not UTF-8"))?;
        if name.chars().any(char::is_control) {
            return Err(refuse("has control characters"));
        }
        if name.contains('\\') {
            return Err(refuse("has a backslash, which some take for a slash"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn kind_of(place: &Utf8Path, path: &Utf8Path) -> anyhow::Result<Kind> {
    let meta = fs::symlink_metadata(place).with_context(|| cannot_read(place))?;
    if meta.is_dir() {
        return Ok(Kind::Folder);
    }
    if meta.is_file() {
        return Ok(Kind::File { size: meta.len(), mode: mode_of(&meta) });
    }
    if !meta.is_symlink() {
        let (path, kind) = (path.as_str().escape_debug(), describe(meta.file_type()));
        bail!("`{path}` is {kind}; only files, folders and links can be packed");
    }
    let target = fs::read_link(place).with_context(|| cannot_read(place))?;
    let target = target.to_string_lossy().into_owned();
    link::check(path, &target).map_err(|why| bad_link(path, &target, why))?;
    Ok(Kind::Link { target })
}

/// Only the executable bit of the owner counts.
fn mode_of(meta: &Metadata) -> ItemMode {
    if meta.permissions().mode() & 0o100 == 0 { ItemMode::Plain } else { ItemMode::Executable }
}

fn describe(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
