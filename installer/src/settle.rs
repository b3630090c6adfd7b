//! State that is derived from files of the host, and rebuilt when they change.
//!
//! Derived state has no undo: after a revert it is rebuilt as well, from the restored files. The state
//! that a change makes stale is a pure function of its path, and is marked before the change. One
//! pass of the journal after the last change rebuilds all marked state and removes the marks.

use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;
use vgpu_manifest::platform::KernelRelease;

use crate::facts::REQUEST;
use crate::host::{Command, HostError, Look};
use crate::kernel::pin::{ESPS, PIN, PIN_NEXT};
use crate::state::{self, fixed};

/// Derived state, in the order in which it is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Derived {
    /// The index of the modules of one kernel.
    Depmod(KernelRelease),
    /// The initramfs images of all kernels, which include the modprobe configuration.
    Initramfs,
    /// `/boot/grub/grub.cfg`; where ESPs are managed, PVE's `update-grub` refreshes these too.
    Grub,
    /// The boot entries on the ESPs that `proxmox-boot-tool` manages.
    ProxmoxBoot,
    /// The kernel that the boot loaders on those ESPs boot by default.
    Pin,
    /// The unit files as systemd has loaded them.
    Systemd,
}

impl Derived {
    /// Returns the derived state that a change of `path` makes stale.
    #[must_use]
    pub(crate) fn from_path(path: &HostPath) -> Vec<Self> {
        let text = path.as_path().as_str();
        let below = |dir: &str| path.as_path().starts_with(dir) && text != dir;
        if below("/etc/default/grub.d") || below("/etc/grub.d") || text == "/etc/default/grub" {
            vec![Self::Grub]
        } else if text == "/etc/kernel/cmdline" {
            vec![Self::ProxmoxBoot]
        } else if text == PIN || text == PIN_NEXT {
            vec![Self::Pin]
        } else if below("/etc/modprobe.d")
            || below("/etc/modules-load.d")
            || below("/etc/initramfs-tools")
            || below("/etc/udev/rules.d")
            || text == "/etc/modules"
        {
            vec![Self::Initramfs]
        } else if below("/etc/systemd/system") || below("/usr/local/lib/systemd/system") {
            vec![Self::Systemd]
        } else {
            kernel_of(path).into_iter().map(Self::Depmod).collect()
        }
    }

    /// Returns the command that rebuilds it.
    #[must_use]
    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Depmod(release) => Command::new("depmod", &[release.as_str()]),
            Self::Initramfs => Command::new("update-initramfs", &["-u", "-k", "all"]),
            Self::Grub => Command::new("update-grub", &[]),
            Self::ProxmoxBoot | Self::Pin => Command::new("proxmox-boot-tool", &["refresh"]),
            Self::Systemd => Command::new("systemctl", &["daemon-reload"]),
        }
    }

    /// Checks whether the state has no source to be derived from on this host.
    pub(crate) fn is_moot(&self, look: &dyn Look) -> Result<bool, HostError> {
        match self {
            Self::Depmod(release) => {
                let dir = fixed(&format!("/lib/modules/{}", release.as_str()));
                Ok(look.list(&dir)?.is_none())
            }
            // Without managed ESPs, GRUB reads its own drop-in.
            Self::Pin => Ok(look.stat(&fixed(ESPS))?.is_none()),
            _ => Ok(false),
        }
    }
}

impl fmt::Display for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depmod(release) => write!(f, "the module index of {}", release.as_str()),
            Self::Initramfs => f.write_str("the initramfs images"),
            Self::Grub => f.write_str("the GRUB configuration"),
            Self::ProxmoxBoot => f.write_str("the boot entries"),
            Self::Pin => f.write_str("the default boot kernel"),
            Self::Systemd => f.write_str("the systemd manager configuration"),
        }
    }
}

/// Returns the kernel that the module at `path` belongs to.
fn kernel_of(path: &HostPath) -> Option<KernelRelease> {
    let text = path.as_path().as_str();
    let rest = text.strip_prefix("/usr").unwrap_or(text).strip_prefix("/lib/modules/")?;
    rest.split_once('/')?.0.parse().ok()
}

/// Checks whether a change of `path` takes effect only with the next boot.
#[must_use]
pub(crate) fn awaits_boot(path: &HostPath) -> bool {
    let Some(dir) = path.parent() else { return false };
    if path.as_path() == REQUEST {
        // MokManager asks for the key before the next kernel starts.
        return true;
    }
    let is_wish = dir.as_path().extension() == Some("wants");
    match dir.as_path().as_str() {
        "/etc/default/grub.d"
        | "/etc/modprobe.d"
        | "/etc/modules-load.d"
        | "/etc/initramfs-tools/hooks"
        | "/etc/udev/rules.d" => true,
        "/etc/default" => path.as_path().file_name() == Some("grub"),
        "/etc/kernel" => {
            ["cmdline", "proxmox-boot-pin"].map(Some).contains(&path.as_path().file_name())
        }
        // Only the license server starts immediately; it depends on nothing that requires a boot.
        _ if path.as_path().file_name() == Some(state::LICENSE_UNIT) => false,
        other => is_wish && other.starts_with("/etc/systemd/system/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Vec<String> {
        Derived::from_path(&fixed(path)).iter().map(|d| d.command().to_string()).collect()
    }

    #[test]
    fn a_path_tells_what_is_derived_from_it() {
        for (path, commands) in [
            ("/etc/default/grub.d/vgpu-offline.cfg", "update-grub"),
            ("/etc/default/grub", "update-grub"),
            ("/etc/kernel/cmdline", "proxmox-boot-tool refresh"),
            ("/etc/modprobe.d/vgpu-offline.conf", "update-initramfs -u -k all"),
            ("/etc/kernel/proxmox-boot-pin", "proxmox-boot-tool refresh"),
            ("/etc/modules", "update-initramfs -u -k all"),
            ("/etc/udev/rules.d/62-vgpu-offline.rules", "update-initramfs -u -k all"),
            ("/etc/systemd/system/a.service.d/b.conf", "systemctl daemon-reload"),
            ("/usr/lib/modules/6.8.12-4-pve/updates/nvidia.ko", "depmod 6.8.12-4-pve"),
            ("/lib/modules/6.8.12-4-pve/updates/nvidia.ko", "depmod 6.8.12-4-pve"),
        ] {
            assert_eq!(names(path), [commands], "{path}");
        }
        for path in ["/etc/default/grub.d", "/etc/kernel/other", "/lib/modules/a", "/usr/bin/x"] {
            assert!(names(path).is_empty(), "{path}");
        }
    }
}
