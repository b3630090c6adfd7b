//! Suitability of a bundle for this node, by the bundle's catalog.

use serde::Serialize;
use vgpu_manifest::Manifest;
use vgpu_manifest::catalog::{Catalog, Release, Rule};
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::{KernelRelease, PciAddress, PciId};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::verdict::{Case, Contents, Goal, Suitability, Target, Verdict, judge};

/// The result for a node and a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Fit<'c> {
    /// The driver in question.
    pub(crate) driver: Release,
    /// The kernel in question, if the running kernel is known.
    pub(crate) kernel: Option<KernelRelease>,
    /// The GPUs to use for vGPU.
    #[serde(flatten)]
    pub(crate) suitability: Suitability<'c>,
    /// Their addresses, in the same order.
    #[serde(skip)]
    pub(crate) addresses: Vec<PciAddress>,
    /// The other NVIDIA GPUs.
    pub(crate) left_alone: Vec<LeftAlone>,
}

/// A GPU that the bundle does not target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LeftAlone {
    /// Its PCI address.
    pub(crate) address: PciAddress,
    /// Its PCI id.
    pub(crate) gpu: PciId,
    /// The reason why the bundle does not target it.
    pub(crate) why: String,
}

/// Overrides of the facts from the bundle and the node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question {
    /// Another driver than the bundle's.
    pub(crate) driver: Option<Release>,
    /// Another kernel than the running one.
    pub(crate) kernel: Option<KernelRelease>,
}

/// The assessment is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NoFit {
    /// The driver is unknown.
    #[error("the bundle has no host driver listed in its catalog, and declares no targets")]
    NoDriver,
    /// The node has no GPU for vGPU.
    #[error("this node has no GPU that any vGPU driver supports")]
    NoGpu,
}

impl Explain for NoFit {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::NoGpu).then_some(Exit::Unsuitable)
    }
}

impl<'c> Fit<'c> {
    /// Assesses a bundle on a node.
    ///
    /// The driver is the one in the question, the bundle's own, or the one that the bundle declares
    /// as its target. GPUs that the bundle does not target, and those that no driver supports, do
    /// not count.
    pub(crate) fn judge(
        catalog: &'c Catalog,
        manifest: &Manifest,
        node: &Inventory,
        question: &Question,
    ) -> Result<Self, NoFit> {
        let targets = manifest.purpose.as_ref().map(|purpose| &purpose.targets);
        let contents = Contents::from(manifest);
        let known = question.driver.or_else(|| contents.release(catalog));
        let driver = known.or(targets.map(|targets| targets.driver)).ok_or(NoFit::NoDriver)?;
        let mut target = Target::from(node);
        target.kernel = question.kernel.clone().or(target.kernel);

        let row = catalog.driver(driver);
        let declared = targets.filter(|targets| targets.driver == driver);
        let file = declared.and_then(|targets| targets.file);
        let goal =
            Goal::Vgpu { driver, file: file.or_else(|| row.and_then(|row| contents.file(row))) };
        let case = |gpu: PciId| {
            let findings = contents.findings(row, target.kernel.as_ref(), gpu);
            Case { gpu, goal, target: target.clone(), findings }
        };

        let (mut concerned, mut addresses, mut left_alone) = (Vec::new(), Vec::new(), Vec::new());
        for gpu in node.gpus.iter().filter(|gpu| gpu.id.vendor() == PciId::NVIDIA) {
            let case = case(gpu.id);
            let undeclared = targets.filter(|targets| !targets.covers(gpu.id));
            let why = match undeclared {
                Some(_) => Some("the bundle does not target it".to_owned()),
                None => hopeless(catalog, &case),
            };
            if let Some(why) = why {
                left_alone.push(LeftAlone { address: gpu.address, gpu: gpu.id, why });
            } else {
                concerned.push(case);
                addresses.push(gpu.address);
            }
        }
        if concerned.is_empty() {
            return Err(NoFit::NoGpu);
        }
        let suitability = Suitability::of(catalog, concerned);
        Ok(Self { driver, kernel: target.kernel, suitability, addresses, left_alone })
    }

    /// Returns the obstacles, in one line.
    #[must_use]
    pub(crate) fn objection(&self) -> String {
        let gpus = self.suitability.gpus.iter().filter_map(|gpu| {
            let reason = &gpu.verdict.unsuitable()?.reason;
            Some(format!("{}: {}", gpu.gpu, reason.says))
        });
        let clashes = self.suitability.clashes.iter().map(|clash| clash.says.clone());
        gpus.chain(clashes).collect::<Vec<_>>().join("; ")
    }

    /// Checks whether every targeted GPU is suitable for its purpose.
    #[must_use]
    pub(crate) fn is_suitable(&self) -> bool {
        self.suitability.against().is_empty()
    }
}

/// Adds to a bundle's catalog the drivers of the bundle that are newer than it.
pub(crate) fn complete(catalog: &mut Catalog, manifest: &Manifest) {
    let targets = manifest.purpose.as_ref().map(|purpose| &purpose.targets);
    Contents::from(manifest).admit_to(catalog, targets.map(|targets| targets.driver));
}

/// Returns the reason why no driver supports a GPU, if so.
fn hopeless(catalog: &Catalog, case: &Case) -> Option<String> {
    let Verdict::Unsuitable(verdict) = judge(catalog, case) else { return None };
    let for_good =
        [Rule::Arm, Rule::NoVgpu, Rule::NotQualified, Rule::NoSource, Rule::CannotUnlock];
    let shares = verdict.nearest.iter().any(vgpu_manifest::verdict::Choice::shares);
    (for_good.contains(&verdict.rule()) && !shares).then_some(verdict.reason.says)
}
