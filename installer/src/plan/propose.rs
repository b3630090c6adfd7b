//! The plan of a bundle for a host: from the judgement, the host's facts and the operator's choices.

use std::cell::RefCell;
use std::collections::BTreeMap;

use vgpu_manifest::Kind;
use vgpu_manifest::Manifest;
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::driver::{DriverKind, Proof};
use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::KernelRelease;
use vgpu_manifest::verdict::Contents;

use super::{Choices, Plan, Resume, Surroundings, Unsuitable, plan_with};
use crate::act::ForeignDriver;
use crate::driver;
use crate::facts::{FileStorage, headers};
use crate::fit::{Fit, NoFit, Question, Scope};
use crate::gpus::vgpu::Vgpu;
use crate::gpus::{Foreign, GpuChoice};
use crate::host::Look;
use crate::license::elsewhere::told;
use crate::license::guest::Guests;
use crate::license::need;

/// The parts of a verified bundle that a plan depends on.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) manifest: Manifest,
    pub(crate) catalog: Option<Catalog>,
}

impl Source {
    /// Returns the parts of a bundle. Its catalog gets the bundle's drivers that are newer than it.
    pub(crate) fn new(manifest: Manifest, mut catalog: Option<Catalog>) -> Self {
        if let Some(catalog) = &mut catalog {
            let targets = manifest.purpose.as_ref().map(|purpose| &purpose.targets);
            Contents::from(&manifest).admit_to(catalog, targets.map(|targets| targets.driver));
        }
        Self { manifest, catalog }
    }

    /// Judges the bundle on a node; `None` if it has no host driver, and so no demand on GPUs.
    ///
    /// If the operator overrides the judgement, all GPUs of the node count.
    pub(crate) fn judge(
        &self,
        look: &dyn Look,
        facts: &Inventory,
        gpus: &GpuChoice,
    ) -> Result<Option<Fit<'_>>, NoFit> {
        let brings = self.manifest.records(Kind::driver).any(|(_, it)| it.kind == DriverKind::Host);
        let Some(catalog) = self.catalog.as_ref().filter(|_| brings) else { return Ok(None) };
        let headers = InstalledHeaders::of(look);
        let read = |kernel: &KernelRelease| headers.get(kernel);
        let ask = |scope| {
            let question = Question { scope, headers: Some(&read), ..Question::default() };
            Fit::judge(catalog, &self.manifest, facts, &question)
        };
        match ask(Scope::Concerned) {
            Err(why @ (NoFit::OtherGpus { .. } | NoFit::Hopeless(_))) if gpus.allow_unsuitable => {
                let mut fit = ask(Scope::All)?;
                // All GPUs may well fit; the operator has overridden the reason nevertheless.
                fit.overridden = Some(why.to_string());
                Ok(Some(fit))
            }
            judged => judged.map(Some),
        }
    }

    /// Returns the licensing needs of the bundle's guest drivers, from its catalog.
    pub(crate) fn needs(&self) -> Vec<String> {
        let catalog = self.catalog.as_ref();
        let catalog = catalog.filter(|_| self.manifest.records(Kind::driver).next().is_some());
        catalog.map_or_else(Vec::new, |catalog| need::lines(catalog, &self.manifest))
    }

    /// Returns every reason why [`propose`](Self::propose) refuses the bundle; none if it does not.
    pub(crate) fn objections(
        &self,
        look: &dyn Look,
        facts: &Inventory,
        choices: &Choices,
    ) -> anyhow::Result<Vec<String>> {
        let Err(error) = self.propose(look, facts, choices, Resume::ByUnit) else {
            return Ok(Vec::new());
        };
        match error.downcast::<Unsuitable>() {
            Ok(Unsuitable::Objections(objections)) => Ok(objections),
            Ok(unsuitable) => Ok(vec![unsuitable.to_string()]),
            Err(error) => Err(error),
        }
    }

    /// Plans the bundle, unless the judgement objects and the operator does not override it.
    pub(crate) fn propose(
        &self,
        look: &dyn Look,
        facts: &Inventory,
        choices: &Choices,
        resume: Resume,
    ) -> anyhow::Result<Proposed> {
        let fit = match self.judge(look, facts, &choices.gpus) {
            // A driver that cannot be judged would be left out without a word.
            Err(NoFit::NoDriver) => {
                return Err(Unsuitable::Objections(vec![NoFit::NoDriver.to_string()]).into());
            }
            fit => fit?,
        };
        let objections = fit.as_ref().map_or_else(Vec::new, Fit::objections);
        if !objections.is_empty() && !choices.gpus.allow_unsuitable {
            return Err(Unsuitable::Objections(objections).into());
        }
        let guests = told(look, choices.license.as_ref())?;
        let foreign = match choices.gpus.foreign_driver {
            Some(Foreign::Remove) => ForeignDriver::look(look)?,
            None => None,
        };
        let around = Surroundings {
            vgpu: fit.as_ref().and_then(|fit| Vgpu::of(fit, &self.manifest)),
            installed: driver::remembered(look)?,
            foreign,
            resume,
            course: fit.as_ref().map(|fit| fit.course.clone()).unwrap_or_default(),
            iso_storage: FileStorage::for_images(look)?,
            guests: guests.map(|told| Guests { told, feature: None, needs: self.needs() }),
        };
        let mut plan = plan_with(&self.manifest, facts, choices, &around)?;
        plan.overridden = objections;
        let proof = fit.as_ref().and_then(|fit| fit.proof.clone());
        let left_alone = fit.iter().flat_map(|fit| &fit.left_alone).map(ToString::to_string);
        Ok(Proposed { plan, left_alone: left_alone.collect(), proof })
    }
}

/// The headers of kernels on a node, each read once: they are files of megabytes.
pub(crate) struct InstalledHeaders<'l> {
    look: &'l dyn Look,
    read: RefCell<BTreeMap<KernelRelease, Option<HeadersRecord>>>,
}

impl<'l> InstalledHeaders<'l> {
    pub(crate) fn of(look: &'l dyn Look) -> Self {
        Self { look, read: RefCell::default() }
    }

    pub(crate) fn get(&self, kernel: &KernelRelease) -> Option<HeadersRecord> {
        let mut read = self.read.borrow_mut();
        let record = read.entry(kernel.clone()).or_insert_with(|| headers(self.look, kernel));
        record.clone()
    }
}

/// A plan, and the GPUs that it leaves alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proposed {
    pub(crate) plan: Plan,
    /// Each with its reason.
    pub(crate) left_alone: Vec<String>,
    /// The build of the driver's modules for the kernel that the host boots, on the machine of the
    /// bundler.
    pub(crate) proof: Option<Proof>,
}
