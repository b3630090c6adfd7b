use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::spec::remember;
use super::{DriverError, DriverSpec, is_installed, status, tree, versions};
use crate::gpus::check_idle;
use crate::host::{Command, Door, HostError, Look, Work};
use crate::journal::Scope;
use crate::state::fixed;

/// Where NVIDIA's installer, DKMS and the uninstaller write small things that belong to others, too.
const SMALL: [&str; 8] = [
    "/etc/OpenCL",
    "/etc/ld.so.conf.d",
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/nvidia",
    "/etc/systemd/system",
    "/etc/udev/rules.d",
    "/etc/vulkan",
];

/// Where they write the rest. `/usr` as a whole would have a hundred thousand files.
const LARGE: [&str; 12] = [
    "/usr/bin",
    "/usr/lib/firmware/nvidia",
    "/usr/lib/nvidia",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system-sleep",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/share/dbus-1/system.d",
    "/usr/share/doc/NVIDIA_GLX-1.0",
    "/usr/share/man/man1",
    "/usr/share/nvidia",
    "/var/lib/dkms/nvidia",
    "/var/lib/nvidia",
];

const UNINSTALLER: &str = "/usr/bin/nvidia-uninstall";

/// Where NVIDIA's installer writes what it does.
const LOG: &str = "/var/log/nvidia-installer.log";

/// A driver comes or goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DriverChange {
    /// Which of the two.
    pub way: Way,
    /// Which driver.
    pub driver: DriverSpec,
}

/// Whether a driver comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It comes.
    Install,
    /// It goes; to take that back it comes again.
    Remove,
}

impl Way {
    fn opposite(self) -> Self {
        match self {
            Self::Install => Self::Remove,
            Self::Remove => Self::Install,
        }
    }
}

impl DriverChange {
    /// What it does, in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        self.line(self.way)
    }

    /// What taking it back does, in a line.
    #[must_use]
    pub fn undoing(&self) -> String {
        self.line(self.way.opposite())
    }

    fn line(&self, way: Way) -> String {
        let version = &self.driver.version;
        match way {
            Way::Install => format!("install the driver {version}"),
            Way::Remove => format!("remove the driver {version} by its own uninstaller"),
        }
    }

    /// The paths that it may change.
    pub(crate) fn scope(&self) -> Scope {
        let mut large: BTreeSet<_> = LARGE.map(fixed).into();
        large.insert(sources(&self.driver.version.to_string()));
        for kernel in &self.driver.kernels {
            for folder in ["updates", "kernel/drivers/video"] {
                large.insert(fixed(&format!("/usr/lib/modules/{}/{folder}", kernel.as_str())));
            }
        }
        Scope { small: SMALL.map(fixed).into(), large }
    }

    /// Do it.
    pub(crate) fn run(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        self.go(door, self.way)
    }

    /// Take it back.
    pub(crate) fn undo(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        self.go(door, self.way.opposite())
    }

    /// Clear away what a cut has left, so that both ways lead on: whoever is half there goes.
    pub(crate) fn recover(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        if is_installed(door.look())? {
            tolerate(door.run(&uninstall()))?;
        } else if has_leftovers(door.look())? {
            // It was cut before its uninstaller was in place; the package has one.
            let work = tree::unpack(door.host(), tree::AREA, self.driver.content)?;
            let tree = format!("--chdir={}", work.path("tree"));
            let words = [tree.as_str(), "./nvidia-installer", "--uninstall", "--silent"];
            tolerate(door.run(&Command::new("env", &words)))?;
            Work::again(door.host(), tree::AREA).done()?;
        }
        remember(door.host(), None)?;
        self.forget_sources(door)
    }

    /// Whether there is something to take back.
    pub(crate) fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError> {
        let version = self.driver.version.to_string();
        let is_there =
            versions(look)?.contains(&version) || is_installed(look)? || has_leftovers(look)?;
        Ok(match self.way {
            Way::Install => is_there,
            Way::Remove => !is_there,
        })
    }

    fn go(&self, door: &mut Door<'_>, way: Way) -> Result<(), DriverError> {
        check_idle(door.look())?;
        match way {
            Way::Install => self.install(door),
            Way::Remove => {
                if is_installed(door.look())? {
                    door.run(&uninstall())?;
                }
                self.recover(door)
            }
        }
    }

    fn install(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        // What an installer that failed, or was cut, has left would keep it from starting again.
        self.recover(door)?;
        let work = tree::prepare(door.host(), &self.driver)?;
        let [tree, tmp] = ["tree", "tmp"].map(|name| work.path(name).to_string());
        let (tree, tmp) = (format!("--chdir={tree}"), format!("TMPDIR={tmp}"));
        let log = format!("--log-file-name={LOG}");
        let kernel = self.driver.kernels.first();
        let kernel = kernel.map(|kernel| format!("--kernel-name={}", kernel.as_str()));
        let mut words = vec![tree.as_str(), &tmp, "./nvidia-installer"];
        words.extend(self.driver.args.iter().map(String::as_str));
        words.extend(kernel.as_deref());
        words.push(&log);
        door.run(&Command::new("env", &words))?;
        for kernel in self.driver.kernels.iter().skip(1) {
            let module = self.module();
            door.run(&Command::new("dkms", &["install", &module, "-k", kernel.as_str()]))?;
        }
        remember(door.host(), Some(&self.driver))?;
        Ok(Work::again(door.host(), tree::AREA).done()?)
    }

    /// Have DKMS forget the module, if the uninstaller did not.
    fn forget_sources(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        let version = self.driver.version.to_string();
        let known = status(door.look())?.unwrap_or_default();
        if known.iter().any(|build| build.version == version) {
            door.run(&Command::new("dkms", &["remove", &self.module(), "--all"]))?;
        }
        Ok(())
    }

    fn module(&self) -> String {
        format!("nvidia/{}", self.driver.version)
    }
}

/// Whether NVIDIA's installer remembers something that it has installed.
fn has_leftovers(look: &dyn Look) -> Result<bool, HostError> {
    Ok(look.list(&fixed("/var/lib/nvidia"))?.is_some_and(|names| !names.is_empty()))
}

pub(super) fn uninstall() -> Command {
    Command::new(UNINSTALLER, &["--silent"])
}

fn sources(version: &str) -> HostPath {
    fixed(&format!("/usr/src/nvidia-{version}"))
}

/// A half-installed driver may not let itself be uninstalled cleanly; what is left is found by
/// looking.
fn tolerate(result: Result<(), HostError>) -> Result<(), HostError> {
    match result {
        Err(HostError::Failed { .. }) => Ok(()),
        result => result,
    }
}
