//! State that is derived from files of the host, and rebuilt when they change.
//!
//! Derived state has no undo: after a revert it is rebuilt as well, from the restored files. The state
//! that a change makes stale is a pure function of its path, and is marked before the change. One
//! pass of the journal after the last change of a phase rebuilds all marked state and removes the
//! marks.
//!
//! Each derived thing is rebuilt once a phase: [`rebuilds`] merges what one program does for several
//! marks, and holds back what a program would do by the way. apt's trigger for the initramfs is held
//! back as well ([`packages::apt`](crate::packages::apt)). Not held back, because there are no means to:
//!
//! * the hooks in `/etc/kernel/postinst.d` and `postrm.d`, which the maintainer scripts of a kernel
//!   package run: they make the initramfs of that kernel, and rewrite the boot menus;
//! * all triggers at once, with dpkg's `--no-triggers`: packages would stay in the state
//!   `triggers-awaited`, in which packages that depend on them are not configured;
//! * `daemon-reload` in NVIDIA's installer, before the drop-ins of its units exist;
//! * `update-initramfs` within DKMS up to 2, for modules that set `REMAKE_INITRD`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;
use vgpu_manifest::platform::KernelRelease;

use crate::facts::REQUEST;
use crate::host::{Command, HostError, Look};
use crate::kernel::pin::{ESPS, GRUB_BLOCK, PIN, PIN_NEXT, TOOL, has_tool, pin_again};
use crate::state::{self, fixed};

/// The folders of unit files.
const UNITS: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Derived state, in the order in which it is rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Derived {
    /// The index of the modules of one kernel.
    Depmod(KernelRelease),
    /// The initramfs images of all kernels, which include the modprobe configuration.
    Initramfs,
    /// The configuration of GRUB: `/boot/grub/grub.cfg`, or that on the managed ESPs.
    Grub,
    /// The boot entries on the ESPs that `proxmox-boot-tool` manages.
    ProxmoxBoot,
    /// The results of a pin: the default of the boot loaders on those ESPs, or GRUB's
    /// drop-in where there are none, and apt's list of kernels that autoremoval keeps.
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
        } else if UNITS.into_iter().any(below) {
            // systemd reads the links that enable units when it boots.
            let enables =
                path.parent().is_some_and(|dir| dir.as_path().extension() == Some("wants"));
            if enables { Vec::new() } else { vec![Self::Systemd] }
        } else {
            kernel_of(path).into_iter().map(Self::Depmod).collect()
        }
    }

    /// Returns the command that rebuilds it alone.
    #[must_use]
    pub(crate) fn command(&self) -> Command {
        match self {
            Self::Depmod(release) => Command::new("depmod", &[release.as_str()]),
            // `proxmox-boot-sync`, a hook of update-initramfs, refreshes the ESPs once a kernel unless
            // this variable is set (proxmox-kernel-helper 8.1.0).
            Self::Initramfs => Command::new(
                "env",
                &["INITRAMFS_TOOLS_KERNEL_HOOK=1", "update-initramfs", "-u", "-k", "all"],
            ),
            Self::Grub => Command::new("update-grub", &[]),
            Self::ProxmoxBoot | Self::Pin => Command::new(TOOL, &["refresh"]),
            Self::Systemd => Command::new("systemctl", &["daemon-reload"]),
        }
    }

    /// Checks whether the state has no source to be derived from on this host.
    fn is_moot(&self, look: &dyn Look) -> Result<bool, HostError> {
        match self {
            Self::Depmod(release) => {
                let dir = fixed(&format!("/lib/modules/{}", release.as_str()));
                Ok(look.list(&dir)?.is_none())
            }
            Self::Pin => Ok(!has_tool(look)?),
            _ => Ok(false),
        }
    }
}

/// A rebuild of stale state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rebuild {
    /// The state that is up to date afterwards.
    pub(crate) of: Vec<Derived>,
    /// The commands, in order; none if there is nothing to derive it from.
    pub(crate) commands: Vec<Command>,
}

