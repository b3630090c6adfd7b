use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::inventory::{Inventory, Leftover, Package};
use vgpu_manifest::platform::{BootLoader, CpuVendor, KernelSeries, SecureBoot};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{
    Iommu, ItemName, KernelWord, Kind, Manifest, ModuleName, ParseTextError, WantedFile,
};

mod driver;
mod guests;
mod packages;
mod unlock;

use super::{Plan, Resume, resume_unit};
use crate::act::ForeignDriver;
use crate::component::Component;
use crate::driver::DriverSpec;
use crate::facts::FileStorage;
use crate::gpus::vgpu::Vgpu;
use crate::gpus::{GpuChoice, Slot, Unavailable, isolate};
use crate::host::Content;
use crate::kernel::choice::Course;
use crate::license::Service;
use crate::license::guest::Guests;
use crate::step::{
    BootOnce, ClearLeftovers, EndFallBack, FallBack, HandToGuests, HeldForGuests, InstallSelf,
    InstallUnit, KernelCommandLine, KernelRuns, KeyEnrolled, LoadModules, MakeSigningKey,
    ModprobeOptions, PinKernel, PlaceItem, RequestEnrollment, ServeLicenses, Step, UnitDropIn,
};

/// The choices of the operator, and the state of the program itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choices {
    /// The content of this executable, as it was staged.
    pub(crate) program: Content,
    /// The operator's choices for the host's GPUs.
    pub(crate) gpus: GpuChoice,
    /// The license server for this node.
    pub(crate) license: Option<Service>,
    /// How to handle the bundle's guest tools.
    pub(crate) guest_tools: GuestTools,
}

/// How to handle guest tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GuestTools {
    /// Leave them in the bundle.
    #[default]
    LeftOut,
    /// Put them on the guest image.
    OnImage,
}

/// Inputs in addition to the bundle's manifest and the host's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Surroundings {
    /// The verdict of the bundle's catalog for the host's GPUs; `None` if no GPU needs a driver.
    pub(crate) vgpu: Option<Vgpu>,
    /// The driver that the installer has installed before.
    pub(crate) installed: Option<DriverSpec>,
    /// The third-party driver to remove.
    pub(crate) foreign: Option<ForeignDriver>,
    /// Whether the host resumes automatically after the reboot.
    pub(crate) resume: Resume,
    /// The handling of kernels.
    pub(crate) course: Course,
    /// The storage for guest images, if one of this node may hold them.
    pub(crate) iso_storage: Option<FileStorage>,
    /// The license server information for guests, if there is a server.
    pub(crate) guests: Option<Guests>,
}

/// The bundle cannot be applied to the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Unsuitable {
    /// The judgement objects, for these reasons.
    #[error("{}", .0.join("; "))]
    Objections(Vec<String>),
    /// The reason, for the operator.
    #[error("{0}")]
    Reason(String),
    /// The GPU cannot be used in the way that the operator requested.
    #[error(transparent)]
    Gpu(#[from] Unavailable),
    /// The program that makes the guest image is missing.
    #[error(
        "the guest image needs the package `genisoimage`, which is neither on this node nor in the bundle"
    )]
    NoGenisoimage,
    /// No storage may hold the guest image.
    #[error("the bundle has guest drivers, but no storage of this node may hold CD images")]
    NoImageStorage,
    /// A kernel parameter of the installer is invalid: a bug in this program.
    #[error(transparent)]
    Word(#[from] ParseTextError),
}

impl Explain for Unsuitable {
    fn exit(&self) -> Option<Exit> {
        Some(Exit::Unsuitable)
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::NoGenisoimage => {
                Some("run `apt install genisoimage`, or add it to the packages of the recipe")
            }
            Self::NoImageStorage => {
                Some("allow it for one: `pvesm set local --disable 0 --content iso,…`")
            }
            _ => None,
        }
    }
}

/// Computes the steps that apply the bundle to the host, without any side effect.
///
/// The plan has all steps, including those in sync: only the host itself can tell.
#[cfg(test)]
pub(crate) fn plan(
    manifest: &Manifest,
    facts: &Inventory,
    choices: &Choices,
) -> Result<Plan, Unsuitable> {
    plan_with(manifest, facts, choices, &Surroundings::default())
}

