//! Whether what a bundle holds fits this node, by the catalogue that the bundle brings.

use serde::Serialize;
use vgpu_manifest::Manifest;
use vgpu_manifest::catalog::{Catalog, Release, Rule};
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::{KernelRelease, PciAddress, PciId};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::verdict::{Case, Contents, Goal, Suitability, Target, Verdict, judge};

/// What is to be said of a node and a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fit<'c> {
    /// The driver that it is about.
    pub driver: Release,
    /// The kernel that it is about, if the node says which one it runs.
    pub kernel: Option<KernelRelease>,
    /// The GPUs that shall serve vGPUs.
    #[serde(flatten)]
    pub suitability: Suitability<'c>,
    /// Where they are, in the same order.
    #[serde(skip)]
    pub addresses: Vec<PciAddress>,
    /// The others of NVIDIA's.
    pub left_alone: Vec<LeftAlone>,
}

/// A GPU that the bundle is not for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeftAlone {
    /// Where it is.
    pub address: PciAddress,
    /// Which one it is.
    pub gpu: PciId,
    /// Why the bundle is not for it.
    pub why: String,
}

/// What is asked, beside what bundle and node say.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Another driver than the bundle's.
    pub driver: Option<Release>,
    /// Another kernel than the one that runs.
    pub kernel: Option<KernelRelease>,
}

/// There is nothing to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoFit {
    /// Nobody knows which driver is meant.
    #[error("the bundle has no host driver listed in its catalog, and declares no targets")]
    NoDriver,
    /// The node has nothing that could serve vGPUs.
    #[error("this node has no GPU that any vGPU driver supports")]
    NoGpu,
}

impl Explain for NoFit {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::NoGpu).then_some(Exit::Unsuitable)
    }
}

impl<'c> Fit<'c> {
    /// Judge a bundle on a node.
    ///
    /// The driver is that of the question, the bundle's own, or the one that the bundle declares to
    /// be for. GPUs that the bundle does not declare, and those that no driver serves, do not count.
    pub fn judge(
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

    /// What speaks against it, in a line.
    #[must_use]
    pub fn objection(&self) -> String {
        let gpus = self.suitability.gpus.iter().filter_map(|gpu| {
            let reason = &gpu.verdict.unsuitable()?.reason;
            Some(format!("{}: {}", gpu.gpu, reason.says))
        });
        let clashes = self.suitability.clashes.iter().map(|clash| clash.says.clone());
        gpus.chain(clashes).collect::<Vec<_>>().join("; ")
    }

    /// Whether every GPU that the bundle is for does what it shall.
    #[must_use]
    pub fn is_suitable(&self) -> bool {
        self.suitability.against().is_empty()
    }
}

/// Why no driver at all serves a GPU, if that is so.
fn hopeless(catalog: &Catalog, case: &Case) -> Option<String> {
    let Verdict::Unsuitable(verdict) = judge(catalog, case) else { return None };
    let for_good = [Rule::Arm, Rule::NoVgpu, Rule::NotQualified, Rule::CannotUnlock];
    let shares = verdict.nearest.iter().any(vgpu_manifest::verdict::Choice::shares);
    (for_good.contains(&verdict.rule()) && !shares).then_some(verdict.reason.says)
}
