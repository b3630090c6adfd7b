//! Manual steps of a suitable case, and notes about it.

use super::Listing;
use super::assess::{Found, Mode as Way};
use super::recipe::{has_functions, point, signs};
use super::statement::{Statement, Subject};
use crate::catalog::{
    Card, Display, Driver, DriverFile, Exposure, GuestRoot, Mediation, Overrides, Rule, SrIov,
    UnlockState,
};
use crate::platform::{BootLoader, PveRelease};

/// The first release that certainly supports the vendor's VFIO driver.
const PVE_WITH_VENDOR_VFIO: PveRelease = PveRelease::new(8, 3);

pub(super) fn console<'c>(subject: Subject<'_, 'c>, found: &Found<'c>) -> Vec<Statement<'c>> {
    let mut steps = Vec::new();
    let mut say = |rule, says: String| steps.push(subject.statement(point(rule), says));
    let gpu = found.card.gpu();
    if found.mode == Way::Native && gpu.is_some_and(|gpu| gpu.display == Some(Display::SwitchOff)) {
        say(
            Rule::Display,
            format!(
                "disable the display ports of {} with NVIDIA's Display Mode Selector; otherwise it provides no virtual functions",
                subject.gpu_name()
            ),
        );
    }
    if signs(subject, found) {
        say(
            Rule::Mok,
            "at the first reboot, choose Enroll MOK on the console and enter the one-time password; this cannot be automated".to_owned(),
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
        notes.say(Rule::Passthrough, "only one guest at a time can use the GPU".to_owned());
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

    fn boot(&mut self) {
        if self.subject.case.target.boot_loader == Some(BootLoader::SystemdBoot) {
            self.say(
                Rule::KernelWords,
                "systemd-boot ignores GRUB's files: set kernel parameters in /etc/kernel/cmdline, then run `proxmox-boot-tool refresh`".to_owned(),
            );
        }
        if self.subject.case.target.cpu.is_none() {
            self.say(Rule::KernelWords, "Intel processors also need intel_iommu=on".to_owned());
        }
    }

    fn toolchain(&mut self) {
        self.say(
            Rule::Toolchain,
            "the headers package must follow the kernel; otherwise DKMS silently skips the module for the next kernel".to_owned(),
        );
    }

    fn branch(&mut self) {
        let Some(chosen) = self.found.driver else { return };
        let branch = chosen.branch;
        self.say(
            Rule::EndOfLife,
            format!(
                "NVIDIA supports {}.x ({}) until {}",
                branch.major,
                branch.line,
                month(branch.end_of_life.as_str())
            ),
        );
        self.bulletins(chosen.driver);
        match branch.guest_root {
            GuestRoot::NotNeeded => {}
            GuestRoot::Needed => self.say(
                Rule::GuestRoot,
                "guests verify the license server's certificates: with a server other than NVIDIA's, install its root certificate in each guest".to_owned(),
            ),
            GuestRoot::Presumed => self.say(
                Rule::GuestRoot,
                "guests probably verify the license server's certificates, as in 18.x and 19.x; no test is known".to_owned(),
            ),
        }
    }

    fn bulletins(&mut self, driver: &Driver) {
        for (bulletin, exposure) in self.subject.catalog.bulletins(driver) {
            let state = match exposure {
                Exposure::FixedIn(fix) => {
                    format!("vGPU {} lacks its fixes, {fix} has them", driver.release)
                }
                Exposure::Unfixed => format!("{}.x gets no fix", driver.release.branch()),
            };
            let (id, published) = (bulletin.id, &bulletin.published);
            let says = format!("NVIDIA security bulletin {id} of {published}: {state}");
            let evidence = self.subject.resolve(&bulletin.evidence);
            self.notes.push(Statement { rule: Rule::Bulletin, says, evidence });
        }
    }

    fn unlock(&mut self) {
        let Some(chosen) = self.found.driver else { return };
        match self.found.mode {
            Way::Native if chosen.file == DriverFile::Patched => self.say(
                Rule::LeaveAlone,
                "the GPU needs no unlocking: the patch is for the kernel or for another GPU, and a preloaded unlock library needs `unlock = false`".to_owned(),
            ),
            Way::Unlock(_) => {
                let catalog = self.subject.catalog;
                if let Overrides::Ignored(library) = catalog.library(chosen.driver) {
                    self.say(
                        Rule::Overrides,
                        format!("{} presents the GPU as another one, but ignores profile_override.toml", library.id),
                    );
                }
                let arch = self.found.card.architecture();
                let row = arch.and_then(|arch| catalog.unlock(chosen.branch, arch));
                if row.is_some_and(|row| row.state == UnlockState::OldConfig) {
                    self.say(
                        Rule::OldConfig,
                        "replace the driver's vgpuConfig.xml in /usr/share/nvidia/vgpu with the one of a 16.x package".to_owned(),
                    );
                }
            }
            Way::Native | Way::Passthrough => {}
        }
    }

    fn serving(&mut self) {
        if has_functions(self.found) {
            self.say(
                Rule::Functions,
                "every reboot removes the virtual functions: pve-nvidia-sriov@ALL or a similar unit must create them before guests start".to_owned(),
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
                "`mdevctl types` may be empty although vGPU works: see nvidia/creatable_vgpu_types in sysfs".to_owned(),
            );
            let pve = self.subject.case.target.pve;
            if pve.is_some_and(|pve| pve < PVE_WITH_VENDOR_VFIO) {
                self.say(
                    Rule::TypesListed,
                    "the vendor's VFIO driver needs qemu-server 8.2.5 and libpve-common-perl 8.2.6 or newer".to_owned(),
                );
            }
        }
    }

    fn boards(&mut self) {
        if self.found.doubts.contains(&point(Rule::Native))
            && let Some(chosen) = self.found.driver
        {
            let file = chosen.driver.enterprise_file();
            let says =
                format!("customers of NVIDIA AI Enterprise must use its own host driver, {file}");
            self.say(Rule::Enterprise, says);
        }
        let gpu = self.subject.card.and_then(Card::gpu);
        let listed = self.subject.case.findings.listed == Some(Listing::Listed);
        if listed && gpu.is_none_or(|gpu| gpu.native.is_none()) {
            let says = "the driver's vgpuConfig.xml lists the GPU, but the catalog does not";
            self.say(Rule::Listed, says.to_owned());
        }
        let Some(gpu) = gpu else { return };
        let board = self.subject.case.gpu.subsystem();
        if gpu.subsystems.is_empty() || board.is_some() {
            return;
        }
        let names: Vec<_> = gpu.subsystems.iter().map(ToString::to_string).collect();
        self.say(Rule::Boards, format!("boards differ by subsystem id: {}", names.join(", ")));
    }
}

/// Returns the month of a date such as `2026-07` with its name: `July 2026`.
fn month(date: &str) -> String {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let name = |month: &str| NAMES.get(month.parse::<usize>().ok()?.checked_sub(1)?);
    let named = date.split_once('-').and_then(|(year, month)| Some((year, name(month)?)));
    named.map_or_else(|| date.to_owned(), |(year, name)| format!("{name} {year}"))
}
