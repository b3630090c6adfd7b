//! The questions that a catalogue answers.

use std::collections::BTreeMap;

use super::{
    Architecture, Branch, BranchUnlock, Build, BuildReason, CatalogError, DeviceId, Driver,
    DriverFile, DriverVersion, Evidence, EvidenceId, Gpu, Identity, IdentityId, Kernel, Layout,
    Library, Patch, Release, Rows, Rule, State, validate,
};
use crate::platform::{KernelSeries, PciId, PveSeries};

/// Rows that fit each other, and what they answer.
#[derive(Debug, Clone)]
pub struct Catalog {
    rows: Rows,
    gpus: BTreeMap<DeviceId, usize>,
    evidence: BTreeMap<EvidenceId, usize>,
}

/// What is known of a GPU: its row, or what its device id alone tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card<'c> {
    /// A row names it.
    Known(&'c Gpu, &'c Architecture),
    /// No row names it, but its id is among those of an architecture.
    Derived(DeviceId, &'c Architecture),
    /// Its id says nothing.
    Unknown(DeviceId),
}

/// What a file name is to a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameOf<'c> {
    /// Its name.
    Driver(&'c Driver),
    /// A name that others give it, wrongly.
    Misnamed(&'c Driver),
}

/// Whether a driver builds on a kernel, and why; no reason where no row speaks of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildState<'c> {
    /// Whether it builds.
    pub build: Build,
    /// Why.
    pub why: Option<&'c BuildReason>,
}

