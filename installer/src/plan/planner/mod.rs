use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::{BootLoader, CpuVendor, KernelSeries, SecureBoot};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::unlock::GlibcVersion;
use vgpu_manifest::{
    HostPath, Iommu, ItemName, KernelWord, Kind, Manifest, Mode, ModuleName, ParseTextError,
    UnitName,
};

mod driver;
mod guests;
mod packages;
mod unlock;

use super::Plan;
use crate::act::ForeignDriver;
use crate::boots::Course;
use crate::component::Component;
use crate::driver::DriverSpec;
use crate::gpus::{GpuChoice, Slot, Unavailable, isolate};
use crate::host::Content;
use crate::iso::{IsoError, IsoStorage};
use crate::license::Service;
use crate::license::guest::Guests;
use crate::resume::{self, Resume};
use crate::state;
use crate::step::{
    ClearLeftovers, EnableUnit, HandToGuests, HeldForGuests, InstallSelf, InstallUnit,
    KernelCommandLine, KernelRuns, KeyEnrolled, LoadModules, MakeSigningKey, ModprobeOptions,
    PinKernel, PlaceFile, PlaceItem, RequestEnrolment, ServeLicenses, Step, UnitDropIn,
};
use crate::vgpu::Vgpu;

/// What is for the operator to choose, and for the program to know of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// What this very program is, as it was staged.
    pub program: Content,
    /// What the operator has said of the host's GPUs.
    pub gpus: GpuChoice,
    /// The licence server that this node is to run.
    pub license: Option<Service>,
    /// What becomes of the tools for guests that the bundle carries.
    pub guest_tools: GuestTools,
}

/// What becomes of tools for guests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestTools {
    /// They stay in the bundle.
    #[default]
    LeftOut,
    /// They go onto the image for guests.
    OnImage,
}

/// What is known beside the bundle's manifest and the host's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// What the bundle's catalogue says of the host's GPUs; `None` if there is none for a driver.
    pub vgpu: Option<Vgpu>,
    /// The driver that this program has installed before.
    pub installed: Option<DriverSpec>,
    /// A driver that somebody else has installed, and that is to go.
    pub foreign: Option<ForeignDriver>,
    /// Whether the host goes on by itself after the reboot.
    pub resume: Resume,
    /// What has to be done about kernels.
    pub course: Course,
    /// Where images for guests go.
    pub iso_storage: IsoStorage,
    /// What guests are told of a licence server, if there is one.
    pub guests: Option<Guests>,
}

