//! The parts of a plan that weaken a host or give a bundle power over it beyond vGPU, for its
//! reviewer.
//!
//! A trusted bundle may have good reasons for them. The lists mark what a reviewer must not
//! overlook; they are no barrier, because a package or a unit of a bundle runs as root anyway.

use serde::Serialize;
use vgpu_manifest::{HostPath, KernelWord};

use super::Plan;
use crate::host::{HostError, Look};
use crate::step::Step;

/// A security-relevant part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Concern {
    /// The kernel parameter, path or unit.
    pub(crate) what: String,
    pub(crate) why: &'static str,
}

impl Concern {
    /// Returns the security-relevant parts of these steps, in order.
    pub(crate) fn of(plan: &Plan, look: &dyn Look) -> Result<Vec<Self>, HostError> {
        let mut all = Vec::new();
        for step in plan.steps() {
            match step {
                Step::KernelCommandLine(line) => {
                    let found = line.words.iter().filter_map(|word| Some((word, of_word(word)?)));
                    all.extend(
                        found.map(|(word, why)| Self {
                            what: format!("kernel parameter {word}"),
                            why,
                        }),
                    );
                }
                Step::PlaceItem(file) => {
                    // `/etc/alias/x` is `/etc/ssh/x` where `/etc/alias` is a link.
                    let real = look.real(&file.path)?;
                    let why = of_path(&file.path).or_else(|| of_path(&real));
                    all.extend(why.map(|why| Self { what: named(&file.path, &real), why }));
                }
                Step::InstallUnit(it) => all.push(unit(it.unit.to_string())),
                Step::UnitDropIn(it) => all.push(unit(format!("{} in {}", it.name, it.unit))),
                _ => {}
            }
        }
        Ok(all)
    }
}

fn unit(what: String) -> Concern {
    Concern { what, why: "a systemd unit from the bundle: it runs with the rights of root" }
}

fn named(path: &HostPath, real: &HostPath) -> String {
    if path == real { path.to_string() } else { format!("{path}, which is {real}") }
}

/// Values that turn a parameter off, as the kernel's `kstrtobool` and its users take them.
const OFF: [&str; 7] = ["0", "off", "n", "no", "false", "none", "disabled"];

/// Kernel parameters: a name alone, a name with any value (`=`), or with one that turns it off
/// (`=off`). The kernel takes `-` and `_` in names as equal
/// (<https://docs.kernel.org/admin-guide/kernel-parameters.html>).
const PARAMETERS: &[(&str, &str)] = &[
    ("init=", "starts another program in place of systemd"),
    ("rdinit=", "starts another program in place of the initramfs"),
    ("initrd=", "loads another initramfs"),
    ("root=", "boots from another file system"),
    ("systemd.unit=", "boots into another systemd target"),
    ("systemd.run=", "runs a command as root at boot"),
    ("systemd.wants=", "starts another unit at boot"),
    ("systemd.mask=", "keeps a unit from starting"),
    ("systemd.debug_shell", "opens a root shell without a password"),
    ("systemd.debug_shell=", "opens a root shell without a password"),
    ("rd.systemd.debug_shell", "opens a root shell without a password"),
    ("break", "opens a root shell in the initramfs"),
    ("break=", "opens a root shell in the initramfs"),
    ("rd.break", "opens a root shell in the initramfs"),
    ("single", "boots into rescue mode"),
    ("s", "boots into rescue mode"),
    ("1", "boots into rescue mode"),
    ("rescue", "boots into rescue mode"),
    ("emergency", "boots into emergency mode"),
    ("module.sig_enforce=off", "accepts unsigned kernel modules"),
    ("lockdown=off", "lets root read and change the running kernel"),
    ("lsm=", "chooses the security modules of the kernel"),
    ("security=", "chooses the security module of the kernel"),
    ("selinux=off", "turns SELinux off"),
    ("enforcing=off", "makes SELinux permissive"),
    ("apparmor=off", "turns AppArmor off, which confines containers and guests"),
    ("audit=off", "turns the audit log off"),
    ("ima_appraise=", "changes the verification of files by the kernel"),
    ("mitigations=off", "turns mitigations of CPU vulnerabilities off"),
    ("pti=off", "turns a mitigation of CPU vulnerabilities off"),
    ("nopti", "turns a mitigation of CPU vulnerabilities off"),
    ("nospectre_v1", "turns a mitigation of CPU vulnerabilities off"),
    ("nospectre_v2", "turns a mitigation of CPU vulnerabilities off"),
    ("spectre_v2=off", "turns a mitigation of CPU vulnerabilities off"),
    ("spectre_v2_user=off", "turns a mitigation of CPU vulnerabilities off"),
    ("spectre_bhi=off", "turns a mitigation of CPU vulnerabilities off"),
    ("spec_store_bypass_disable=off", "turns a mitigation of CPU vulnerabilities off"),
    ("nospec_store_bypass_disable", "turns a mitigation of CPU vulnerabilities off"),
    ("spec_rstack_overflow=off", "turns a mitigation of CPU vulnerabilities off"),
    ("retbleed=off", "turns a mitigation of CPU vulnerabilities off"),
    ("l1tf=off", "turns a mitigation of CPU vulnerabilities off"),
    ("mds=off", "turns a mitigation of CPU vulnerabilities off"),
    ("tsx_async_abort=off", "turns a mitigation of CPU vulnerabilities off"),
    ("mmio_stale_data=off", "turns a mitigation of CPU vulnerabilities off"),
    ("srbds=off", "turns a mitigation of CPU vulnerabilities off"),
    ("gather_data_sampling=off", "turns a mitigation of CPU vulnerabilities off"),
    ("reg_file_data_sampling=off", "turns a mitigation of CPU vulnerabilities off"),
    ("kvm.nx_huge_pages=off", "turns a mitigation of CPU vulnerabilities off"),
    ("nosmap", "turns a protection of the kernel's memory off"),
    ("nosmep", "turns a protection of the kernel's memory off"),
    ("nokaslr", "turns a protection of the kernel's memory off"),
    ("iommu=off", "turns the isolation of devices off"),
    ("intel_iommu=off", "turns the isolation of devices off"),
    ("amd_iommu=off", "turns the isolation of devices off"),
    ("iommu.strict=off", "weakens the isolation of devices"),
    ("pcie_acs_override=", "weakens the isolation of devices"),
    ("vfio_iommu_type1.allow_unsafe_interrupts=", "weakens the isolation of devices"),
    ("vfio.enable_unsafe_noiommu_mode=", "turns the isolation of devices off for guests"),
    ("kgdboc=", "opens the kernel's debugger"),
    ("kgdbwait", "opens the kernel's debugger"),
    ("sysrq_always_enabled", "lets a keyboard control the kernel"),
    ("netconsole=", "sends the kernel's messages over the network"),
];