/// Whether profile overrides are applied with the library that fits a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overrides<'c> {
    /// This library applies them.
    Applied(&'c Library),
    /// The sources disagree on the structure's size; this library is the better guess.
    Unproven(&'c Library, &'c Layout),
    /// This library shows the card as another, but ignores overrides.
    Ignored(&'c Library),
    /// There is no library for the driver.
    NoLibrary,
}

impl Catalog {
    /// The catalogue with these rows, if they fit each other.
    pub fn new(mut rows: Rows) -> Result<Self, CatalogError> {
        let problems = validate(&rows);
        if !problems.is_empty() {
            return Err(CatalogError::Problems(problems));
        }
        rows.gpus.sort_by_key(|gpu| gpu.id);
        rows.drivers.sort_by_key(|driver| driver.release);
        rows.kernels.sort_by_key(|kernel| (kernel.pve, kernel.series));
        let gpus = rows.gpus.iter().enumerate().map(|(at, gpu)| (gpu.id, at)).collect();
        let evidence =
            rows.evidence.iter().enumerate().map(|(at, row)| (row.id.clone(), at)).collect();
        Ok(Self { rows, gpus, evidence })
    }

    /// All rows: GPUs by id, drivers by release, kernels by release of Proxmox VE and line.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// The GPUs, by device id.
    #[must_use]
    pub fn gpus(&self) -> &[Gpu] {
        &self.rows.gpus
    }

    /// The drivers, the oldest release first.
    #[must_use]
    pub fn drivers(&self) -> &[Driver] {
        &self.rows.drivers
    }

    /// The kernels, by release of Proxmox VE and line.
    #[must_use]
    pub fn kernels(&self) -> &[Kernel] {
        &self.rows.kernels
    }

    /// The row of a GPU.
    #[must_use]
    pub fn gpu(&self, id: DeviceId) -> Option<&Gpu> {
        self.gpus.get(&id).map(|at| &self.rows.gpus[*at])
    }

    /// What is known of a device; `None` if it is not NVIDIA's.
    #[must_use]
    pub fn card(&self, id: PciId) -> Option<Card<'_>> {
        if id.vendor() != PciId::NVIDIA {
            return None;
        }
        let id = DeviceId(id.device());
        let known = self.gpu(id).and_then(|gpu| {
            let arch = self.rows.architectures.iter().find(|arch| arch.id == gpu.arch)?;
            Some(Card::Known(gpu, arch))
        });
        let derived = || {
            let takes = |arch: &&Architecture| arch.ids.iter().any(|range| range.contains(id));
            self.rows.architectures.iter().find(takes).map(|arch| Card::Derived(id, arch))
        };
        Some(known.or_else(derived).unwrap_or(Card::Unknown(id)))
    }

    /// The host driver of a release.
    #[must_use]
    pub fn driver(&self, release: Release) -> Option<&Driver> {
        let at = self.rows.drivers.binary_search_by_key(&release, |driver| driver.release).ok()?;
        Some(&self.rows.drivers[at])
    }

    /// The drivers with this host version, oldest release first: 16.4 and 16.5 share one.
    pub fn drivers_by_host(&self, host: &DriverVersion) -> impl Iterator<Item = &Driver> {
        self.rows.drivers.iter().filter(move |driver| driver.host == *host)
    }

    /// The driver that a file name belongs to, or is wrongly given to by others.
    ///
    /// Where releases share the file, the newest of them is meant.
    #[must_use]
    pub fn driver_by_file(&self, name: &str) -> Option<NameOf<'_>> {
        let mut newest = self.rows.drivers.iter().rev();
        let misnamed =
            || self.rows.drivers.iter().rev().find(|it| it.misnamed.iter().any(|it| it == name));
        let right = newest.find(|driver| driver.file == name).map(NameOf::Driver);
        right.or_else(|| misnamed().map(NameOf::Misnamed))
    }

    /// The branch of a release.
    #[must_use]
    pub fn branch(&self, release: Release) -> Option<&Branch> {
        self.rows.branches.iter().find(|branch| branch.major == release.branch())
    }

    /// How far cards of an architecture can be unlocked on a branch; `None` if they cannot.
    #[must_use]
    pub fn unlock<'b>(&self, branch: &'b Branch, arch: &Architecture) -> Option<&'b BranchUnlock> {
        branch.unlock.iter().find(|unlock| unlock.arch == arch.id)
    }

    /// The unlock patch of a driver; `None` if nobody published one.
    #[must_use]
    pub fn patch(&self, driver: &Driver) -> Option<&Patch> {
        let host = driver.patch.as_ref()?;
        self.rows.patches.iter().find(|patch| patch.host == *host)
    }

    /// The card that others are shown as.
    #[must_use]
    pub fn identity(&self, id: &IdentityId) -> Option<&Identity> {
        self.rows.identities.iter().find(|identity| identity.id == *id)
    }

    /// The card that a library shows this device id as, whether or not a row names it.
    #[must_use]
    pub fn shown_as(&self, id: DeviceId) -> Option<&Identity> {
        let shows = |it: &&Identity| it.shown.iter().any(|range| range.contains(id));
        self.rows.identities.iter().find(shows)
    }

    /// Whether a driver's modules build on a line of kernels.
    #[must_use]
    pub fn build(&self, driver: &Driver, file: DriverFile, on: KernelSeries) -> BuildState<'_> {
        let row = driver
            .kernels
            .iter()
            .find(|row| row.range.contains(on) && row.with.is_none_or(|with| with == file));
        let why = row.and_then(|row| self.rows.reasons.iter().find(|it| it.id == row.why));
        BuildState { build: row.map_or(Build::Unproven, |row| row.build), why }
    }

    /// The library for a driver, and whether its profile overrides are applied.
    #[must_use]
    pub fn library(&self, driver: &Driver) -> Overrides<'_> {
        let release = driver.release;
        let libraries = || self.rows.libraries.iter().filter(|it| it.releases.contains(release));
        let Some(layout) = self.rows.layouts.iter().find(|row| row.releases.contains(release))
        else {
            return libraries().next_back().map_or(Overrides::NoLibrary, Overrides::Ignored);
        };
        let knows = |it: &&Library| {
            layout.sizes.is_empty() || layout.sizes.iter().any(|size| it.sizes.contains(size))
        };
        match (libraries().find(knows), layout.state) {
            (Some(library), State::Settled) => Overrides::Applied(library),
            (Some(library), State::Unproven) => Overrides::Unproven(library, layout),
            (None, _) => libraries().next_back().map_or(Overrides::NoLibrary, Overrides::Ignored),
        }
    }

    /// The kernels of a release of Proxmox VE, the oldest line first.
    pub fn kernels_of(&self, pve: PveSeries) -> impl Iterator<Item = &Kernel> {
        self.rows.kernels.iter().filter(move |kernel| kernel.pve == pve)
    }

    /// A piece of evidence.
    #[must_use]
    pub fn evidence(&self, id: &EvidenceId) -> Option<&Evidence> {
        self.evidence.get(id).map(|at| &self.rows.evidence[*at])
    }

    /// What a rule of the verdict rests on.
    #[must_use]
    pub fn rule(&self, rule: Rule) -> &[EvidenceId] {
        let row = self.rows.rules.iter().find(|row| row.id == rule);
        row.map_or(&[], |row| &row.evidence)
    }
}

impl<'c> Card<'c> {
    /// The device id.
    #[must_use]
    pub fn id(self) -> DeviceId {
        match self {
            Self::Known(gpu, _) => gpu.id,
            Self::Derived(id, _) | Self::Unknown(id) => id,
        }
    }

    /// The row, if there is one.
    #[must_use]
    pub fn gpu(self) -> Option<&'c Gpu> {
        match self {
            Self::Known(gpu, _) => Some(gpu),
            Self::Derived(..) | Self::Unknown(_) => None,
        }
    }

    /// The architecture, known or derived.
    #[must_use]
    pub fn architecture(self) -> Option<&'c Architecture> {
        match self {
            Self::Known(_, arch) | Self::Derived(_, arch) => Some(arch),
            Self::Unknown(_) => None,
        }
    }
}
