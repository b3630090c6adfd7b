use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Gid, Stat, Uid, XattrFlags};
use rustix::io::Errno;

use crate::host::{Meta, Mode, Xattrs};

/// The mapping of owner numbers between the disk and the machine.
///
/// For root they are the same. Another user can prepare a folder only with their own files, so that
/// user is mapped to root there, as in a user namespace with one entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owners {
    uid: u32,
    gid: u32,
}

impl Owners {
    pub(super) fn current() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let gid = if uid == 0 { 0 } else { rustix::process::getegid().as_raw() };
        Self { uid, gid }
    }

    /// Returns owner and group as the machine sees them.
    pub(super) fn seen(self, stat: &Stat) -> (u32, u32) {
        let map = |id, own| if id == own { 0 } else { id };
        (map(stat.st_uid, self.uid), map(stat.st_gid, self.gid))
    }

    /// Returns owner and group as the disk stores them.
    pub(super) fn stored(self, uid: u32, gid: u32) -> (Option<Uid>, Option<Gid>) {
        let map = |id, own| if id == 0 { own } else { id };
        (Some(Uid::from_raw(map(uid, self.uid))), Some(Gid::from_raw(map(gid, self.gid))))
    }

    pub(super) fn read_meta(self, fd: impl AsFd) -> io::Result<Meta> {
        let stat = rustix::fs::fstat(&fd)?;
        let (uid, gid) = self.seen(&stat);
        Ok(Meta { mode: mode(stat.st_mode), uid, gid, xattrs: read_xattrs(fd)? })
    }

    /// Sets exactly these permissions, owner and attributes on the open file or directory.
    pub(super) fn write_meta(self, fd: impl AsFd, meta: &Meta) -> io::Result<()> {
        let now = self.read_meta(&fd)?;
        // In this order: a change of owner clears set-id bits and capabilities, and a change of
        // mode would rewrite the mask of an access control list.
        if (now.uid, now.gid) != (meta.uid, meta.gid) {
            let (uid, gid) = self.stored(meta.uid, meta.gid);
            rustix::fs::fchown(&fd, uid, gid)?;
        }
        for name in now.xattrs.0.keys().filter(|name| !meta.xattrs.0.contains_key(*name)) {
            rustix::fs::fremovexattr(&fd, name.as_str())?;
        }
        if read_mode(&fd)? != meta.mode {
            rustix::fs::fchmod(&fd, bits(meta.mode))?;
        }
        for (name, value) in &meta.xattrs.0 {
            if now.xattrs.0.get(name) != Some(value) {
                rustix::fs::fsetxattr(&fd, name.as_str(), value, XattrFlags::empty())?;
            }
        }
        Ok(())
    }
}

fn read_mode(fd: impl AsFd) -> io::Result<Mode> {
    Ok(mode(rustix::fs::fstat(fd)?.st_mode))
}

fn mode(raw: u32) -> Mode {
    let text = format!("{:04o}", raw & 0o7777);
    text.parse().unwrap_or_else(|_| unreachable!("four octal digits are a mode"))
}

pub(super) fn bits(mode: Mode) -> rustix::fs::Mode {
    let raw = u32::from_str_radix(&mode.to_string(), 8);
    rustix::fs::Mode::from_raw_mode(raw.unwrap_or_else(|_| unreachable!("a mode is octal digits")))
}

/// The SELinux label, which the policy sets.
const LABEL: &str = "security.selinux";

fn read_xattrs(fd: impl AsFd) -> io::Result<Xattrs> {
    let names = match grow(|buffer| rustix::fs::flistxattr(&fd, buffer)) {
        // The file system has no extended attributes.
        Err(Errno::NOTSUP) => return Ok(Xattrs::default()),
        names => names?,
    };
    let mut xattrs = BTreeMap::new();
    for name in names.split(|&b| b == 0).filter(|name| !name.is_empty()) {
        let name = str::from_utf8(name).map_err(|_| io::ErrorKind::InvalidData)?;
        if name == LABEL {
            continue;
        }
        let value = grow(|buffer| rustix::fs::fgetxattr(&fd, name, buffer))?;
        xattrs.insert(name.to_owned(), value);
    }
    Ok(Xattrs(xattrs))
}

/// Calls `ask` with a growing buffer, up to the kernel's limit for one attribute.
fn grow(ask: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match ask(&mut buffer) {
            Err(Errno::RANGE) if buffer.len() < 64 << 10 => buffer.resize(buffer.len() * 4, 0),
            Err(error) => return Err(error),
            Ok(len) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
        }
    }
}
