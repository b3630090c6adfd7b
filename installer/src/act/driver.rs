use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::tolerate;
use crate::driver::{
    AREA, DriverError, DriverSpec, has_leftovers, is_installed, prepare, remember, status,
    uninstall, unpack, versions,
};
use crate::facts::{CERTIFICATE, PRIVATE_KEY};
use crate::gpus::check_idle;
use crate::host::{Command, Door, HostError, Look, Work};
use crate::journal::{Act, ActError, Scope};
use crate::settle::Derived;
use crate::state::fixed;

/// The small files, and folders of small files, shared with others, to which NVIDIA's installer, its uninstaller and
/// DKMS write. DKMS creates its signing key with the first module, also without Secure Boot.
const SMALL: [&str; 10] = [
    PRIVATE_KEY,
    CERTIFICATE,
    "/etc/OpenCL",
    "/etc/ld.so.conf.d",
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/nvidia",
    "/etc/systemd/system",
    "/etc/udev/rules.d",
    "/etc/vulkan",
];

/// The other folders to which they write. `/usr` as a whole would be a hundred thousand files.
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

/// The log of `nvidia-installer`.
const LOG: &str = "/var/log/nvidia-installer.log";

/// The installation or removal of a driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct DriverChange {
    /// The direction of the change.
    pub(crate) way: Way,
    /// The driver.
    pub(crate) driver: DriverSpec,
}

/// Installation or removal of a driver; each is the undo of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// It is installed.
    Install,
    /// It is removed.
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

impl Act for DriverChange {
    fn summary(&self) -> String {
        self.line(self.way)
    }

    fn undoing(&self) -> String {
        self.line(self.way.opposite())
    }

    fn scope(&self) -> Scope {
        let mut large: BTreeSet<_> = LARGE.map(fixed).into();
        large.insert(sources(&self.driver.version.to_string()));
        for kernel in &self.driver.kernels {
            for folder in ["updates", "kernel/drivers/video"] {
                large.insert(fixed(&format!("/usr/lib/modules/{}/{folder}", kernel.as_str())));
            }
        }
        Scope { small: SMALL.map(fixed).into(), large }
    }

    /// `dkms install`, which NVIDIA's installer runs too, ends with `depmod` for its kernel.
    fn settles(&self) -> BTreeSet<Derived> {
        match self.way {
            Way::Install => self.driver.kernels.iter().cloned().map(Derived::Depmod).collect(),
            Way::Remove => BTreeSet::new(),
        }
    }

    fn run(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        Ok(self.go(door, self.way)?)
    }

    fn recover(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        Ok(self.clear(door)?)
    }

    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError> {
        let version = self.driver.version.to_string();
        let is_there =
            versions(look)?.contains(&version) || is_installed(look)? || has_leftovers(look)?;
        Ok(match self.way {
            Way::Install => is_there,
            Way::Remove => !is_there,
        })
    }

    fn undo(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        Ok(self.go(door, self.way.opposite())?)
    }
}

impl DriverChange {
    fn line(&self, way: Way) -> String {
        let version = &self.driver.version;
        match way {
            Way::Install => format!("install the driver {version}"),
            Way::Remove => format!("remove the driver {version} with its own uninstaller"),
        }
    }

    /// Removes whatever an interrupted run left of the driver, so that both ways are open again.
    fn clear(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        if is_installed(door.look())? {
            // A half-installed driver may not uninstall cleanly; its traces are found by comparing.
            tolerate(door.run(&uninstall()))?;
        } else if has_leftovers(door.look())? {
            // The run ended before the uninstaller was in place; the package has one.
            let work = unpack(door.host(), AREA, self.driver.content)?;
            let tree = format!("--chdir={}", work.path("tree"));
            let words = [tree.as_str(), "./nvidia-installer", "--uninstall", "--silent"];
            tolerate(door.run(&Command::new("env", &words)))?;
            Work::again(door.host(), AREA).done()?;
        }
        remember(door.host(), None)?;
        self.forget_sources(door)
    }

    fn go(&self, door: &mut Door<'_>, way: Way) -> Result<(), DriverError> {
        check_idle(door.look())?;
        match way {
            Way::Install => self.install(door),
            Way::Remove => {
                if is_installed(door.look())? {
                    door.run(&uninstall())?;
                }
                self.clear(door)
            }
        }
    }

    fn install(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        // NVIDIA's installer does not start over the remains of a failed or interrupted run.
        self.clear(door)?;
        let work = prepare(door.host(), &self.driver)?;
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
        // Under Secure Boot the verdict has this option, because NVIDIA's installer would try to load a
        // module before DKMS signs it.
        if self.driver.args.iter().any(|arg| arg == "--skip-module-load") {
            door.run(&Command::new("modprobe", &["nvidia"]))?;
        }
        remember(door.host(), Some(&self.driver))?;
        Ok(Work::again(door.host(), AREA).done()?)
    }

    /// Removes the module from DKMS, if the uninstaller did not.
    fn forget_sources(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        let version = self.driver.version.to_string();
        if door.look().stat(&fixed(&format!("/var/lib/dkms/nvidia/{version}")))?.is_none() {
            return Ok(());
        }
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

fn sources(version: &str) -> HostPath {
    fixed(&format!("/usr/src/nvidia-{version}"))
}
