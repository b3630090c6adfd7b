//! Queries of a catalog.

use std::collections::BTreeMap;

use super::extend::Added;
use super::{
    Architecture, Branch, BranchUnlock, Build, BuildReason, Bulletin, CatalogError, DeviceId,
    Driver, DriverFile, DriverVersion, Evidence, EvidenceId, Exposure, Gpu, Identity, IdentityId,
    Kernel, Layout, Library, Patch, Release, Rows, Rule, State, validate,
};
use crate::platform::{KernelSeries, PciId, PveSeries};

/// A validated catalog.
#[derive(Debug, Clone)]
pub struct Catalog {
    rows: Rows,
    pub(super) added: Added,
    /// Drivers of bundles, which are newer than the rows.
    pub(super) newer: Vec<Driver>,
    gpus: BTreeMap<DeviceId, usize>,
    evidence: BTreeMap<EvidenceId, usize>,
}

/// A GPU as recorded in the catalog: by its row, or by its device id alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card<'c> {
    /// The GPU has a row.
    Known(&'c Gpu, &'c Architecture),
    /// The GPU has no row, but its id is in a range of an architecture.
    Derived(DeviceId, &'c Architecture),
    /// The GPU has no row, and its id is in no range.
    Unknown(DeviceId),
}

/// A driver that was found by a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameOf<'c> {
    /// The name is right.
    Driver(&'c Driver),
    /// The name is recorded as a wrong name of the driver.
    Misnamed(&'c Driver),
    /// The name is that of the driver of NVIDIA AI Enterprise.
    Enterprise(&'c Driver),
}

/// Whether a driver builds on a kernel, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildState<'c> {
    /// Whether the driver builds.
    pub build: Build,
    /// The reason; `None` if no row covers the kernel.
    pub why: Option<&'c BuildReason>,
}

/// Whether the unlock library of a driver applies profile overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overrides<'c> {
    /// The library applies them.
    Applied(&'c Library),
    /// Sources disagree on the size of the structure; this library is the likelier one.
    Unproven(&'c Library, &'c Layout),
    /// The library presents the GPU as another one, but ignores overrides.
    Ignored(&'c Library),
    /// No library supports the driver.
    NoLibrary,
}

impl Catalog {
    /// Validates these rows.
    ///
    /// # Errors
    ///
    /// Rows that contradict each other.
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
        Ok(Self { rows, added: Added::new(), newer: Vec::new(), gpus, evidence })
    }

    /// Returns all rows: GPUs by id, drivers by release, kernels by release of Proxmox VE and series.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Returns the GPUs, by device id.
    #[must_use]
    pub fn gpus(&self) -> &[Gpu] {
        &self.rows.gpus
    }

    /// Returns the drivers, the oldest release first.
    #[must_use]
    pub fn drivers(&self) -> &[Driver] {
        &self.rows.drivers
    }

    /// Returns the kernels, by release of Proxmox VE and series.
    #[must_use]
    pub fn kernels(&self) -> &[Kernel] {
        &self.rows.kernels
    }

    /// Returns the row of a GPU.
    #[must_use]
    pub fn gpu(&self, id: DeviceId) -> Option<&Gpu> {
        self.gpus.get(&id).map(|at| &self.rows.gpus[*at])
    }

    /// Looks up a device; `None` if it is not an NVIDIA device.
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

    /// Returns the host driver of a release, recorded or [admitted](Self::admit).
    #[must_use]
    pub fn driver(&self, release: Release) -> Option<&Driver> {
        match self.rows.drivers.binary_search_by_key(&release, |driver| driver.release) {
            Ok(at) => Some(&self.rows.drivers[at]),
            Err(_) => self.newer.iter().find(|driver| driver.release == release),
        }
    }

    /// Returns the drivers with this host version, the oldest release first: 16.4 and 16.5 share one.
    pub fn drivers_by_host(&self, host: &DriverVersion) -> impl Iterator<Item = &Driver> {
        self.rows.drivers.iter().chain(&self.newer).filter(move |driver| driver.host == *host)
    }

    /// Finds a driver by the name of its file, including recorded wrong names. Of several releases
    /// with the same file, returns the newest.
    #[must_use]
    pub fn driver_by_file(&self, name: &str) -> Option<NameOf<'_>> {
        let mut newest = self.rows.drivers.iter().rev();
        let misnamed =
            || self.rows.drivers.iter().rev().find(|it| it.misnamed.iter().any(|it| it == name));
        let right = newest.find(|driver| driver.file == name).map(NameOf::Driver);
        let enterprise = || self.rows.drivers.iter().rev().find(|it| it.enterprise_file() == name);
        right
            .or_else(|| misnamed().map(NameOf::Misnamed))
            .or_else(|| enterprise().map(NameOf::Enterprise))
    }

    /// Returns the branch of a release.
    #[must_use]
    pub fn branch(&self, release: Release) -> Option<&Branch> {
        self.rows.branches.iter().find(|branch| branch.major == release.branch())
    }

    /// Returns whether GPUs of an architecture can be unlocked with a branch; `None` if they
    /// cannot.
    #[must_use]
    pub fn unlock<'b>(&self, branch: &'b Branch, arch: &Architecture) -> Option<&'b BranchUnlock> {
        branch.unlock.iter().find(|unlock| unlock.arch == arch.id)
    }

    /// Returns the unlock patch of a driver; `None` if none exists.
    #[must_use]
    pub fn patch(&self, driver: &Driver) -> Option<&Patch> {
        let host = driver.patch.as_ref()?;
        self.rows.patches.iter().find(|patch| patch.host == *host)
    }

    /// Returns the identity with this id.
    #[must_use]
    pub fn identity(&self, id: &IdentityId) -> Option<&Identity> {
        self.rows.identities.iter().find(|identity| identity.id == *id)
    }

    /// Returns the GPU as which a library presents this device id, even without a row.
    #[must_use]
    pub fn shown_as(&self, id: DeviceId) -> Option<&Identity> {
        let shows = |it: &&Identity| it.shown.iter().any(|range| range.contains(id));
        self.rows.identities.iter().find(shows)
    }

    /// Returns whether a driver's modules build on a kernel series.
    #[must_use]
    pub fn build(&self, driver: &Driver, file: DriverFile, on: KernelSeries) -> BuildState<'_> {
        let row = driver
            .kernels
            .iter()
            .find(|row| row.range.contains(on) && row.with.is_none_or(|with| with == file));
        let why = row.and_then(|row| self.rows.reasons.iter().find(|it| it.id == row.why));
        BuildState { build: row.map_or(Build::Unproven, |row| row.build), why }
    }

    /// Returns the library for a driver, and whether it applies profile overrides.
    #[must_use]
    pub fn library(&self, driver: &Driver) -> Overrides<'_> {
        let release = self.judged_as(driver);
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

    /// Returns the security bulletins that concern a driver.
    pub fn bulletins(&self, driver: &Driver) -> impl Iterator<Item = (&Bulletin, Exposure)> {
        // Nothing says what a driver that is newer than the bulletin has.
        let release = (!driver.newer).then_some(driver.release);
        let concerns = move |it| Some((it, Bulletin::exposes(it, release?)?));
        self.rows.bulletins.iter().filter_map(concerns)
    }

    /// Returns the kernels of a release of Proxmox VE, the oldest series first.
    pub fn kernels_of(&self, pve: PveSeries) -> impl Iterator<Item = &Kernel> {
        self.rows.kernels.iter().filter(move |kernel| kernel.pve == pve)
    }

    /// Returns a piece of evidence.
    #[must_use]
    pub fn evidence(&self, id: &EvidenceId) -> Option<&Evidence> {
        self.evidence.get(id).map(|at| &self.rows.evidence[*at])
    }

    /// Returns the evidence of a rule of the verdict.
    #[must_use]
    pub fn rule(&self, rule: Rule) -> &[EvidenceId] {
        let row = self.rows.rules.iter().find(|row| row.id == rule);
        row.map_or(&[], |row| &row.evidence)
    }
}

impl<'c> Card<'c> {
    /// Returns the device id.
    #[must_use]
    pub fn id(self) -> DeviceId {
        match self {
            Self::Known(gpu, _) => gpu.id,
            Self::Derived(id, _) | Self::Unknown(id) => id,
        }
    }

    /// Returns the row, if the GPU has one.
    #[must_use]
    pub fn gpu(self) -> Option<&'c Gpu> {
        match self {
            Self::Known(gpu, _) => Some(gpu),
            Self::Derived(..) | Self::Unknown(_) => None,
        }
    }

    /// Returns the architecture, recorded or derived.
    #[must_use]
    pub fn architecture(self) -> Option<&'c Architecture> {
        match self {
            Self::Known(_, arch) | Self::Derived(_, arch) => Some(arch),
            Self::Unknown(_) => None,
        }
    }
}
