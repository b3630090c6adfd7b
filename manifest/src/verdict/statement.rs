//! What a verdict says, and what that rests on.

use serde::Serialize;

use super::assess::Point;
use super::{Case, Goal};
use crate::catalog::{
    Card, Catalog, Driver, DriverFile, Evidence, EvidenceId, Overrides, Release, Rule,
};
use crate::platform::KernelRelease;

/// One sentence, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Statement<'c> {
    /// The kind of statement.
    pub rule: Rule,
    /// The sentence, without capital letter and full stop.
    pub says: String,
    /// What it rests on; where sources contradict each other, both.
    pub evidence: Vec<&'c Evidence>,
}

/// Something that the sources leave open, and how to find out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Doubt<'c> {
    /// What is open.
    #[serde(flatten)]
    pub statement: Statement<'c>,
    /// What decides it.
    pub settled_by: &'static str,
}

/// What a case is about, as far as the catalogue knows it.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a, 'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) case: &'a Case,
    pub(super) card: Option<Card<'c>>,
    pub(super) driver: Option<&'c Driver>,
}

impl<'a, 'c> Subject<'a, 'c> {
    pub(super) fn of(catalog: &'c Catalog, case: &'a Case) -> Self {
        let driver = match case.goal {
            Goal::Vgpu { driver, .. } => catalog.driver(driver),
            Goal::Passthrough => None,
        };
        Self { catalog, case, card: catalog.card(case.gpu), driver }
    }

    /// Why the case is forbidden.
    pub(super) fn refusal(self, point: Point<'c>) -> Statement<'c> {
        self.statement(point, self.against(point))
    }

    /// What is doubtful about the case.
    pub(super) fn doubt(self, point: Point<'c>) -> Doubt<'c> {
        let statement = self.statement(point, self.open(point));
        Doubt { statement, settled_by: settled_by(point.rule) }
    }

    /// A sentence with the evidence of its rule and of the rows that it is about.
    pub(super) fn statement(self, point: Point<'c>, says: String) -> Statement<'c> {
        let rule = self.catalog.rule(point.rule);
        let row = point.why.map_or_else(|| self.row(point.rule), |why| &why.evidence);
        let mut ids: Vec<&EvidenceId> = row.iter().collect();
        ids.extend(rule.iter().filter(|_| point.why.is_none()));
        Statement { rule: point.rule, says, evidence: self.resolve(ids) }
    }

    /// Evidence by name, each once, in order.
    pub(super) fn resolve<'i>(
        self,
        ids: impl IntoIterator<Item = &'i EvidenceId>,
    ) -> Vec<&'c Evidence> {
        let mut found: Vec<&Evidence> = Vec::new();
        for evidence in ids.into_iter().filter_map(|id| self.catalog.evidence(id)) {
            if !found.iter().any(|known| known.id == evidence.id) {
                found.push(evidence);
            }
        }
        found
    }

    /// The evidence of the row that a rule is about, beside the rule's own.
    fn row(self, rule: Rule) -> &'c [EvidenceId] {
        let gpu = || self.card.and_then(Card::gpu).map(|gpu| &gpu.evidence);
        let arch = || self.card.and_then(Card::architecture).map(|arch| &arch.evidence);
        let driver = || self.driver.map(|driver| &driver.evidence);
        let patch = || self.driver.and_then(|it| self.catalog.patch(it)).map(|it| &it.evidence);
        let branch = || self.driver.and_then(|it| self.catalog.branch(it.release));
        let unlock = || {
            let arch = self.card.and_then(Card::architecture)?;
            self.catalog.unlock(branch()?, arch).map(|row| &row.evidence)
        };
        let layout = || match self.driver.map(|it| self.catalog.library(it)) {
            Some(Overrides::Unproven(_, layout)) => Some(&layout.evidence),
            Some(Overrides::Ignored(library)) => Some(&library.evidence),
            _ => None,
        };
        let found = match rule {
            Rule::NoVgpu => arch(),
            Rule::NotQualified => match gpu() {
                Some(row) if row.len() > 1 => Some(row),
                _ => arch(),
            },
            Rule::Native | Rule::OtherReleases | Rule::CannotUnlock | Rule::Boards => gpu(),
            Rule::NoPatch | Rule::DriverName => driver(),
            Rule::PatchUnseen => patch(),
            Rule::Unlock => match gpu() {
                Some(row) if row.len() > 2 => Some(row),
                _ => unlock(),
            },
            Rule::EndOfLife | Rule::GuestRoot => branch().map(|branch| &branch.evidence),
            Rule::Overrides => layout(),
            _ => None,
        };
        found.map_or(&[], |ids| ids)
    }

