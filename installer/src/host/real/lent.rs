//! Bytes in memory that are lent to a child process.

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};

use rustix::fs::MemfdFlags;

/// An anonymous file in memory. A child reads it as its standard input, or under a path.
///
/// Commands that change nothing have no folder to write to, and need none this way.
#[derive(Debug)]
pub(crate) struct Lent(File);

impl Lent {
    /// Creates an empty file.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(rustix::fs::memfd_create("vgpu-installer", MemfdFlags::CLOEXEC)?.into()))
    }

    /// Returns the path by which every process of this user can open the file, as long as this
    /// value lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Returns the file at its beginning, as the standard input of a child.
    pub(crate) fn input(&mut self) -> io::Result<BorrowedFd<'_>> {
        self.0.rewind()?;
        Ok(self.0.as_fd())
    }
}

impl Write for Lent {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
