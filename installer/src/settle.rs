//! What is derived from files that the installer puts, and has to be rebuilt when they change.
//!
//! Derived state has no undo: after an undo it is rebuilt as well, from the files that are there
//! then. That a change makes it stale is a pure function of the path, written down before the
//! change; one pass after the last change rebuilds whatever is marked and takes the marks away.

use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;
use vgpu_manifest::platform::KernelRelease;

use crate::facts::REQUEST;
use crate::host::{Command, Door, Host, HostError, Look};
use crate::journal::{Log, LogError, TxId};
use crate::kernel_pin::{ESPS, PIN, PIN_NEXT};
use crate::state::fixed;

/// State that is rebuilt rather than put, in the order in which it is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Derived {
    /// The index of the modules of one kernel.
    Depmod(KernelRelease),
    /// The initial file systems of all kernels, which hold the modprobe configuration.
    Initramfs,
    /// `/boot/grub/grub.cfg`; where ESPs are managed, PVE's `update-grub` refreshes these too.
    Grub,
    /// The boot entries on the ESPs that `proxmox-boot-tool` manages.
    ProxmoxBoot,
    /// What the boot loaders on those ESPs boot by default.
    Pin,
    /// What systemd knows of its unit files.
    Systemd,
}

impl Derived {
    /// What a change of `path` makes stale.
    #[must_use]
    pub fn from_path(path: &HostPath) -> Vec<Self> {
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

    /// The command that rebuilds it.
    #[must_use]
    pub fn command(&self) -> Command {
        match self {
            Self::Depmod(release) => Command::new("depmod", &[release.as_str()]),
            Self::Initramfs => Command::new("update-initramfs", &["-u", "-k", "all"]),
            Self::Grub => Command::new("update-grub", &[]),
            Self::ProxmoxBoot | Self::Pin => Command::new("proxmox-boot-tool", &["refresh"]),
            Self::Systemd => Command::new("systemctl", &["daemon-reload"]),
        }
    }

    /// Whether there is nothing left that it could be derived from.
    fn is_moot(&self, look: &dyn Look) -> Result<bool, HostError> {
        match self {
            Self::Depmod(release) => {
                let dir = fixed(&format!("/lib/modules/{}", release.as_str()));
                Ok(look.list(&dir)?.is_none())
            }
            // Where there are none, GRUB's own drop-in says it.
            Self::Pin => Ok(look.stat(&fixed(ESPS))?.is_none()),
            _ => Ok(false),
        }
    }
}

impl fmt::Display for Derived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depmod(release) => write!(f, "the module index of {}", release.as_str()),
            Self::Initramfs => f.write_str("the initial file systems"),
            Self::Grub => f.write_str("the GRUB configuration"),
            Self::ProxmoxBoot => f.write_str("the boot entries"),
            Self::Pin => f.write_str("the kernel that is booted by default"),
            Self::Systemd => f.write_str("systemd's view of its units"),
        }
    }
}

/// The kernel whose modules `path` is among.
fn kernel_of(path: &HostPath) -> Option<KernelRelease> {
    let text = path.as_path().as_str();
    let rest = text.strip_prefix("/usr").unwrap_or(text).strip_prefix("/lib/modules/")?;
    rest.split_once('/')?.0.parse().ok()
}

/// Whether a change of `path` takes effect only with the next boot.
#[must_use]
pub fn awaits_boot(path: &HostPath) -> bool {
    let Some(dir) = path.parent() else { return false };
    if path.as_path() == REQUEST {
        // The firmware's part asks for the key before the next kernel starts.
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
        // The licence server alone is started at once, and by nothing that a boot would have to bring.
        _ if path.as_path().file_name() == Some(crate::license::service::UNIT) => false,
        other => is_wish && other.starts_with("/etc/systemd/system/"),
    }
}

/// Whether something that a transaction changed takes effect, or after an undo ceases to, only with
/// the next boot.
pub fn transaction_awaits_boot(log: &dyn Log, tx: TxId) -> Result<bool, LogError> {
    let entries = log.entries(tx)?;
    Ok(entries.iter().any(|entry| entry.change.awaits_boot()))
}

/// Derived state could not be rebuilt. It stays marked, so the next run tries again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// Some of it failed.
    #[error("{}; do not reboot before `vgpu-installer apply` or `revert` has mended this", list(.0))]
    Rebuild(Vec<(Derived, HostError)>),
    /// The marks could not be read or taken away.
    #[error(transparent)]
    Log(#[from] LogError),
}

fn list(failures: &[(Derived, HostError)]) -> String {
    let texts = failures.iter().map(|(what, error)| format!("cannot rebuild {what}: {error}"));
    texts.collect::<Vec<_>>().join("\n")
}

/// Rebuild everything that is marked as stale, and tell `each` before it begins.
///
/// A failure does not keep the rest from being rebuilt.
pub fn settle(
    host: &mut dyn Host,
    log: &mut dyn Log,
    each: &mut dyn FnMut(&Derived),
) -> Result<(), SettleError> {
    let mut failures = Vec::new();
    for derived in log.dirty()? {
        match rebuild(host, &derived, each) {
            Ok(()) => log.settled(&derived)?,
            Err(error) => failures.push((derived, error)),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(SettleError::Rebuild(failures)) }
}

fn rebuild(
    host: &mut dyn Host,
    derived: &Derived,
    each: &mut dyn FnMut(&Derived),
) -> Result<(), HostError> {
    if derived.is_moot(host)? {
        return Ok(());
    }
    each(derived);
    Door::open(host).run(&derived.command())
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
