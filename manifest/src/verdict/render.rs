//! A verdict as text, for people at a terminal.

use std::fmt;

use super::outcome::{Change, Choice, GpuName, Suitable, Unsuitable};
use super::{Config, RebootFor, Statement, Verdict};
use crate::catalog::{DriverFile, Evidence, State};
use crate::platform::BootLoader;

/// How wide the column of labels is.
const LABEL: usize = 12;

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suitable(suitable) => suitable.fmt(f),
            Self::Unsuitable(unsuitable) => unsuitable.fmt(f),
        }
    }
}

impl fmt::Display for Suitable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doubt = if self.state == State::Unproven { ", unproven" } else { "" };
        writeln!(f, "{}{doubt}: {}", self.mode, self.gpu)?;
        for doubt in &self.doubts {
            line(f, "unproven", &doubt.statement.says)?;
            line(f, "decided by", doubt.settled_by)?;
            cited(f, &doubt.statement.evidence)?;
        }
        if let Some(install) = &self.driver {
            let patched = if install.file == DriverFile::Patched { ", patched" } else { "" };
            let driver = install.driver;
            line(f, "driver", &format!("vGPU {}, {}{patched}", driver.release, driver.file))?;
            line(f, "arguments", &install.args.join(" "))?;
            line(f, "modules", install.modules.as_str())?;
            let guests = format!("Linux {}, Windows {}", driver.linux_guest, driver.windows_guest);
            line(f, "guests", &guests)?;
        }
        if let Some(unlock) = &self.unlock {
            let shown = unlock.shown_as.map_or("itself", |identity| &identity.name);
            let library = unlock.library.map_or("none", |library| library.id.as_str());
            line(f, "shown as", &format!("{shown}, by the library {library}"))?;
            if unlock.config == Config::Branch16 {
                line(f, "also", "vgpuConfig.xml of a 16.x package")?;
            }
        }
        list(f, "packages", &self.packages)?;
        let place = self.boot_loader.map_or("", |loader| match loader {
            BootLoader::Grub => " (in /etc/default/grub.d)",
            BootLoader::SystemdBoot => " (in /etc/kernel/cmdline)",
        });
        line(f, "kernel", &format!("{}{place}", self.kernel_words.join(" ")))?;
        line(f, "modprobe", &self.modprobe.join(", "))?;
        list(f, "load", &self.load)?;
        for reboot in &self.reboots {
            let reasons: Vec<_> = reboot.iter().map(|reason| reboot_for(*reason)).collect();
            line(f, "reboot", &reasons.join(", "))?;
        }
        statements(f, "by hand", &self.console)?;
        statements(f, "note", &self.warnings)?;
        cited(f, &self.evidence)
    }
}

impl fmt::Display for Unsuitable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.gpu {
            Some(gpu) => writeln!(f, "unsuitable: {gpu}")?,
            None => writeln!(f, "unsuitable")?,
        }
        line(f, "because", &self.reason.says)?;
        cited(f, &self.reason.evidence)?;
        for choice in &self.nearest {
            line(f, "instead", &choice.to_string())?;
        }
        Ok(())
    }
}

impl fmt::Display for GpuName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (10de:{}", self.name, self.id)?;
        match &self.arch {
            Some(arch) => write!(f, ", {arch})"),
            None => write!(f, ")"),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: Vec<_> = self.changes.iter().map(ToString::to_string).collect();
        write!(f, "{}", changes.join(" and "))?;
        if self.shares() {
            write!(f, " ({}", self.mode)?;
            let doubt = if self.state == State::Unproven { ", unproven)" } else { ")" };
            write!(f, "{doubt}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(DriverFile::Original) => write!(f, "leave the driver unpatched"),
            Self::File(DriverFile::Patched) => write!(f, "patch the driver"),
            Self::Driver(release) => write!(f, "take vGPU {release}"),
            Self::Kernel(kernel) => write!(f, "boot {kernel}"),
            Self::SecureBootOff => write!(f, "switch Secure Boot off"),
            Self::Pve(series) => write!(f, "move to Proxmox VE {series}"),
            Self::Passthrough => write!(f, "give the whole card to one guest"),
        }
    }
}

fn line(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    writeln!(f, "  {label:<LABEL$}{text}")
}

fn list<S: AsRef<str>>(f: &mut fmt::Formatter<'_>, label: &str, words: &[S]) -> fmt::Result {
    if words.is_empty() {
        return Ok(());
    }
    let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
    line(f, label, &words.join(" "))
}

fn statements(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    statements: &[Statement<'_>],
) -> fmt::Result {
    statements.iter().try_for_each(|statement| line(f, label, &statement.says))
}

fn cited(f: &mut fmt::Formatter<'_>, evidence: &[&Evidence]) -> fmt::Result {
    evidence
        .iter()
        .try_for_each(|it| line(f, it.kind.as_str(), &format!("{}: {}", it.source, it.says)))
}

fn reboot_for(reason: RebootFor) -> &'static str {
    match reason {
        RebootFor::KernelWords => "for the new kernel command line",
        RebootFor::ReleaseCard => "to take the card from the host's graphics drivers",
        RebootFor::ModuleKey => "to enrol the module signing key",
    }
}