/// Returns the rebuilds of all stale state, in order, such that no thing is rebuilt twice.
pub(crate) fn rebuilds(
    stale: &BTreeSet<Derived>,
    look: &dyn Look,
) -> Result<Vec<Rebuild>, HostError> {
    let (mut all, mut boot, mut last) = (Vec::new(), Vec::new(), Vec::new());
    let has_esps = look.stat(&fixed(ESPS))?.is_some();
    for derived in stale {
        let of = vec![derived.clone()];
        match derived {
            _ if derived.is_moot(look)? => all.push(Rebuild { of, commands: Vec::new() }),
            Derived::Grub | Derived::ProxmoxBoot | Derived::Pin => boot.extend(of),
            // The images are copied to the ESPs.
            Derived::Initramfs if has_esps => boot.extend(of),
            Derived::Systemd => last.push(Rebuild { of, commands: vec![derived.command()] }),
            _ => all.push(Rebuild { of, commands: vec![derived.command()] }),
        }
    }
    if !boot.is_empty() {
        if has_esps {
            let commands = on_esps(&boot);
            all.push(Rebuild { of: boot, commands });
        } else {
            all.extend(without_esps(boot, look)?);
        }
    }
    all.extend(last);
    Ok(all)
}

/// `refresh` copies kernels and images, writes entries and the default, and runs `update-grub` on
/// ESPs with GRUB. `update-grub` itself would run it once more (`000_proxmox_boot_header`).
fn on_esps(boot: &[Derived]) -> Vec<Command> {
    let images = boot.iter().find(|it| **it == Derived::Initramfs).map(Derived::command);
    images.into_iter().chain([Derived::ProxmoxBoot.command()]).collect()
}

/// Without ESPs, `refresh` only writes apt's list of kernels, which autoremoval would otherwise
/// remove; `kernel pin` and `unpin` write GRUB's drop-in and run `update-grub`, but not that list
/// (proxmox-kernel-helper 8.1.0, `proxmox-boot-tool` 542-549).
fn without_esps(boot: Vec<Derived>, look: &dyn Look) -> Result<Vec<Rebuild>, HostError> {
    if !boot.contains(&Derived::Pin) {
        let alone = |it: Derived| Rebuild { commands: vec![it.command()], of: vec![it] };
        return Ok(boot.into_iter().map(alone).collect());
    }
    let grub = boot.iter().find(|it| **it == Derived::Grub).map(Derived::command);
    let menu = pin_again(look)?.or(grub);
    let commands = menu.into_iter().chain([Derived::Pin.command()]).collect();
    Ok(vec![Rebuild { of: boot, commands }])
}

