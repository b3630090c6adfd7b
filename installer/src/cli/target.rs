use std::io::{self, Write as _};

use camino::Utf8PathBuf;

use super::{Global, Refused, removable};
use crate::host::real::{Echo, Lock, Program, is_running_root};
use crate::host::{Exec, RealHost};
use crate::machine::{Machine, MachineError};
use crate::state;

/// The host that a command is about, not locked.
#[derive(Debug)]
pub struct Target {
    /// The door to it.
    pub host: RealHost,
    exec: Exec,
    root: Utf8PathBuf,
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
        let echo = if global.debug { Echo::Terminal } else { Echo::Nobody };
        Ok(Self { host: RealHost::open(&root, exec)?.with_echo(echo), exec, root })
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
            self.write_down();
            return Ok(());
        }
        let found = || -> io::Result<_> {
            let (device, root) = (Program::device()?, Program::root_device()?);
            removable(&self.host, device, root).map_err(io::Error::other)
        };
        match found() {
            Ok(None) => {
                self.write_down();
                Ok(())
            }
            Ok(Some(medium)) => Err(Refused::FromMedium(medium)),
            Err(source) => Err(Refused::UnknownMedium(source)),
        }
    }

    /// Write down what is run from here on. A disk that is full is no reason to refuse a revert.
    fn write_down(&self) {
        match self.host.begin_diary() {
            Ok(()) => {
                let words: Vec<_> = std::env::args().skip(1).collect();
                let version = env!("CARGO_PKG_VERSION");
                self.host.diary().said(&format!("vgpu-installer {version}: {}", words.join(" ")));
            }
            Err(error) => {
                let _ = writeln!(io::stderr(), "note: nothing is written down: {error}");
            }
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

    /// The same host once more, for what comes after a command that takes it.
    pub fn again(&self) -> anyhow::Result<Self> {
        Ok(Self {
            host: RealHost::open(&self.root, self.exec)?,
            exec: self.exec,
            root: self.root.clone(),
        })
    }

    /// Keep everybody else from changing it, for a change that is not journaled.
    pub fn lock(&mut self) -> anyhow::Result<Lock> {
        state::prepare(&mut self.host)?;
        Ok(self.host.lock(&state::lock())?)
    }
}