/// The host cannot become what the bundle asks for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unsuitable {
    /// How the IOMMU is switched on depends on who made the CPU.
    #[error("the bundle needs the IOMMU, but this CPU is neither from Intel nor from AMD")]
    Cpu,
    /// There is no way to give the kernel words.
    #[error(
        "the bundle needs kernel parameters, but this host has no supported boot loader \
            (GRUB or systemd-boot)"
    )]
    BootLoader,
    /// The bundle asks for an item that it does not have.
    #[error("the bundle refers to item `{0}`, which it does not have")]
    NoItem(ItemName),
    /// The path is not for bundles.
    #[error("the bundle places {0}, which is reserved for vgpu-installer")]
    OwnPath(HostPath),
    /// The bundle asks for two things at one path.
    #[error("the bundle places {0} twice")]
    Twice(HostPath),
    /// A file would run with rights that its caller does not have.
    #[error("the bundle places {path} with mode {mode}; set-id and sticky bits are refused")]
    SetId {
        /// The file.
        path: HostPath,
        /// Its mode.
        mode: Mode,
    },
    /// The metapackage that makes a host a Proxmox VE is not for bundles.
    #[error(
        "the bundle contains `proxmox-ve`, which is never changed; build it without this package"
    )]
    ProxmoxVe,
    /// The packages are for another release of Debian.
    #[error("the bundle contains packages for {}, but this host {}", .carries.join(" and "), release(.here.as_deref()))]
    Release {
        /// The releases that it carries packages for.
        carries: Vec<String>,
        /// The release of the host, if it says.
        here: Option<String>,
    },
    /// A package is for another machine.
    #[error("the bundle contains {package} for {arch}; only amd64 is supported")]
    Architecture {
        /// The package.
        package: String,
        /// What it is for.
        arch: String,
    },
    /// The firmware would not start the kernel.
    #[error(
        "Secure Boot is on, but the bundle's kernel {0} is not signed; build it with `{0}-signed`"
    )]
    UnsignedKernel(String),
    /// A GPU needs an older list of vGPU types.
    #[error(
        "the GPU needs the vgpuConfig.xml of a 16.x driver, but the bundle has no second driver"
    )]
    NoOldConfig,
    /// A GPU needs an unlock library.
    #[error("the bundle has no unlock library, which the GPU or the bundle's overrides require")]
    NoUnlock,
    /// The unlock library cannot be had on this host.
    #[error("{}, and the bundle has no `cargo` to build the unlock library", too_old(.here.as_ref(), .needs.as_ref()))]
    NoCompiler {
        /// The host's glibc.
        here: Option<GlibcVersion>,
        /// The glibc that the ready library needs, if there is one.
        needs: Option<GlibcVersion>,
    },
    /// The catalogue speaks against it.
    #[error("{0}")]
    Verdict(String),
    /// A template has no instance to start.
    #[error("the bundle enables {0}, which is a template; name an instance of it")]
    Template(UnitName),
    /// A GPU cannot be had in the way that the operator has asked for.
    #[error(transparent)]
    Gpu(#[from] Unavailable),
    /// The drivers for guests do not go into one image.
    #[error("cannot build the guest image: {0}")]
    Guests(#[from] IsoError),
    /// A word of ours is not one: a mistake in this program.
    #[error(transparent)]
    Word(#[from] ParseTextError),
}

impl Explain for Unsuitable {
    fn exit(&self) -> Option<Exit> {
        Some(Exit::Unsuitable)
    }
}

fn release(here: Option<&str>) -> String {
    here.map_or("does not state its release".to_owned(), |here| {
        format!("is {}", here.escape_debug())
    })
}

fn too_old(here: Option<&GlibcVersion>, needs: Option<&GlibcVersion>) -> String {
    match (here, needs) {
        (Some(here), Some(needs)) => {
            format!("the unlock library needs glibc {needs}, but this host has {here}")
        }
        _ => "the bundle has only the sources of the unlock library".to_owned(),
    }
}

/// What it takes for the host to become what the bundle asks for. It only computes.
///
/// The plan has all steps, also those whose end may be true already: only a look at the host says.
pub fn plan(manifest: &Manifest, facts: &Inventory, choices: &Choices) -> Result<Plan, Unsuitable> {
    plan_with(manifest, facts, choices, &Surroundings::default())
}

/// As [`plan`], with what else is known.
pub fn plan_with(
    manifest: &Manifest,
    facts: &Inventory,
    choices: &Choices,
    around: &Surroundings,
) -> Result<Plan, Unsuitable> {
    let mut steps = vec![Step::InstallSelf(InstallSelf { content: choices.program })];
    if brings_driver(manifest) {
        steps.extend(ClearLeftovers::in_the_way(&facts.leftovers).map(Step::ClearLeftovers));
    }
    steps.extend(packages::steps(manifest, facts)?);
    let mut later = Vec::new();
    if let Some(kernel) = around.course.hold.clone() {
        let pool = facts.root.pool.as_ref().map(|pool| pool.name.clone());
        steps.push(Step::PinKernel(PinKernel { kernel, pool }));
    }
    later.extend(
        around.course.wait_for.clone().map(|kernel| Step::KernelRuns(KernelRuns { kernel })),
    );
    if brings_driver(manifest) && facts.boot.secure_boot == SecureBoot::Enabled {
        steps.push(Step::MakeSigningKey(MakeSigningKey {}));
        steps.push(Step::RequestEnrolment(RequestEnrolment {}));
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
    steps.extend(guests::steps(manifest, choices.guest_tools, around)?);
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
    if around.resume == Resume::ByItself && !later.is_empty() {
        steps.extend(resume_steps()?);
    }
    Ok(Plan::new(steps, later))
}

/// The unit that goes on after the reboot.
fn resume_steps() -> Result<[Step; 2], Unsuitable> {
    let (unit, wanted_by) = (resume::UNIT.parse()?, "multi-user.target".parse()?);
    let file = resume::unit_path();
    let component = Component::Shared;
    let (mode, text) = (Mode::FILE, resume::unit_text());
    let place = PlaceFile { path: file.clone(), mode, text, component };
    let enable = EnableUnit { unit, file, wanted_by, component };
    Ok([Step::PlaceFile(place), Step::EnableUnit(enable)])
}

fn brings_driver(manifest: &Manifest) -> bool {
    manifest.records(Kind::driver).any(|(_, driver)| driver.kind == DriverKind::Host)
}

/// The modules to load at boot: what the bundle names, and what GPUs for guests need.
///
/// `vfio_virqfd` has been a part of `vfio` since Linux 6.2, and a module that is not there makes
/// systemd's unit fail at every boot.
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
    let boots = facts.kernels.pinned.as_ref().or(facts.kernels.running.as_ref());
    if boots.is_some_and(|kernel| kernel.series() >= KernelSeries::new(6, 2)) {
        modules.retain(|module| module.as_str() != "vfio_virqfd");
    }
    Ok(modules)
}

fn content(manifest: &Manifest, name: &ItemName) -> Result<Content, Unsuitable> {
    let item = manifest.item(name).ok_or_else(|| Unsuitable::NoItem(name.clone()))?;
    Ok(item.into())
}

fn files(manifest: &Manifest) -> Result<Vec<Step>, Unsuitable> {
    let mut taken = BTreeSet::from([InstallSelf::path()]);
    let mut steps = Vec::new();
    for file in &manifest.wants.files {
        if state::reserves(&file.path) {
            return Err(Unsuitable::OwnPath(file.path.clone()));
        }
        if !file.mode.to_string().starts_with('0') {
            return Err(Unsuitable::SetId { path: file.path.clone(), mode: file.mode });
        }
        if !taken.insert(file.path.clone()) {
            return Err(Unsuitable::Twice(file.path.clone()));
        }
        steps.push(Step::PlaceItem(PlaceItem {
            item: file.item.clone(),
            content: content(manifest, &file.item)?,
            path: file.path.clone(),
            mode: file.mode,
            component: Component::Shared,
        }));
    }
    Ok(steps)
}

fn units(manifest: &Manifest) -> Result<Vec<Step>, Unsuitable> {
    let mut steps = Vec::new();
    for unit in &manifest.wants.units {
        let is_template = unit.name.as_str().contains("@.");
        if is_template && unit.wanted_by.is_some() {
            return Err(Unsuitable::Template(unit.name.clone()));
        }
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

/// The words for the IOMMU, and then those that the bundle names, each once.
fn kernel_words(manifest: &Manifest, facts: &Inventory) -> Result<Vec<KernelWord>, Unsuitable> {
    let iommu: &[&str] = match (manifest.wants.iommu, facts.cpu.vendor) {
        (None, _) => &[],
        // PVE's kernels before 6.8 leave Intel's IOMMU off; on later ones the word does no harm.
        (Some(Iommu::On), CpuVendor::Intel) => &["intel_iommu=on", "iommu=pt"],
        (Some(Iommu::On), CpuVendor::Amd) => &["iommu=pt"],
        (Some(Iommu::On), CpuVendor::Other) => return Err(Unsuitable::Cpu),
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

/// The boot loader that the host boots by; if its signs disagree, every one that they point to,
/// because writing for one that is not used does no harm.
fn loaders(facts: &Inventory) -> Result<Vec<BootLoader>, Unsuitable> {
    if let Some(loader) = facts.boot.loader {
        return Ok(vec![loader]);
    }
    let seen: BTreeMap<_, _> =
        facts.boot.evidence.iter().map(|sign| (sign.loader.to_string(), sign.loader)).collect();
    if seen.is_empty() { Err(Unsuitable::BootLoader) } else { Ok(seen.into_values().collect()) }
}
