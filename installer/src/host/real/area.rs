//! The work area on a real file system.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, OFlags};
use rustix::io::Errno;

use super::meta::bits;
use super::tree::{self, Tree};
use crate::host::content::copy_pieces;
use crate::host::door::Remake;
use crate::host::work::WorkPath;
use crate::host::{HostPath, Mode, OwnPath, TempName};

/// Links a file, or copies it where it cannot be linked.
pub(super) fn link(tree: &Tree, from: &OwnPath, to: &WorkPath, mode: Mode) -> io::Result<()> {
    let (from_dir, from_name) = tree.parent(from)?.ok_or(io::ErrorKind::NotFound)?;
    let (to_dir, to_name) = tree.parent(to)?.ok_or(io::ErrorKind::NotFound)?;
    match rustix::fs::linkat(&from_dir, from_name, &to_dir, to_name, AtFlags::empty()) {
        Ok(()) => {}
        Err(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => {
            copy(&from_dir, from_name, &to_dir, to_name)?;
        }
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = tree::open_child(&to_dir, to_name, flags)?;
    tree::require_regular(&file)?;
    Ok(rustix::fs::fchmod(file, bits(mode))?)
}

fn copy(from_dir: &OwnedFd, from: &str, to_dir: &OwnedFd, to: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let target = rustix::fs::openat(to_dir, to, flags | OFlags::CLOEXEC, mode)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let source = tree::open_child(from_dir, from, flags)?;
    tree::require_regular(&source)?;
    let mut target = File::from(target);
    copy_pieces(&mut File::from(source), |piece| io::Write::write_all(&mut target, piece))
}

/// Writes a new file next to the old one, and then replaces the old one.
pub(super) fn rewrite(tree: &Tree, path: &WorkPath, make: Remake<'_>) -> io::Result<()> {
    let (dir, name) = tree.parent(path)?.ok_or(io::ErrorKind::NotFound)?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let old = tree::present(tree::open_child(&dir, name, flags))?.map(File::from);
    let mode = match &old {
        Some(old) => rustix::fs::Mode::from_raw_mode(rustix::fs::fstat(old)?.st_mode & 0o7777),
        None => bits(Mode::FILE),
    };
    let temp = TempName::of_entry(0).to_string();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW;
    let new = rustix::fs::openat(&dir, &*temp, flags | OFlags::CLOEXEC, mode)?;
    let mut new = File::from(new);
    let keep = match old {
        Some(mut old) => make(Some(&mut old), &mut new)?,
        None => make(None, &mut new)?,
    };
    if keep {
        rustix::fs::fchmod(&new, mode)?;
        return Ok(rustix::fs::renameat(&dir, &*temp, &dir, name)?);
    }
    rustix::fs::unlinkat(&dir, &*temp, AtFlags::empty())?;
    Ok(rustix::fs::unlinkat(&dir, name, AtFlags::empty())?)
}

/// Renames a file or folder of the installer, durably.
pub(super) fn rename(tree: &Tree, from: &OwnPath, to: &HostPath) -> io::Result<()> {
    let (from_dir, from_name) = tree.parent(from)?.ok_or(io::ErrorKind::NotFound)?;
    let (to_dir, to_name) = tree.parent(to)?.ok_or(io::ErrorKind::NotFound)?;
    rustix::fs::renameat(&from_dir, from_name, &to_dir, to_name)?;
    Ok(rustix::fs::fsync(from_dir)?)
}

/// Removes a directory and everything in it, without following a symlink.
pub(super) fn clear(tree: &Tree, dir: &WorkPath) -> io::Result<()> {
    let Some((parent, name)) = tree.parent(dir)? else { return Ok(()) };
    match tree::stat_child(&parent, name)?.map(|stat| tree::kind(&stat)) {
        None => Ok(()),
        Some(crate::host::Kind::Dir) => clear_dir(&parent, name.as_ref()),
        Some(_) => Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?),
    }
}

fn clear_dir(parent: impl AsFd, name: &std::path::Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(&parent, name, flags, rustix::fs::Mode::empty())?;
    // Read all names first: POSIX does not define what `readdir` returns if the directory changes.
    let mut entries = Vec::new();
    for entry in Dir::read_from(&dir)? {
        let entry = entry?;
        if ![&b"."[..], b".."].contains(&entry.file_name().to_bytes()) {
            entries.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    for (name, kind) in entries {
        if kind == FileType::Directory {
            clear_dir(&dir, as_path(&name))?;
        } else {
            rustix::fs::unlinkat(&dir, &*name, AtFlags::empty())?;
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn as_path(name: &std::ffi::CStr) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt as _;
    std::path::Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()))
}
