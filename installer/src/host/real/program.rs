//! This program, as a file.

use std::fs::File;
use std::io;
use std::os::linux::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus};

use super::signals;
use super::staging::Staging;
use crate::host::Content;

/// The executable of this process, even if the file has been replaced since.
#[derive(Debug)]
pub struct Program {
    content: Content,
}

/// The number of a device, as sysfs and `/proc/self/mountinfo` spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceNumber {
    /// The major number; 0 if the file system has no device.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

const SELF: &str = "/proc/self/exe";

impl Program {
    /// Reads the file.
    pub fn read() -> io::Result<Self> {
        Ok(Self { content: Content::of_reader(File::open(SELF)?)? })
    }

    /// Returns the content of the file.
    #[must_use]
    pub fn content(&self) -> Content {
        self.content
    }

    /// Copies the file into the store.
    pub fn stage(&self, staging: &Staging) -> io::Result<()> {
        staging.take(self.content, &mut File::open(SELF)?)
    }

    /// Runs the program again with these arguments, on the same terminal, and waits for its end.
    ///
    /// A signal of the terminal is the command's alone while it runs: it stops at a safe point.
    pub fn run_again(words: &[String]) -> io::Result<ExitStatus> {
        let _quiet = signals::leave_to_child()?;
        let mut command = Command::new(SELF);
        // Usage and errors show the name by which the operator called the program.
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command.args(words).status()
    }

    /// Returns the device of the file system that the program is on.
    pub fn device() -> io::Result<DeviceNumber> {
        device_of(SELF)
    }

    /// Returns the device of the file system at the root of this machine.
    pub fn root_device() -> io::Result<DeviceNumber> {
        device_of("/")
    }
}

fn device_of(path: &str) -> io::Result<DeviceNumber> {
    let dev = std::fs::metadata(path)?.st_dev();
    Ok(DeviceNumber { major: rustix::fs::major(dev), minor: rustix::fs::minor(dev) })
}