/// Like [`plan`], with further inputs.
pub(crate) fn plan_with(
    manifest: &Manifest,
    facts: &Inventory,
    choices: &Choices,
    around: &Surroundings,
) -> Result<Plan, Unsuitable> {
    let mut steps = vec![Step::InstallSelf(InstallSelf { content: choices.program })];
    if brings_driver(manifest) {
        steps.extend(leftovers(facts, choices, around)?.map(Step::ClearLeftovers));
    }
    steps.extend(packages::steps(manifest, facts)?);
    let mut later = Vec::new();
    later.extend(
        around.course.wait_for.clone().map(|kernel| Step::KernelRuns(KernelRuns { kernel })),
    );
    let has_tool = |package: &Package| {
        ["proxmox-kernel-helper", "pve-kernel-helper"].contains(&package.name.as_str())
    };
    if let Some((kernel, trial)) =
        around.course.fallback.clone().zip(around.course.wait_for.clone())
        && facts.packages.iter().any(has_tool)
    {
        let until = trial.clone();
        steps.push(Step::FallBack(FallBack { kernel: kernel.clone(), until }));
        let pool = facts.root.pool.as_ref().map(|pool| pool.name.clone());
        steps.push(Step::BootOnce(BootOnce { kernel: trial, pool }));
        later.push(Step::EndFallBack(EndFallBack { kernel }));
    }
    if let Some(kernel) = around.course.hold.clone() {
        let pool = facts.root.pool.as_ref().map(|pool| pool.name.clone());
        let pin = PinKernel { kernel: kernel.clone(), pool: pool.clone() };
        if later.is_empty() {
            steps.push(Step::PinKernel(pin));
        } else {
            steps.push(Step::BootOnce(BootOnce { kernel, pool }));
            later.push(Step::PinKernel(pin));
        }
    }
    if brings_driver(manifest) && facts.boot.secure_boot == SecureBoot::Enabled {
        steps.push(Step::MakeSigningKey(MakeSigningKey {}));
        steps.push(Step::RequestEnrollment(RequestEnrollment {}));
        later.push(Step::KeyEnrolled(KeyEnrolled {}));
    }
    steps.extend(files(manifest)?);
    let wants = &manifest.wants;
    let slots = isolate(facts, &choices.gpus)?;
    let modules = modules(manifest, facts, &slots)?;
    if !modules.is_empty() {
        steps.push(Step::LoadModules(LoadModules { modules }));
    }
    if !wants.modprobe.is_empty() {
        steps.push(Step::ModprobeOptions(ModprobeOptions { lines: wants.modprobe.clone() }));
    }
    if !slots.is_empty() {
        steps.push(Step::HandToGuests(HandToGuests { slots: slots.clone() }));
    }
    steps.extend(units(manifest)?);
    steps.extend(guests::steps(manifest, facts, choices.guest_tools, around)?);
    let words = kernel_words(manifest, facts)?;
    if !words.is_empty() {
        let loaders = loaders(facts)?;
        steps.push(Step::KernelCommandLine(KernelCommandLine { words, loaders }));
    }
    if !slots.is_empty() {
        later.push(Step::HeldForGuests(HeldForGuests { slots }));
    }
    later.extend(driver::steps(manifest, facts, choices, around)?);
    if let Some(service) = &choices.license {
        let service = service.carried_over(manifest);
        steps.push(Step::ServeLicenses(Box::new(ServeLicenses { service })));
    }
    if around.resume == Resume::ByUnit && !later.is_empty() {
        steps.extend(resume_unit::steps()?);
    }
    Ok(Plan::new(steps, later))
}

/// Returns the removal of leftovers that keep the driver from the GPUs for vGPU, and fails if one of
/// them can only be removed by the operator. A passthrough of other GPUs stays.
fn leftovers(
    facts: &Inventory,
    choices: &Choices,
    around: &Surroundings,
) -> Result<Option<ClearLeftovers>, Unsuitable> {
    let able = around.vgpu.as_ref().map(|vgpu| &vgpu.gpus);
    let serving = able.map(|able| choices.gpus.serving(able, &facts.gpus)).unwrap_or_default();
    let concerns = |leftover: &&Leftover| {
        leftover.gpus.is_empty() || serving.iter().any(|gpu| leftover.concerns(*gpu))
    };
    let concerning: Vec<_> = facts.leftovers.iter().filter(concerns).cloned().collect();
    let refused = ClearLeftovers::refused(&concerning);
    let refused: Vec<_> = refused
        .map(|it| format!("{it} keeps NVIDIA's driver from a GPU for vGPU; remove it"))
        .collect();
    if refused.is_empty() {
        Ok(ClearLeftovers::in_the_way(&concerning))
    } else {
        Err(Unsuitable::Objections(refused))
    }
}

