//! What a suitable case leaves to people: steps by hand, and what they should know.

use super::Listing;
use super::assess::{Found, Mode as Way};
use super::recipe::{has_functions, point, signs};
use super::statement::{Statement, Subject};
use crate::catalog::{
    Card, Display, DriverFile, GuestRoot, Mediation, Overrides, Rule, SrIov, UnlockState,
};
use crate::platform::{BootLoader, PveRelease};

/// The first release that surely understands the vendor's VFIO.
const PVE_WITH_VENDOR_VFIO: PveRelease = PveRelease::new(8, 3);

pub(super) fn console<'c>(subject: Subject<'_, 'c>, found: &Found<'c>) -> Vec<Statement<'c>> {
    let mut steps = Vec::new();
    let mut say = |rule, says: String| steps.push(subject.statement(point(rule), says));
    let gpu = found.card.gpu();
    if found.mode == Way::Native && gpu.is_some_and(|gpu| gpu.display == Some(Display::SwitchOff)) {
        say(
            Rule::Display,
            format!(
                "switch off the display ports of {} with NVIDIA's Display Mode Selector, or it makes no virtual function",
                subject.gpu_name()
            ),
        );
    }
    if signs(subject, found) {
        say(
            Rule::Mok,
            "at the first reboot choose Enroll MOK on the console and type the one-time password; no program can do that for you".to_owned(),
        );
    }
    steps
}

pub(super) fn warnings<'c>(subject: Subject<'_, 'c>, found: &Found<'c>) -> Vec<Statement<'c>> {
    let mut notes = Collected { subject, found, notes: Vec::new() };
    notes.boot();
    if found.driver.is_some() {
        notes.toolchain();
        notes.branch();
        notes.unlock();
        notes.serving();
        notes.boards();
    } else {
        notes.say(Rule::Passthrough, "only one guest at a time can have the card".to_owned());
    }
    notes.notes
}

struct Collected<'a, 'f, 'c> {
    subject: Subject<'a, 'c>,
    found: &'f Found<'c>,
    notes: Vec<Statement<'c>>,
}

impl Collected<'_, '_, '_> {
    fn say(&mut self, rule: Rule, says: String) {
        self.notes.push(self.subject.statement(point(rule), says));
    }

    /// GRUB and systemd-boot read the kernel's words from different places.
    fn boot(&mut self) {
        if self.subject.case.target.boot_loader == Some(BootLoader::SystemdBoot) {
            self.say(
                Rule::KernelWords,
                "systemd-boot ignores GRUB's files: the words go into /etc/kernel/cmdline, then `proxmox-boot-tool refresh`".to_owned(),
            );
        }
        if self.subject.case.target.cpu.is_none() {
            self.say(
                Rule::KernelWords,
                "a processor of Intel's needs intel_iommu=on as well".to_owned(),
            );
        }
    }

    fn toolchain(&mut self) {
        self.say(
            Rule::Toolchain,
            "the headers package must follow the kernel, or DKMS skips the module of the next kernel without a word".to_owned(),
        );
    }

    fn branch(&mut self) {
        let Some(chosen) = self.found.driver else { return };
        let branch = chosen.branch;
        self.say(
            Rule::EndOfLife,
            format!(
                "NVIDIA mends {}.x ({}) until {}",
                branch.major, branch.line, branch.end_of_life
            ),
        );
        match branch.guest_root {
            GuestRoot::NotNeeded => {}
            GuestRoot::Needed => self.say(
                Rule::GuestRoot,
                "guests check the licence server's certificates: with any other than NVIDIA's, each guest driver must be given its root".to_owned(),
            ),
            GuestRoot::Presumed => self.say(
                Rule::GuestRoot,
                "guests probably check the licence server's certificates, as those of 18.x and 19.x do; nobody has reported a run".to_owned(),
            ),
        }
    }

    fn unlock(&mut self) {
        let Some(chosen) = self.found.driver else { return };
        match self.found.mode {
            Way::Native if chosen.file == DriverFile::Patched => self.say(
                Rule::LeaveAlone,
                "the card needs no unlocking: the patch is here for the kernel or for another card, and a preloaded library must have `unlock = false`".to_owned(),
            ),
            Way::Unlock(_) => {
                let catalog = self.subject.catalog;
                if let Overrides::Ignored(library) = catalog.library(chosen.driver) {
                    self.say(
                        Rule::Overrides,
                        format!("{} shows the card as another, but ignores profile_override.toml", library.id),
                    );
                }
                let arch = self.found.card.architecture();
                let row = arch.and_then(|arch| catalog.unlock(chosen.branch, arch));
                if row.is_some_and(|row| row.state == UnlockState::OldConfig) {
                    self.say(
                        Rule::OldConfig,
                        "the vgpuConfig.xml of a 16.x package must replace the driver's own in /usr/share/nvidia/vgpu".to_owned(),
                    );
                }
            }
            Way::Native | Way::Passthrough => {}
        }
    }

    /// How guests come by their vGPUs, and where to look for them.
    fn serving(&mut self) {
        if has_functions(self.found) {
            self.say(
                Rule::Functions,
                "virtual functions are gone after every reboot: pve-nvidia-sriov@ALL or a unit like it must make them before guests start".to_owned(),
            );
        }
        let Some(chosen) = self.found.driver else { return };
        let functions = self.found.card.architecture().is_some_and(|it| it.sriov == SrIov::Yes);
        let vendor = match chosen.branch.mediation {
            Mediation::Mdev => false,
            Mediation::Either => functions,
            Mediation::Vendor => true,
        };
        if vendor {
            self.say(
                Rule::TypesListed,
                "`mdevctl types` may be empty although all is well: look at nvidia/creatable_vgpu_types in sysfs".to_owned(),
            );
            let pve = self.subject.case.target.pve;
            if pve.is_some_and(|pve| pve < PVE_WITH_VENDOR_VFIO) {
                self.say(
                    Rule::TypesListed,
                    "the vendor's VFIO needs qemu-server 8.2.5 and libpve-common-perl 8.2.6 or newer".to_owned(),
                );
            }
        }
    }

    /// Boards that only a subsystem id tells apart, and those that only the driver itself knows.
    fn boards(&mut self) {
        let gpu = self.subject.card.and_then(Card::gpu);
        let listed = self.subject.case.findings.listed == Some(Listing::Listed);
        if listed && gpu.is_none_or(|gpu| gpu.native.is_none()) {
            let says = "the driver's own vgpuConfig.xml lists the card, the catalogue does not";
            self.say(Rule::Listed, says.to_owned());
        }
        let Some(gpu) = gpu else { return };
        let board = self.subject.case.gpu.subsystem();
        if gpu.subsystems.is_empty() || board.is_some() {
            return;
        }
        let names: Vec<_> = gpu.subsystems.iter().map(ToString::to_string).collect();
        self.say(
            Rule::Boards,
            format!("the subsystem id tells the boards apart: {}", names.join(", ")),
        );
    }
}
