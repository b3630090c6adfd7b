use std::io;

use super::{Global, Refused, removable};
use crate::host::real::{Lock, Program, is_running_root};
use crate::host::{Exec, RealHost};
use crate::machine::{Machine, MachineError};
use crate::state;

/// The host that a command is about, not locked.
#[derive(Debug)]
pub struct Target {
    /// The door to it.
    pub host: RealHost,
    exec: Exec,
}

impl Target {
    /// Open the host that the command line names.
    pub(super) fn open(global: &Global) -> anyhow::Result<Self> {
        let exec = match (is_running_root(&global.root)?, global.chroot) {
            (true, _) => Exec::Live,
            (false, true) => Exec::Chroot,
            (false, false) => Exec::Record,
        };
        let root = camino::absolute_utf8(&global.root)?;
        Ok(Self { host: RealHost::open(&root, exec)?, exec })
    }

    /// Refuse to change it if this program must not: by somebody else than root, or from a medium
    /// that may be gone when the program is needed again.
    ///
    /// A folder that only stands for a machine may be prepared by anybody, and from anywhere:
    /// nothing resumes there.
    pub fn check_may_change(&self) -> Result<(), Refused> {
        if self.exec == Exec::Record {
            return Ok(());
        }
        if !rustix::process::geteuid().is_root() {
            return Err(Refused::NotRoot);
        }
        if self.exec == Exec::Chroot {
            return Ok(());
        }
        let found = || -> io::Result<_> {
            let (device, root) = (Program::device()?, Program::root_device()?);
            removable(&self.host, device, root).map_err(io::Error::other)
        };
        match found() {
            Ok(None) => Ok(()),
            Ok(Some(medium)) => Err(Refused::FromMedium(medium)),
            Err(source) => Err(Refused::UnknownMedium(source)),
        }
    }

    /// Keep everybody else from changing it, and open its journal; both are made if need be.
    pub fn open_machine(self) -> Result<Machine, MachineError> {
        Machine::make(self.host)
    }

    /// Like [`open_machine`](Self::open_machine), but `None` if nothing was ever applied.
    pub fn find_machine(self) -> Result<Option<Machine>, MachineError> {
        Machine::find(self.host)
    }

    /// Keep everybody else from changing it, for a change that is not journaled.
    pub fn lock(&mut self) -> anyhow::Result<Lock> {
        state::prepare(&mut self.host)?;
        Ok(self.host.lock(&state::lock())?)
    }
}
