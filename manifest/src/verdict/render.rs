//! A verdict as text. With `{:#}`, statements have the numbers of their evidence, which follows at
//! the end.

use std::fmt::{self, Write as _};

use super::outcome::{Change, Choice, GpuName, Install, Suitable, Unlock, Unsuitable};
use super::{Config, RebootFor, Statement, Verdict};
use crate::catalog::{DriverFile, Evidence, State};
use crate::platform::BootLoader;

/// The width of the column of labels.
const LABEL: usize = 12;

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut page = Page { cites: f.alternate(), ..Page::default() };
        match self {
            Self::Suitable(suitable) => page.suitable(suitable),
            Self::Unsuitable(unsuitable) => page.unsuitable(unsuitable),
        }
        page.evidence();
        f.write_str(&page.text)
    }
}

/// A text, and the evidence that it has cited so far.
#[derive(Default)]
struct Page<'v> {
    text: String,
    named: Vec<&'v Evidence>,
    cites: bool,
}

impl<'v> Page<'v> {
    fn suitable(&mut self, verdict: &'v Suitable<'_>) {
        let doubt = if verdict.state == State::Unproven { ", unverified" } else { "" };
        self.title(&format!("{}{doubt}: {}", verdict.mode, verdict.gpu), &verdict.evidence);
        for doubt in &verdict.doubts {
            self.statement("unverified", &doubt.statement);
            self.line("decided by", doubt.settled_by);
        }
        if let Some(install) = &verdict.driver {
            self.install(install);
        }
        if let Some(unlock) = &verdict.unlock {
            self.unlock(unlock);
        }
        let packages = verdict.packages.iter().chain(&verdict.recommended);
        let packages: Vec<_> = packages.chain(&verdict.kernel_package).collect();
        self.list("packages", &packages);
        let place = verdict.boot_loader.map_or("", |loader| match loader {
            BootLoader::Grub => " (in /etc/default/grub.d)",
            BootLoader::SystemdBoot => " (in /etc/kernel/cmdline)",
        });
        self.line("kernel", &format!("{}{place}", verdict.kernel_words.join(" ")));
        self.line("modprobe", &verdict.modprobe.join(", "));
        self.list("load", &verdict.load);
        for reboot in &verdict.reboots {
            let reasons: Vec<_> = reboot.iter().map(|reason| reboot_for(*reason)).collect();
            self.line("reboot", &reasons.join(", "));
        }
        verdict.console.iter().for_each(|step| self.statement("by hand", step));
        verdict.warnings.iter().for_each(|note| self.statement("note", note));
    }

    fn install(&mut self, install: &Install<'_>) {
        let patched = if install.file == DriverFile::Patched { ", patched" } else { "" };
        let driver = install.driver;
        self.line("driver", &format!("vGPU {}, {}{patched}", driver.release, driver.file));
        self.line("arguments", &install.args.join(" "));
        self.line("modules", install.modules.as_str());
        if !driver.newer {
            let guests = format!("Linux {}, Windows {}", driver.linux_guest, driver.windows_guest);
            self.line("guests", &guests);
        }
    }

    fn unlock(&mut self, unlock: &Unlock<'_>) {
        let shown = unlock.shown_as.map_or("itself", |identity| &identity.name);
        let library = unlock.library.map_or("none", |library| library.id.as_str());
        self.line("shown as", &format!("{shown}, by the library {library}"));
        if unlock.config == Config::Branch16 {
            self.line("also", "vgpuConfig.xml of a 16.x package");
        }
    }

    fn unsuitable(&mut self, verdict: &'v Unsuitable<'_>) {
        let gpu = verdict.gpu.as_ref().map_or_else(String::new, |gpu| format!(": {gpu}"));
        self.title(&format!("unsuitable{gpu}"), &[]);
        self.statement("because", &verdict.reason);
        verdict.nearest.iter().for_each(|choice| self.line("instead", &choice.to_string()));
    }

    fn title(&mut self, title: &str, evidence: &[&'v Evidence]) {
        let numbers = self.numbers(evidence);
        self.write(format_args!("{title}{numbers}\n"));
    }

    fn statement(&mut self, label: &str, statement: &'v Statement<'_>) {
        let numbers = self.numbers(&statement.evidence);
        self.line(label, &format!("{}{numbers}", statement.says));
    }

    fn line(&mut self, label: &str, text: &str) {
        self.write(format_args!("  {label:<LABEL$}{text}\n"));
    }

    fn list<S: AsRef<str>>(&mut self, label: &str, words: &[S]) {
        if !words.is_empty() {
            let words: Vec<_> = words.iter().map(AsRef::as_ref).collect();
            self.line(label, &words.join(" "));
        }
    }

    /// Returns the numbers of evidence, in brackets.
    fn numbers(&mut self, evidence: &[&'v Evidence]) -> String {
        if !self.cites {
            return String::new();
        }
        let numbers: Vec<_> = evidence.iter().map(|it| self.number(it).to_string()).collect();
        if numbers.is_empty() { String::new() } else { format!(" [{}]", numbers.join(" ")) }
    }

    fn number(&mut self, evidence: &'v Evidence) -> usize {
        let known = self.named.iter().position(|it| it.id == evidence.id);
        known.unwrap_or_else(|| {
            self.named.push(evidence);
            self.named.len() - 1
        }) + 1
    }

    fn evidence(&mut self) {
        for (at, it) in std::mem::take(&mut self.named).into_iter().enumerate() {
            let number = format!("[{}]", at + 1);
            self.line(&number, &format!("{}: {} ({})", it.source, it.says, it.kind));
        }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // Writing to a `String` cannot fail.
        let _ = self.text.write_fmt(text);
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
            let doubt = if self.state == State::Unproven { ", unverified)" } else { ")" };
            write!(f, "{doubt}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(DriverFile::Original) => write!(f, "use the unpatched driver"),
            Self::File(DriverFile::Patched) => write!(f, "patch the driver"),
            Self::Driver(release) => write!(f, "use vGPU {release}"),
            Self::Kernel(kernel) => write!(f, "boot {kernel}"),
            Self::SecureBootOff => write!(f, "disable Secure Boot"),
            Self::Pve(series) => write!(f, "upgrade to Proxmox VE {series}"),
            Self::Passthrough => write!(f, "pass the GPU through to one guest"),
        }
    }
}

fn reboot_for(reason: RebootFor) -> &'static str {
    match reason {
        RebootFor::KernelWords => "to apply kernel parameters",
        RebootFor::ReleaseCard => "to release the GPU from the host's graphics drivers",
        RebootFor::ModuleKey => "to enroll the module signing key",
    }
}