fn of_word(word: &KernelWord) -> Option<&'static str> {
    let (name, value) = match word.as_str().split_once('=') {
        Some((name, value)) => (name, Some(value.to_ascii_lowercase())),
        None => (word.as_str(), None),
    };
    let name = name.replace('-', "_");
    let is = |pattern: &str| match pattern.split_once('=') {
        None => value.is_none() && name == pattern,
        Some((one, "")) => value.is_some() && name == one,
        Some((one, _)) => name == one && value.as_deref().is_some_and(|it| OFF.contains(&it)),
    };
    PARAMETERS.iter().find(|(pattern, _)| is(pattern)).map(|(_, why)| *why)
}

const ACCOUNTS: &str = "accounts and passwords";
const ADMINS: &str = "decides who becomes root";
const TIMED: &str = "commands that run as root at times";
const LOADED: &str = "code that other programs load";
const BOOT: &str = "decides what the host boots";
const LOGIN: &str = "commands that run at logins";
const EVENTS: &str = "commands that run as root on events";
const UNITS: &str = "programs that systemd runs";
const MODULES: &str = "kernel modules and their options";
const PACKAGES: &str = "the sources, keys and hooks of packages";
const PROGRAMS: &str = "a program in root's search path";
const NAMES: &str = "names, certificates and addresses that the host trusts";