/// Returns the warnings in the output of a program that rebuilds what the host boots from. These
/// programs skip an ESP or an image with a warning and end with zero.
pub(crate) fn warnings(output: &str) -> impl Iterator<Item = &str> {
    // Reported for hardware that the host does not have.
    let noise = |line: &&str| !line.starts_with("W: Possible missing firmware");
    let warns = |line: &&str| {
        let begins = ["WARN", "W: ", "E: "].iter().any(|word| line.starts_with(word));
        begins || [" - skipping", " - failure", "- skipping"].iter().any(|end| line.ends_with(end))
    };
    output.lines().map(str::trim).filter(warns).filter(noise)
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
    if path.as_path() == REQUEST || path.as_path() == GRUB_BLOCK {
        // MokManager asks for the key, and GRUB selects its entry, before the next kernel starts.
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
            let names = ["cmdline", "next-boot-pin", "proxmox-boot-pin"];
            names.map(Some).contains(&path.as_path().file_name())
        }
        // Only the license server starts immediately; it depends on nothing that requires a boot.
        _ if path.as_path().file_name() == Some(state::LICENSE_UNIT) => false,
        other => is_wish && other.starts_with("/etc/systemd/system/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::MemHost;

    const IMAGES: &str = "env INITRAMFS_TOOLS_KERNEL_HOOK=1 update-initramfs -u -k all";

    fn names(path: &str) -> Vec<String> {
        Derived::from_path(&fixed(path)).iter().map(|d| d.command().to_string()).collect()
    }

    #[test]
    fn a_path_tells_what_is_derived_from_it() {
        for (path, commands) in [
            ("/etc/default/grub.d/vgpu-offline.cfg", "update-grub"),
            ("/etc/default/grub", "update-grub"),
            ("/etc/kernel/cmdline", "proxmox-boot-tool refresh"),
            ("/etc/modprobe.d/vgpu-offline.conf", IMAGES),
            ("/etc/kernel/proxmox-boot-pin", "proxmox-boot-tool refresh"),
            ("/etc/modules", IMAGES),
            ("/etc/udev/rules.d/62-vgpu-offline.rules", IMAGES),
            ("/etc/systemd/system/a.service.d/b.conf", "systemctl daemon-reload"),
            ("/lib/systemd/system/a.service", "systemctl daemon-reload"),
            ("/usr/lib/modules/6.8.12-4-pve/updates/nvidia.ko", "depmod 6.8.12-4-pve"),
            ("/lib/modules/6.8.12-4-pve/updates/nvidia.ko", "depmod 6.8.12-4-pve"),
        ] {
            assert_eq!(names(path), [commands], "{path}");
        }
        for path in [
            "/etc/default/grub.d",
            "/etc/kernel/other",
            "/etc/systemd/system/multi-user.target.wants/a.service",
            "/lib/modules/a",
            "/usr/bin/x",
        ] {
            assert!(names(path).is_empty(), "{path}");
        }
    }

    fn commands(stale: &[Derived], files: &[(&str, &str)]) -> Vec<String> {
        let stale = stale.iter().cloned().collect();
        let rebuilds = rebuilds(&stale, &MemHost::with_files(files)).unwrap();
        let of: BTreeSet<_> = rebuilds.iter().flat_map(|it| it.of.clone()).collect();
        assert_eq!(of, stale, "each is rebuilt, and once");
        rebuilds.iter().flat_map(|it| &it.commands).map(ToString::to_string).collect()
    }

    #[test]
    fn what_one_program_does_is_done_once() {
        use Derived::{Grub, Initramfs, Pin, ProxmoxBoot, Systemd};
        let all = [Initramfs, Grub, ProxmoxBoot, Pin, Systemd];
        let (tool, old) = (("/usr/sbin/proxmox-boot-tool", ""), ("/boot/vmlinuz-6.8.12-4-pve", ""));
        let pin = (PIN, "6.8.12-4-pve\n");
        let refresh = "proxmox-boot-tool refresh";
        let esps = [tool, (ESPS, "1234-ABCD\n"), pin, old];
        assert_eq!(commands(&all, &esps), [IMAGES, refresh, "systemctl daemon-reload"]);
        assert_eq!(commands(&[Initramfs], &esps), [IMAGES, refresh]);
        assert_eq!(commands(&[Grub], &esps), [refresh]);

        let pinned = "proxmox-boot-tool kernel pin 6.8.12-4-pve";
        let reload = "systemctl daemon-reload";
        assert_eq!(commands(&all, &[tool, pin, old]), [IMAGES, pinned, refresh, reload]);
        assert_eq!(commands(&[Initramfs], &[tool]), [IMAGES]);
        assert_eq!(commands(&[Grub], &[tool, pin, old]), ["update-grub"]);
        let unpinned = "proxmox-boot-tool kernel unpin";
        assert_eq!(commands(&[Pin], &[tool]), [unpinned, refresh]);
        let next = (PIN_NEXT, "6.8.12-4-pve\n");
        assert_eq!(
            commands(&[Pin], &[tool, next, old]),
            [&format!("{pinned} --next-boot"), refresh]
        );
        // The tool refuses a kernel that was removed since.
        assert_eq!(commands(&[Pin, Grub], &[tool, pin]), ["update-grub", refresh]);
        assert_eq!(commands(&[Pin], &[pin, old]), [""; 0], "there is no tool");
    }

    #[test]
    fn only_warnings_are_shown() {
        let output = "Running hook script 'zz-proxmox-boot'..\n\
            WARN: /dev/disk/by-uuid/1234-ABCD does not exist - clean '/etc/kernel/proxmox-boot-uuids'! - skipping\n\
            No /etc/kernel/proxmox-boot-uuids found, skipping ESP sync.\n\
            mount of /dev/disk/by-uuid/1234-ABCE failed - skipping\n\
            W: Possible missing firmware /lib/firmware/a for module b\n\
            W: /boot is ro mounted.\nFound linux image: /boot/vmlinuz-6.8.12-4-pve\n";
        let shown: Vec<_> = warnings(output).map(|line| &line[..11]).collect();
        assert_eq!(shown, ["WARN: /dev/", "mount of /d", "W: /boot is"]);
    }
}