fn brings_driver(manifest: &Manifest) -> bool {
    manifest.records(Kind::driver).any(|(_, driver)| driver.kind == DriverKind::Host)
}

/// Returns the modules to load at boot: those of the bundle, and those that GPU passthrough needs.
///
/// `vfio_virqfd` has been a part of `vfio` since Linux 6.2, and a missing module fails systemd's
/// unit at every boot.
fn modules(
    manifest: &Manifest,
    facts: &Inventory,
    slots: &[Slot],
) -> Result<Vec<ModuleName>, Unsuitable> {
    let for_guests: &[&str] = if slots.is_empty() {
        &[]
    } else {
        &["vfio", "vfio_iommu_type1", "vfio_pci", "vfio_virqfd"]
    };
    let mut modules = manifest.wants.modules.clone();
    for name in for_guests {
        let module: ModuleName = name.parse()?;
        if !modules.contains(&module) {
            modules.push(module);
        }
    }
    let boots = facts.kernels.next_boot().or(facts.kernels.running.as_ref());
    if boots.is_some_and(|kernel| kernel.series() >= KernelSeries::new(6, 2)) {
        modules.retain(|module| module.as_str() != "vfio_virqfd");
    }
    Ok(modules)
}

fn content(manifest: &Manifest, name: &ItemName) -> Result<Content, Unsuitable> {
    let none = || {
        Unsuitable::Reason(format!("the bundle refers to item `{name}`, which it does not have"))
    };
    Ok(manifest.item(name).ok_or_else(none)?.into())
}

fn files(manifest: &Manifest) -> Result<Vec<Step>, Unsuitable> {
    let place = |file: &WantedFile| {
        Ok(Step::PlaceItem(PlaceItem {
            item: file.item.clone(),
            content: content(manifest, &file.item)?,
            path: file.path.clone(),
            mode: file.mode,
            component: Component::Shared,
        }))
    };
    manifest.wants.files.iter().map(place).collect()
}

fn units(manifest: &Manifest) -> Result<Vec<Step>, Unsuitable> {
    let mut steps = Vec::new();
    for unit in &manifest.wants.units {
        steps.push(Step::InstallUnit(InstallUnit {
            unit: unit.name.clone(),
            item: unit.item.clone(),
            content: content(manifest, &unit.item)?,
            wanted_by: unit.wanted_by.clone(),
        }));
    }
    for drop_in in &manifest.wants.drop_ins {
        steps.push(Step::UnitDropIn(UnitDropIn {
            unit: drop_in.unit.clone(),
            name: drop_in.name.clone(),
            item: drop_in.item.clone(),
            content: content(manifest, &drop_in.item)?,
        }));
    }
    Ok(steps)
}

/// Returns the kernel parameters for the IOMMU, and then those of the bundle, without duplicates.
fn kernel_words(manifest: &Manifest, facts: &Inventory) -> Result<Vec<KernelWord>, Unsuitable> {
    let iommu: &[&str] = match (manifest.wants.iommu, facts.cpu.vendor) {
        (None, _) => &[],
        // PVE kernels before 6.8 leave Intel's IOMMU off; on later ones the parameter is harmless.
        (Some(Iommu::On), CpuVendor::Intel) => &["intel_iommu=on", "iommu=pt"],
        (Some(Iommu::On), CpuVendor::Amd) => &["iommu=pt"],
        (Some(Iommu::On), CpuVendor::Other) => {
            return Err(Unsuitable::Reason(
                "the bundle needs the IOMMU, but this CPU is neither from Intel nor from AMD"
                    .to_owned(),
            ));
        }
    };
    let mut words = Vec::new();
    for word in iommu {
        words.push(word.parse()?);
    }
    for word in &manifest.wants.kernel_words {
        if !words.contains(word) {
            words.push(word.clone());
        }
    }
    Ok(words)
}

/// Returns the boot loader that the host boots with. If the evidence disagrees, returns every
/// candidate, because configuring an unused one is harmless.
fn loaders(facts: &Inventory) -> Result<Vec<BootLoader>, Unsuitable> {
    if let Some(loader) = facts.boot.loader {
        return Ok(vec![loader]);
    }
    let seen: BTreeMap<_, _> =
        facts.boot.evidence.iter().map(|sign| (sign.loader.to_string(), sign.loader)).collect();
    if seen.is_empty() {
        return Err(Unsuitable::Reason(
            "the bundle needs kernel parameters, but this host has no supported boot loader \
                (GRUB or systemd-boot)"
                .to_owned(),
        ));
    }
    Ok(seen.into_values().collect())
}