/// Paths with everything below them.
const PATHS: &[(&str, &str)] = &[
    ("/etc/passwd", ACCOUNTS),
    ("/etc/passwd-", ACCOUNTS),
    ("/etc/shadow", ACCOUNTS),
    ("/etc/shadow-", ACCOUNTS),
    ("/etc/group", ACCOUNTS),
    ("/etc/gshadow", ACCOUNTS),
    ("/etc/subuid", ACCOUNTS),
    ("/etc/subgid", ACCOUNTS),
    ("/etc/login.defs", ACCOUNTS),
    ("/etc/pve", "the cluster's configuration, users and keys"),
    ("/etc/sudoers", ADMINS),
    ("/etc/sudoers.d", ADMINS),
    ("/etc/sudo.conf", ADMINS),
    ("/etc/doas.conf", ADMINS),
    ("/etc/polkit-1", ADMINS),
    ("/usr/share/polkit-1", ADMINS),
    ("/etc/pam.d", "authentication"),
    ("/etc/pam.conf", "authentication"),
    ("/etc/security", "authentication"),
    ("/etc/ssh", "logins over SSH"),
    ("/etc/nsswitch.conf", NAMES),
    ("/etc/hosts", NAMES),
    ("/etc/resolv.conf", NAMES),
    ("/etc/ssl", NAMES),
    ("/etc/ca-certificates", NAMES),
    ("/etc/ca-certificates.conf", NAMES),
    ("/usr/local/share/ca-certificates", NAMES),
    ("/usr/share/ca-certificates", NAMES),
    ("/etc/ld.so.preload", LOADED),
    ("/etc/ld.so.conf", LOADED),
    ("/etc/ld.so.conf.d", LOADED),
    ("/etc/ld.so.cache", LOADED),
    ("/lib64", LOADED),
    ("/lib/x86_64-linux-gnu", LOADED),
    ("/usr/lib64", LOADED),
    ("/usr/lib/x86_64-linux-gnu", LOADED),
    ("/usr/local/lib/python3", LOADED),
    ("/etc/perl", LOADED),
    ("/usr/share/perl5", LOADED),
    ("/etc/crontab", TIMED),
    ("/etc/anacrontab", TIMED),
    ("/etc/cron.d", TIMED),
    ("/etc/cron.hourly", TIMED),
    ("/etc/cron.daily", TIMED),
    ("/etc/cron.weekly", TIMED),
    ("/etc/cron.monthly", TIMED),
    ("/etc/logrotate.d", TIMED),
    ("/var/spool/cron", TIMED),
    ("/etc/profile", LOGIN),
    ("/etc/profile.d", LOGIN),
    ("/etc/bash.bashrc", LOGIN),
    ("/etc/environment", LOGIN),
    ("/etc/update-motd.d", LOGIN),
    ("/root", LOGIN),
    ("/etc/systemd", UNITS),
    ("/run/systemd", UNITS),
    ("/lib/systemd", UNITS),
    ("/usr/lib/systemd", UNITS),
    ("/usr/local/lib/systemd", UNITS),
    ("/etc/init.d", UNITS),
    ("/etc/rc.local", UNITS),
    ("/etc/inittab", UNITS),
    ("/etc/tmpfiles.d", UNITS),
    ("/etc/sysctl.conf", "settings of the kernel"),
    ("/etc/sysctl.d", "settings of the kernel"),
    ("/etc/apparmor.d", "confinement of programs"),
    ("/etc/apparmor", "confinement of programs"),
    ("/etc/selinux", "confinement of programs"),
    ("/etc/udev", EVENTS),
    ("/lib/udev", EVENTS),
    ("/usr/lib/udev", EVENTS),
    ("/etc/network", EVENTS),
    ("/etc/dhcp", EVENTS),
    ("/etc/acpi", EVENTS),
    ("/etc/modprobe.d", MODULES),
    ("/etc/modules-load.d", MODULES),
    ("/etc/modules", MODULES),
    ("/etc/dkms", MODULES),
    ("/lib/modules", MODULES),
    ("/usr/lib/modules", MODULES),
    ("/usr/src", MODULES),
    ("/var/lib/dkms", MODULES),
    ("/boot", BOOT),
    ("/etc/default/grub", BOOT),
    ("/etc/default/grub.d", BOOT),
    ("/etc/grub.d", BOOT),
    ("/etc/kernel", BOOT),
    ("/etc/initramfs-tools", BOOT),
    ("/usr/share/initramfs-tools", BOOT),
    ("/etc/fstab", BOOT),
    ("/etc/crypttab", BOOT),
    ("/etc/apt", PACKAGES),
    ("/etc/dpkg", PACKAGES),
    ("/usr/share/keyrings", PACKAGES),
    ("/var/lib/dpkg", PACKAGES),
    ("/bin", PROGRAMS),
    ("/sbin", PROGRAMS),
    ("/usr/bin", PROGRAMS),
    ("/usr/sbin", PROGRAMS),
    ("/usr/local/bin", PROGRAMS),
    ("/usr/local/sbin", PROGRAMS),
];

fn of_path(path: &HostPath) -> Option<&'static str> {
    let path = path.as_path();
    if path.components().any(|part| part.as_str() == ".ssh") {
        return Some("logins over SSH");
    }
    PATHS.iter().find(|(above, _)| path.starts_with(above)).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::fixed;

    #[test]
    fn parameters_that_weaken_the_host_are_marked_in_any_spelling() {
        for word in [
            "init=/bin/sh",
            "module.sig_enforce=0",
            "module.sig-enforce=N",
            "lockdown=none",
            "mitigations=off",
            "selinux=0",
            "apparmor=0",
            "systemd.debug-shell",
            "systemd.debug_shell=1",
            "nokaslr",
            "amd_iommu=off",
        ] {
            assert!(of_word(&word.parse().unwrap()).is_some(), "{word}");
        }
        for word in [
            "intel_iommu=on",
            "iommu=pt",
            "quiet",
            "mitigations=auto,nosmt",
            "module.sig_enforce=1",
            "lockdown=integrity",
            "vfio-pci.ids=10de:1eb8",
            "initcall_debug",
        ] {
            assert_eq!(of_word(&word.parse().unwrap()), None, "{word}");
        }
    }

    #[test]
    fn paths_that_give_power_are_marked_with_everything_below() {
        for path in [
            "/etc/shadow",
            "/etc/passwd",
            "/etc/sudoers",
            "/etc/sudoers.d/x",
            "/etc/ssh/sshd_config",
            "/root/.ssh/authorized_keys",
            "/home/a/.ssh/authorized_keys",
            "/etc/cron.d/x",
            "/etc/ld.so.preload",
            "/etc/pam.d/sshd",
            "/etc/systemd/system/x.service",
            "/usr/bin/dkms",
        ] {
            assert!(of_path(&fixed(path)).is_some(), "{path}");
        }
        for path in ["/opt/vgpu/tool", "/etc/vgpu_unlock/config.toml", "/etc/shadows", "/srv/x"] {
            assert_eq!(of_path(&fixed(path)), None, "{path}");
        }
    }
}
