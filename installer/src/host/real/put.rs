use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;

use super::meta::Owners;
use super::tree::{self, Tree};
use crate::host::content::copy_pieces;
use crate::host::own::owns;
use crate::host::{Content, ContentHasher, HostPath, Kind, Meta, New, Node, Source};

/// Replaces `path` with the node that `new` describes, in one durable step.
pub(super) fn put(tree: &Tree, owners: Owners, path: &HostPath, new: New<'_>) -> io::Result<()> {
    let (dir, name) = tree.parent(path)?.ok_or(io::ErrorKind::NotFound)?;
    if let Node::Dir { meta } = new.node
        && tree::stat_child(&dir, name)?.is_some_and(|stat| tree::kind(&stat) == Kind::Dir)
    {
        return change_dir(&dir, name, owners, meta);
    }
    let temp = new.temp.to_string();
    clear_temp(&dir, &temp)?;
    let placed = prepare(tree, owners, &dir, &temp, new)
        .and_then(|()| Ok(rustix::fs::renameat(&dir, &*temp, &dir, name)?));
    if placed.is_err() {
        // Report the first error; recovery sweeps again.
        let _ = clear_temp(&dir, &temp);
    }
    placed?;
    Ok(rustix::fs::fsync(dir)?)
}

/// Removes the temporary `name`, of any kind.
pub(super) fn clear_temp(dir: &OwnedFd, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR) => Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?),
        Err(error) => Err(error.into()),
    }
}

/// Creates the new node under its temporary name, complete and durable.
fn prepare(tree: &Tree, owners: Owners, dir: &OwnedFd, temp: &str, new: New<'_>) -> io::Result<()> {
    match new.node {
        Node::File { content, meta } => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            let fd = rustix::fs::openat(dir, temp, flags | OFlags::CLOEXEC, mode)?;
            let mut file = File::from(fd);
            fill(tree, &mut file, *content, new.from)?;
            owners.write_meta(&file, meta)?;
            file.sync_all()
        }
        Node::Dir { meta } => {
            rustix::fs::mkdirat(dir, temp, rustix::fs::Mode::from_raw_mode(0o700))?;
            change_dir(dir, temp, owners, meta)
        }
        Node::Link { target, uid, gid } => {
            rustix::fs::symlinkat(target, dir, temp)?;
            let (uid, gid) = owners.stored(*uid, *gid);
            Ok(rustix::fs::chownat(dir, temp, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?)
        }
        Node::Special => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "devices, sockets and pipes are not made",
        )),
    }
}

fn change_dir(dir: &OwnedFd, name: &str, owners: Owners, meta: &Meta) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
    let fd = tree::open_child(dir, name, flags)?;
    owners.write_meta(&fd, meta)?;
    Ok(rustix::fs::fsync(fd)?)
}

/// Writes the announced bytes, and fails on a digest mismatch.
fn fill(tree: &Tree, file: &mut File, expected: Content, from: Source<'_>) -> io::Result<()> {
    let mut hasher = ContentHasher::default();
    let mut write = |piece: &[u8]| {
        hasher.update(piece);
        file.write_all(piece)
    };
    match from {
        Source::Nowhere => {}
        Source::Bytes(bytes) => write(bytes)?,
        Source::File(path) => copy_pieces(&mut source(tree, path)?, write)?,
    }
    let actual = hasher.finish();
    if actual == expected {
        Ok(())
    } else {
        let (whose, hint) = match from {
            Source::File(path) if owns(path) => (
                format!("the bytes of {path}"),
                "; `vgpu-installer repair` names the ways to fix this",
            ),
            _ => ("its bytes".to_owned(), ""),
        };
        let what = format!("{whose} should be {}, but are {}{hint}", expected.id, actual.id);
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}

fn source(tree: &Tree, path: &HostPath) -> io::Result<File> {
    let source = tree.open_at(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK);
    source.map(File::from).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot open its source {path}: {error}"))
    })
}
