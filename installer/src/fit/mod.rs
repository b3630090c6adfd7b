//! The judgement whether a bundle fits this node: the one that `check`, `plan` and `apply` share.

mod packages;

use std::fmt;

use serde::Serialize;
use vgpu_manifest::Manifest;
use vgpu_manifest::catalog::{Catalog, Release, Rule};
use vgpu_manifest::driver::Proof;
use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::{KernelRelease, PciAddress, PciId};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::verdict::{
    Case, Contents, Goal, Suitability, Target, Targets, Verdict, describe, judge,
};

pub(crate) use self::packages::{Place, Requirement};
use crate::kernel::choice::{Coming, Course, boots_anyway, choose};

/// The result for a node and a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Fit<'c> {
    /// The driver in question.
    pub(crate) driver: Release,
    /// The kernel that the node boots for the driver; `None` if no kernel is known.
    pub(crate) kernel: Option<KernelRelease>,
    /// The build of the driver's modules for that kernel, on the machine of the bundler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<Proof>,
    /// The GPUs to use for vGPU.
    #[serde(flatten)]
    pub(crate) suitability: Suitability<'c>,
    /// Their addresses, in the same order.
    #[serde(skip)]
    pub(crate) addresses: Vec<PciAddress>,
    /// The other NVIDIA GPUs.
    pub(crate) left_alone: Vec<LeftAlone>,
    /// The packages that the driver needs on that kernel.
    pub(crate) packages: Vec<Requirement>,
    /// The steps that make the node boot that kernel.
    #[serde(skip)]
    pub(crate) course: Course,
    /// The reason why only [`Scope::All`] has a result, if the operator has overridden it.
    #[serde(skip)]
    pub(crate) overridden: Option<String>,
}

/// A GPU that the bundle does not target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LeftAlone {
    /// Its PCI address.
    pub(crate) address: PciAddress,
    /// Its PCI id.
    pub(crate) gpu: PciId,
    /// The reason why the bundle does not target it.
    pub(crate) why: String,
}

impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "left alone: {} at {}: {}", self.gpu, self.address, self.why)
    }
}

/// Overrides of the facts from the bundle and the node.
#[derive(Default)]
pub(crate) struct Question<'q> {
    /// Another driver than the bundle's.
    pub(crate) driver: Option<Release>,
    /// Another kernel than the one that the node boots.
    pub(crate) kernel: Option<KernelRelease>,
    /// Which GPUs count.
    pub(crate) scope: Scope,
    /// The headers that are installed on the node, of which an inventory has no contents.
    pub(crate) headers: Option<&'q Headers<'q>>,
}

/// Returns the record of a kernel's installed headers.
pub(crate) type Headers<'q> = dyn Fn(&KernelRelease) -> Option<HeadersRecord> + 'q;

/// The GPUs of a node that count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those that the bundle targets and that a driver supports.
    #[default]
    Concerned,
    /// All NVIDIA GPUs, because the operator overrides the judgement.
    All,
}

/// Why no GPU of the node can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NoFit {
    /// The catalog does not list the host driver, and the bundle has no targets.
    #[error("the bundle has no host driver listed in its catalog, and declares no targets")]
    NoDriver,
    /// The node has no NVIDIA GPU.
    #[error("the bundle has a host driver, but this node has no NVIDIA GPU")]
    NoGpu,
    /// The bundle targets other GPUs.
    #[error("the bundle is made for {targets}, but this node has {here}")]
    OtherGpus {
        /// The GPUs in the bundle's targets.
        targets: String,
        /// The GPUs of the node, with their addresses.
        here: String,
    },
    /// No vGPU driver supports the GPUs of the node.
    #[error("no vGPU driver supports a GPU of this node: {0}")]
    Hopeless(String),
}

impl Explain for NoFit {
    fn exit(&self) -> Option<Exit> {
        // Without a driver, there is nothing to judge.
        (!matches!(self, Self::NoDriver)).then_some(Exit::Unsuitable)
    }
}

impl<'c> Fit<'c> {
    /// Judges a bundle on a node, for the kernel that the node will boot.
    ///
    /// The driver is the one in the question, the bundle's own, or the one that the bundle declares
    /// as its target. GPUs that the bundle does not target, and those that no driver supports, do
    /// not count, unless none remains.
    pub(crate) fn judge(
        catalog: &'c Catalog,
        manifest: &Manifest,
        node: &Inventory,
        question: &Question<'_>,
    ) -> Result<Self, NoFit> {
        let coming = Coming::of(manifest);
        let on = |kernel: Option<&KernelRelease>| {
            Self::on_kernel(catalog, manifest, node, question, kernel)
        };
        if let Some(kernel) = &question.kernel {
            return on(Some(kernel));
        }
        let suits = |kernel: &KernelRelease| on(Some(kernel)).is_ok_and(|fit| fit.is_suitable());
        let course = choose(&node.kernels, &coming, &suits);
        let anyway = boots_anyway(&node.kernels, &coming);
        let kernel = course.as_ref().and_then(|course| course.hold.as_ref()).or(anyway);
        let fit = on(kernel)?;
        Ok(Self { course: course.unwrap_or_default(), ..fit })
    }

