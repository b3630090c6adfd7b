//! The statements of a verdict, with their evidence.

use serde::Serialize;

use super::assess::Point;
use super::{Case, Goal};
use crate::catalog::{
    Card, Catalog, Driver, DriverFile, Evidence, EvidenceId, Overrides, Release, Rule,
};
use crate::platform::KernelRelease;

/// A sentence with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Statement<'c> {
    /// The rule that it states.
    pub rule: Rule,
    /// The sentence, without a capital letter and a period.
    pub says: String,
    /// The evidence; where sources contradict each other, both.
    pub evidence: Vec<&'c Evidence>,
}

/// An open question, and the check that decides it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Doubt<'c> {
    /// The question.
    #[serde(flatten)]
    pub statement: Statement<'c>,
    /// The check that decides it.
    pub settled_by: &'static str,
}

/// A case, with the rows of its GPU and driver.
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

    pub(super) fn refusal(self, point: Point<'c>) -> Statement<'c> {
        self.statement(point, self.against(point))
    }

    pub(super) fn doubt(self, point: Point<'c>) -> Doubt<'c> {
        let statement = self.statement(point, self.open(point));
        Doubt { statement, settled_by: settled_by(point.rule) }
    }

    /// Returns a sentence with the evidence of its rule and of the rows that it is about.
    pub(super) fn statement(self, point: Point<'c>, says: String) -> Statement<'c> {
        let rule = self.catalog.rule(point.rule);
        let row = point.why.map_or_else(|| self.row(point.rule), |why| &why.evidence);
        let mut ids: Vec<&EvidenceId> = row.iter().collect();
        ids.extend(rule.iter().filter(|_| point.why.is_none()));
        Statement { rule: point.rule, says, evidence: self.resolve(ids) }
    }

    /// Returns evidence by id, each once, in order.
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

    /// Returns the evidence of the row that a rule is about, without the rule's own.
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
            Rule::NotQualified | Rule::NoSource => match gpu() {
                Some(row) if row.len() > 1 => Some(row),
                _ => arch(),
            },
            Rule::Native | Rule::OtherReleases | Rule::CannotUnlock | Rule::Boards => gpu(),
            Rule::NoPatch | Rule::DriverName | Rule::NewerDriver => driver(),
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

    pub(super) fn gpu_name(self) -> String {
        match self.card {
            Some(Card::Known(gpu, _)) => gpu.name.clone(),
            Some(Card::Derived(id, arch)) => format!("the unnamed {} GPU {id}", arch.id),
            Some(Card::Unknown(id)) => format!("the unknown GPU {id}"),
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
        point.why.map_or("no report covers this kernel", |why| &why.says)
    }

    /// Returns the sentence for a refusal.
    fn against(self, point: Point<'c>) -> String {
        let (gpu, release, kernel) = (self.gpu_name(), self.release(), self.kernel());
        match point.rule {
            Rule::NotNvidia => format!("{} is not an NVIDIA GPU", self.case.gpu),
            Rule::Arm => {
                format!("{gpu} is part of an Arm processor, and Proxmox VE supports x86-64 only")
            }
            Rule::UnknownDriver => {
                format!("the catalog has no host driver of vGPU {release}")
            }
            Rule::NoVgpu => format!(
                "no branch from {} to {} supports {gpu}, natively or unlocked",
                self.first_branch(),
                self.last_branch()
            ),
            Rule::OtherReleases => {
                format!("vGPU {release} does not support {gpu}; {}", self.elsewhere())
            }
            Rule::NotQualified => format!(
                "the vgpuConfig.xml of vGPU {release} does not list {gpu}, and {} cannot be unlocked",
                self.arch_name()
            ),
            Rule::NoSource => format!(
                "no source lists {gpu} for vGPU, and {} cannot be unlocked; vgpuConfig.xml in the driver decides",
                self.arch_name()
            ),
            Rule::CannotUnlock => {
                format!("{gpu} cannot be unlocked, unlike other GPUs of its architecture")
            }
            Rule::NeedsPatch => {
                format!("{gpu} needs the unlock patch, and the driver is unpatched")
            }
            Rule::NoPatch => format!("no unlock patch exists for vGPU {release}{}", {
                self.driver.map_or_else(String::new, |driver| format!(" ({})", driver.host))
            }),
            Rule::Build if self.case.findings.compiled.is_some() => {
                format!("the modules of vGPU {release} do not compile for {kernel}")
            }
            Rule::Build => format!(
                "the modules of vGPU {release}{} do not build on {kernel}: {}",
                self.form(),
                Self::why(point)
            ),
            Rule::Apicv => format!(
                "vGPU {release} needs `enable_apicv`, which {} does not export",
                if kernel.is_empty() { "the kernel" } else { kernel }
            ),
            Rule::ForeignKernel => {
                format!("{kernel} is not a kernel of Proxmox VE {}", self.pve())
            }
            Rule::UnknownPve => {
                format!("the catalog covers Proxmox VE 7, 8 and 9, not {}", self.pve())
            }
            Rule::SecureBootPve => {
                format!("Secure Boot is enabled, and Proxmox VE {} does not support it", self.pve())
            }
            Rule::MdevOnly => format!(
                "vGPU {release} uses the vendor's VFIO driver for {gpu}, and Proxmox VE {} supports mediated devices only",
                self.pve()
            ),
            Rule::Pool => format!(
                "{kernel} cannot import the root pool, which has features of OpenZFS 2.4, so the machine would not boot"
            ),
            // The other rules refuse nothing.
            rule => format!("{rule}"),
        }
    }

    /// Returns the sentence for a doubt.
    fn open(self, point: Point<'c>) -> String {
        let (gpu, release, kernel) = (self.gpu_name(), self.release(), self.kernel());
        match point.rule {
            Rule::Build => {
                format!("vGPU {release} may not build on {kernel}: {}", Self::why(point))
            }
            Rule::Apicv => {
                format!("vGPU {release} needs `enable_apicv`, which kernel {kernel} may not export")
            }
            Rule::NewerDriver => {
                let host = self.driver.map_or_else(String::new, |it| format!(" ({})", it.host));
                format!(
                    "vGPU {release}{host} is newer than the catalog, and is judged by its branch"
                )
            }
            Rule::Native => format!("vGPU {release} may not support {gpu} natively"),
            Rule::Unlock => format!("unlocking {gpu} may not work with vGPU {release}"),
            Rule::PatchUnseen => {
                format!(
                    "the unlock patch of vGPU {release} was not reviewed: only its name is known"
                )
            }
            Rule::DriverName => {
                format!(
                    "sources disagree on the version of the host driver of vGPU {release} for KVM"
                )
            }
            Rule::Derived => format!("the architecture of {gpu} is derived from its device id"),
            Rule::Overrides => {
                format!("profile_override.toml may have no effect with vGPU {release}")
            }
            Rule::SecureBootLoader => {
                "Secure Boot is enabled, and systemd-boot does not work with it".to_owned()
            }
            Rule::ForeignKernel => {
                format!("{kernel} is not in the catalog, so its headers may not be available")
            }
            Rule::MdevOnly => format!(
                "vGPU {release} may not provide mediated devices, and Proxmox VE {} supports no others",
                self.pve()
            ),
            Rule::Pool => format!(
                "{kernel} may not import the root pool, which may have features of OpenZFS 2.4"
            ),
            // The other rules leave no doubt.
            rule => format!("{rule}"),
        }
    }

    /// Names the releases that support the GPU.
    fn elsewhere(self) -> String {
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
        format!("it can be unlocked with {}", majors.join(", "))
    }

    fn arch_name(self) -> String {
        let arch = self.card.and_then(Card::architecture);
        arch.map_or_else(|| "it".to_owned(), |arch| format!("its architecture ({})", arch.id))
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

/// Returns the check that decides a doubt.
fn settled_by(rule: Rule) -> &'static str {
    match rule {
        Rule::Build => "compiling the modules against the bundled headers",
        Rule::Apicv => "Module.symvers of the bundled headers",
        Rule::Native | Rule::Derived => "vgpuConfig.xml in the driver",
        Rule::Unlock | Rule::Overrides => "the journal of nvidia-vgpu-mgr on the node",
        Rule::PatchUnseen => "applying the patch when the bundle is built",
        Rule::DriverName => "the file name in NVIDIA's package for Linux KVM",
        Rule::SecureBootLoader => "`vgpu-installer inventory` on the node",
        Rule::ForeignKernel => "the package repository when the bundle is built",
        Rule::MdevOnly => "mdev_supported_types in sysfs on the node",
        Rule::Pool => "`zpool get feature@block_cloning_endian` on the node",
        _ => "a test on the node",
    }
}