    /// What the GPU is called.
    pub(super) fn gpu_name(self) -> String {
        match self.card {
            Some(Card::Known(gpu, _)) => gpu.name.clone(),
            Some(Card::Derived(id, arch)) => format!("the unnamed {} card {id}", arch.id),
            Some(Card::Unknown(id)) => format!("the unknown card {id}"),
            None => format!("the device {}", self.case.gpu),
        }
    }

    pub(super) fn release(self) -> String {
        match self.case.goal {
            Goal::Vgpu { driver, .. } => driver.to_string(),
            Goal::Passthrough => String::new(),
        }
    }

    pub(super) fn kernel(self) -> &'a str {
        self.case.target.kernel.as_ref().map_or("", KernelRelease::as_str)
    }

    fn pve(self) -> String {
        self.case.target.pve.map_or_else(String::new, |pve| pve.to_string())
    }

    fn why(point: Point<'c>) -> &'c str {
        point.why.map_or("no source speaks of this kernel", |why| &why.says)
    }

    /// The sentence that says why a case is forbidden.
    fn against(self, point: Point<'c>) -> String {
        let (gpu, release, kernel) = (self.gpu_name(), self.release(), self.kernel());
        match point.rule {
            Rule::NotNvidia => format!("{} is not one of NVIDIA's", self.case.gpu),
            Rule::Arm => format!("{gpu} is part of an Arm processor, and Proxmox VE is for x86-64"),
            Rule::UnknownDriver => {
                format!("there is no host driver of vGPU {release} in the catalogue")
            }
            Rule::NoVgpu => format!(
                "no branch from {} to {} serves {gpu}, natively or unlocked",
                self.first_branch(),
                self.last_branch()
            ),
            Rule::OtherReleases => {
                format!("vGPU {release} does not serve {gpu}; {}", self.served())
            }
            Rule::NotQualified => format!(
                "{gpu} is not among the cards that NVIDIA qualified for vGPU, and {} cannot be unlocked",
                self.arch_name()
            ),
            Rule::CannotUnlock => format!("{gpu} cannot be unlocked, unlike others of its kind"),
            Rule::NeedsPatch => {
                format!("{gpu} works only with the unlock patch, and the file is the original one")
            }
            Rule::NoPatch => format!("nobody published an unlock patch for vGPU {release}{}", {
                self.driver.map_or_else(String::new, |driver| format!(" ({})", driver.host))
            }),
            Rule::Build if self.case.findings.compiled.is_some() => {
                format!("the modules of vGPU {release} did not compile for {kernel}")
            }
            Rule::Build => format!(
                "the modules of vGPU {release}{} do not build on {kernel}: {}",
                self.form(),
                Self::why(point)
            ),
            Rule::Apicv => format!(
                "vGPU {release} needs KVM to export enable_apicv, and {} does not",
                if kernel.is_empty() { "the kernel" } else { kernel }
            ),
            Rule::ForeignKernel => {
                format!("{kernel} is not a kernel of Proxmox VE {}", self.pve())
            }
            Rule::UnknownPve => format!(
                "Proxmox VE {} is not one of 7, 8 and 9, which the catalogue knows",
                self.pve()
            ),
            Rule::SecureBootPve => {
                format!("Proxmox VE {} does not support Secure Boot, which is enabled", self.pve())
            }
            Rule::MdevOnly => format!(
                "vGPU {release} gives {gpu} to guests through the vendor's VFIO, and Proxmox VE {} knows mediated devices only",
                self.pve()
            ),
            Rule::Pool => format!(
                "the root pool has features of OpenZFS 2.4, so {kernel} could not import it and the machine would not boot"
            ),
            // Rules that never forbid.
            rule => format!("{rule}"),
        }
    }

    /// The sentence that says what is open.
    fn open(self, point: Point<'c>) -> String {
        let (gpu, release, kernel) = (self.gpu_name(), self.release(), self.kernel());
        match point.rule {
            Rule::Build => {
                format!("whether vGPU {release} builds on {kernel}: {}", Self::why(point))
            }
            Rule::Apicv => format!(
                "whether {kernel} exports enable_apicv, without which the modules of vGPU {release} do not load"
            ),
            Rule::Native => format!("whether vGPU {release} serves {gpu} natively"),
            Rule::Unlock => format!("whether {gpu} can be unlocked with vGPU {release}"),
            Rule::PatchUnseen => {
                format!(
                    "whether the unlock patch of vGPU {release} does what it should: only its name was seen"
                )
            }
            Rule::DriverName => {
                format!("which version the host driver of vGPU {release} has on KVM")
            }
            Rule::Derived => format!("what {gpu} is: its architecture is derived from its id"),
            Rule::Overrides => {
                format!("whether profile_override.toml has any effect with vGPU {release}")
            }
            Rule::SecureBootLoader => {
                "how the machine boots: systemd-boot and Secure Boot do not go together".to_owned()
            }
            Rule::ForeignKernel => {
                format!("whether {kernel}, a kernel of no release in the catalogue, has headers")
            }
            Rule::MdevOnly => format!(
                "whether vGPU {release} gives mediated devices, the only ones that Proxmox VE {} knows",
                self.pve()
            ),
            Rule::Pool => format!(
                "whether {kernel} can import the root pool, which may have features of OpenZFS 2.4"
            ),
            // Rules that leave no doubt.
            rule => format!("{rule}"),
        }
    }

    /// Which releases serve the GPU.
    fn served(self) -> String {
        let gpu = self.card.and_then(Card::gpu);
        if let Some(range) = gpu.and_then(|gpu| gpu.native) {
            return format!("{range} do");
        }
        let arch = self.card.and_then(Card::architecture);
        let rows = &self.catalog.rows().branches;
        let unlocks = rows
            .iter()
            .filter(|branch| arch.is_some_and(|arch| self.catalog.unlock(branch, arch).is_some()));
        let majors: Vec<_> = unlocks.map(|branch| format!("{}.x", branch.major)).collect();
        if majors.is_empty() {
            let range = gpu.and_then(|gpu| gpu.native_unproven);
            return range.map_or_else(String::new, |range| format!("{range} may"));
        }
        format!("{} can be unlocked for it", majors.join(", "))
    }

    fn arch_name(self) -> String {
        let arch = self.card.and_then(Card::architecture);
        arch.map_or_else(|| "it".to_owned(), |arch| format!("its architecture, {},", arch.id))
    }

    fn form(self) -> &'static str {
        match self.case.goal {
            Goal::Vgpu { file: Some(DriverFile::Original), .. } => ", unpatched,",
            Goal::Vgpu { file: Some(DriverFile::Patched), .. } => ", patched,",
            _ => "",
        }
    }

    fn first_branch(self) -> u8 {
        self.catalog.drivers().first().map_or(0, |it| Release::branch(it.release))
    }

    fn last_branch(self) -> u8 {
        self.catalog.drivers().last().map_or(0, |it| Release::branch(it.release))
    }
}

/// What decides a doubt.
fn settled_by(rule: Rule) -> &'static str {
    match rule {
        Rule::Build => "compiling the modules against the bundled headers",
        Rule::Apicv => "Module.symvers of the bundled headers",
        Rule::Native | Rule::Derived => "vgpuConfig.xml inside the driver",
        Rule::Unlock | Rule::Overrides => "the journal of nvidia-vgpu-mgr on the node",
        Rule::PatchUnseen => "applying the patch when the bundle is built",
        Rule::DriverName => "the file name inside NVIDIA's package for Linux KVM",
        Rule::SecureBootLoader => "`vgpu-installer inventory` on the node",
        Rule::ForeignKernel => "the package repository when the bundle is built",
        Rule::MdevOnly => "mdev_supported_types in sysfs on the node",
        Rule::Pool => "`zpool get feature@block_cloning_endian` on the node",
        _ => "a run on the node",
    }
}