    /// Judges a bundle on a node that boots `kernel`.
    fn on_kernel(
        catalog: &'c Catalog,
        manifest: &Manifest,
        node: &Inventory,
        question: &Question<'_>,
        kernel: Option<&KernelRelease>,
    ) -> Result<Self, NoFit> {
        let targets = manifest.purpose.as_ref().map(|purpose| &purpose.targets);
        let installed = kernel.zip(question.headers).and_then(|(kernel, read)| read(kernel));
        let mut contents = Contents::from(manifest);
        if let Some(headers) = &installed {
            contents = contents.with_headers(headers);
        }
        let known = question.driver.or_else(|| contents.release(catalog));
        let driver = known.or(targets.map(|targets| targets.driver)).ok_or(NoFit::NoDriver)?;
        let mut target = Target::from(node);
        target.kernel = kernel.cloned();

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
            let why = match (question.scope, undeclared) {
                (Scope::All, _) => None,
                (Scope::Concerned, Some(_)) => Some("the bundle does not target it".to_owned()),
                (Scope::Concerned, None) => hopeless(catalog, &case),
            };
            if let Some(why) = why {
                left_alone.push(LeftAlone { address: gpu.address, gpu: gpu.id, why });
            } else {
                concerned.push(case);
                addresses.push(gpu.address);
            }
        }
        if concerned.is_empty() {
            return Err(none_concerned(catalog, targets, &left_alone));
        }
        let proof = row.zip(kernel).and_then(|(row, kernel)| contents.proof(row, kernel)).cloned();
        let suitability = Suitability::of(catalog, concerned);
        let packages = packages::requirements(&suitability, manifest, node, kernel);
        Ok(Self {
            driver,
            kernel: kernel.cloned(),
            proof,
            suitability,
            addresses,
            left_alone,
            packages,
            course: Course::default(),
            overridden: None,
        })
    }

    /// Returns the reasons why the bundle does not fit; none if it does.
    #[must_use]
    pub(crate) fn objections(&self) -> Vec<String> {
        let gpus = self.suitability.gpus.iter().filter_map(|gpu| {
            let reason = &gpu.verdict.unsuitable()?.reason;
            Some(format!("{}: {}", gpu.gpu, reason.says))
        });
        let clashes = self.suitability.clashes.iter().map(|clash| clash.says.clone());
        let overridden = self.overridden.iter().cloned();
        let others = clashes.chain(self.lacks()).chain(self.beaten());
        overridden.chain(gpus).chain(others).collect()
    }

    /// Returns the objection to a boot setting that the pin of a kernel cannot override, if any.
    fn beaten(&self) -> Option<String> {
        let (kernel, other) = (self.course.hold.as_ref()?, self.course.beaten_by.as_ref()?);
        let set_in = other.set_in.as_ref().map_or(String::new(), |path| format!(" in {path}"));
        Some(format!(
            "the host must boot kernel {kernel}, but a setting{set_in} selects {}; remove it",
            other.kernel
        ))
    }

    /// Returns the objection to missing packages, if any.
    fn lacks(&self) -> Option<String> {
        let missing: Vec<_> = self.packages.iter().filter(|it| it.is_missing()).collect();
        if missing.is_empty() {
            return None;
        }
        let names: Vec<_> = missing.iter().map(|it| it.name.as_str()).collect();
        let kernel = self.kernel.as_ref().map_or(String::new(), |it| format!(" on kernel {it}"));
        Some(format!(
            "the driver needs {}{kernel}, neither on this node nor in the bundle",
            names.join(", ")
        ))
    }

    /// Checks whether nothing stands against the bundle.
    #[must_use]
    pub(crate) fn is_suitable(&self) -> bool {
        self.objections().is_empty()
    }
}

/// Explains why no GPU of the node is concerned.
fn none_concerned(catalog: &Catalog, targets: Option<&Targets>, others: &[LeftAlone]) -> NoFit {
    if others.is_empty() {
        return NoFit::NoGpu;
    }
    let name = |gpu: PciId| match catalog.card(gpu) {
        Some(card) => format!("{} ({gpu})", describe(card).name),
        None => gpu.to_string(),
    };
    let at = |other: &LeftAlone| format!("{} at {}", name(other.gpu), other.address);
    let here: Vec<_> = others.iter().map(at).collect();
    match targets {
        Some(targets) if !others.iter().any(|other| targets.covers(other.gpu)) => {
            let targets: Vec<_> = targets.gpu.iter().map(|gpu| name(*gpu)).collect();
            NoFit::OtherGpus { targets: targets.join(", "), here: here.join(", ") }
        }
        _ => {
            let why = others.iter().map(|other| format!("{}: {}", at(other), other.why));
            NoFit::Hopeless(why.collect::<Vec<_>>().join("; "))
        }
    }
}

/// Returns the reason why no driver supports a GPU, if so.
fn hopeless(catalog: &Catalog, case: &Case) -> Option<String> {
    let Verdict::Unsuitable(verdict) = judge(catalog, case) else { return None };
    let permanent =
        [Rule::Arm, Rule::NoVgpu, Rule::NotQualified, Rule::NoSource, Rule::CannotUnlock];
    let shares = verdict.nearest.iter().any(vgpu_manifest::verdict::Choice::shares);
    (permanent.contains(&verdict.rule()) && !shares).then_some(verdict.reason.says)
}

#[cfg(test)]
mod tests;
