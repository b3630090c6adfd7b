use std::io::{self, Write as _};

use camino::Utf8PathBuf;
use vgpu_manifest::HostPath;

use super::{Global, Refused, removable};
use crate::host::real::{Echo, Lock, Program, is_running_root};
use crate::host::{Exec, OwnState, RealHost};
use crate::locked_host::{JournaledHost, LockedHost, LockedHostError};
use crate::state;
use crate::status::report::{Closely, Standpoint};

/// The host of a command, not locked.
#[derive(Debug)]
pub(crate) struct Target {
    /// Access to the host.
    pub(crate) host: RealHost,
    exec: Exec,
    root: Utf8PathBuf,
}

impl Target {
    /// Opens the host that the command line names.
    pub(super) fn open(global: &Global) -> anyhow::Result<Self> {
        let exec = match (is_running_root(&global.root)?, global.chroot) {
            (true, _) => Exec::Live,
            (false, true) => Exec::Chroot,
            (false, false) => Exec::Record,
        };
        let root = camino::absolute_utf8(&global.root)?;
        let echo = if global.debug { Echo::Terminal } else { Echo::Off };
        Ok(Self { host: RealHost::open(&root, exec)?.with_echo(echo), exec, root })
    }

    /// Returns the host in a folder.
    #[cfg(test)]
    pub(crate) fn of(host: RealHost, exec: Exec, root: Utf8PathBuf) -> Self {
        Self { host, exec, root }
    }

    /// Refuses changes by users other than root, and by a program on a medium that may be gone
    /// after the reboot.
    ///
    /// Any user may prepare a folder with `--root`, from any medium: nothing resumes there.
    pub(crate) fn check_may_change(&self) -> Result<(), Refused> {
        state::check_folders(&self.host)?;
        if self.exec == Exec::Record {
            return Ok(());
        }
        if !rustix::process::geteuid().is_root() {
            return Err(Refused::NotRoot);
        }
        if self.exec == Exec::Chroot {
            self.begin_log();
            return Ok(());
        }
        let found = || -> io::Result<_> {
            let (device, root) = (Program::device()?, Program::root_device()?);
            removable(&self.host, device, root).map_err(io::Error::other)
        };
        match found() {
            Ok(None) => {
                self.begin_log();
                Ok(())
            }
            Ok(Some(medium)) => Err(Refused::FromMedium(medium)),
            Err(source) => Err(Refused::UnknownMedium(source)),
        }
    }

    /// Starts the log of commands. A full disk must not prevent a revert.
    fn begin_log(&self) {
        match self.host.begin_log() {
            Ok(()) => {
                let words: Vec<_> = std::env::args().skip(1).collect();
                let version = env!("CARGO_PKG_VERSION");
                self.host.log().message(&format!("vgpu-installer {version}: {}", words.join(" ")));
            }
            Err(error) => {
                let _ = writeln!(io::stderr(), "note: cannot write the log: {error}");
            }
        }
    }

    /// Locks the host and opens its journal, creating both if necessary.
    pub(crate) fn open_locked(self) -> Result<LockedHost, LockedHostError> {
        LockedHost::make(self.host)
    }

    /// Like [`open_locked`](Self::open_locked), but returns `None` if nothing was ever applied.
    pub(crate) fn find_locked(self) -> Result<Option<LockedHost>, LockedHostError> {
        LockedHost::find(self.host)
    }

    /// Reads the host's journal, or returns `None` if nothing was ever applied. Takes no lock.
    pub(crate) fn journaled(self) -> Result<Option<JournaledHost>, LockedHostError> {
        JournaledHost::read(self.host)
    }

    /// Inspects everything that is applied. Creates nothing, and takes no lock.
    pub(crate) fn inspect(self, closely: Closely) -> anyhow::Result<Standpoint> {
        let again = self.again()?;
        // A damaged lock file is reported as damage.
        let running = || again.host.lock_holder(&state::lock()).ok().flatten();
        // A run may begin or end during the inspection, which then has seen a part of it.
        let before = running();
        let found = match self.journaled()? {
            Some(journaled) => journaled.inspect(closely)?,
            None => Standpoint::default(),
        };
        Ok(Standpoint { run: before.or_else(running), ..found })
    }

    /// Returns the path by which this process reaches a path of the host.
    pub(crate) fn outside(&self, path: &HostPath) -> Utf8PathBuf {
        let path = path.as_path();
        path.strip_prefix("/").map_or_else(|_| path.to_owned(), |below| self.root.join(below))
    }

    /// Opens the same host again, for work after a command that consumes it.
    pub(crate) fn again(&self) -> anyhow::Result<Self> {
        Ok(Self {
            host: RealHost::open(&self.root, self.exec)?,
            exec: self.exec,
            root: self.root.clone(),
        })
    }

    /// Locks the host for a change that is not journaled.
    pub(crate) fn lock(&mut self) -> anyhow::Result<Lock> {
        OwnState::of(&mut self.host).prepare()?;
        Ok(self.host.lock(&state::lock())?)
    }
}
