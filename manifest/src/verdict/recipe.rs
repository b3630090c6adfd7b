//! The recipe for a suitable case.

use super::assess::{Chosen, Found, Mode as Way, Point};
use super::outcome::{Config, GpuName, Install, Mode, RebootFor, Suitable, Unlock};
use super::statement::Subject;
use crate::catalog::{
    Card, Catalog, DriverFile, Modules, Overrides, Rule, SrIov, State, UnlockState,
};
use crate::platform::{CpuVendor, KernelRelease, KernelSeries, SecureBoot};

/// The first series in which `vfio_virqfd` is part of `vfio`.
const VIRQFD_MERGED: KernelSeries = KernelSeries::new(6, 2);

/// The first branch whose installer supports `--skip-module-load`.
const SKIPS_LOADING: u8 = 17;

pub(super) fn suitable<'c>(subject: Subject<'_, 'c>, found: &Found<'c>) -> Suitable<'c> {
    let doubts: Vec<_> = found.doubts.iter().map(|point| subject.doubt(*point)).collect();
    let recipe = Recipe { subject, found };
    Suitable {
        gpu: gpu_name(found.card),
        mode: mode(found),
        state: if doubts.is_empty() { State::Settled } else { State::Unproven },
        doubts,
        driver: found.driver.map(|chosen| recipe.install(&chosen)),
        unlock: recipe.unlock(),
        packages: super::packages::required(subject, found),
        recommended: super::packages::recommended(subject, found),
        kernel_package: super::packages::kernel(subject, found),
        kernel_words: recipe.kernel_words(),
        boot_loader: subject.case.target.boot_loader,
        modprobe: vec!["blacklist nouveau", "options nouveau modeset=0"],
        load: recipe.load(),
        reboots: vec![recipe.reboot()],
        console: super::notes::console(subject, found),
        warnings: super::notes::warnings(subject, found),
        evidence: recipe.evidence(),
    }
}

pub(super) fn mode(found: &Found<'_>) -> Mode {
    match found.mode {
        Way::Native => Mode::Native,
        Way::Unlock(_) => Mode::Unlock,
        Way::Passthrough => Mode::Passthrough,
    }
}

pub(super) fn gpu_name(card: Card<'_>) -> GpuName {
    let name = match card {
        Card::Known(gpu, _) => gpu.name.clone(),
        Card::Derived(..) | Card::Unknown(_) => "unknown".to_owned(),
    };
    let arch = card.architecture().map(|arch| arch.id.to_string());
    GpuName { id: card.id(), name, arch }
}

/// Checks whether modules must be signed.
pub(super) fn signs(subject: Subject<'_, '_>, found: &Found<'_>) -> bool {
    found.driver.is_some() && subject.case.target.secure_boot == Some(SecureBoot::Enabled)
}

/// Checks whether vGPUs use virtual functions of this GPU.
pub(super) fn has_functions(found: &Found<'_>) -> bool {
    let arch = found.card.architecture();
    found.mode == Way::Native && arch.is_some_and(|arch| arch.sriov == SrIov::Yes)
}

struct Recipe<'a, 'f, 'c> {
    subject: Subject<'a, 'c>,
    found: &'f Found<'c>,
}

impl<'c> Recipe<'_, '_, 'c> {
    fn catalog(&self) -> &'c Catalog {
        self.subject.catalog
    }

    /// Returns the call of the NVIDIA installer. It selects the right modules for a qualified GPU,
    /// and the wrong ones for a GPU that is presented as one.
    fn install(&self, chosen: &Chosen<'c>) -> Install<'c> {
        let unlocked = matches!(self.found.mode, Way::Unlock(_));
        let mut args = vec!["--dkms".to_owned()];
        if unlocked {
            args.extend(chosen.branch.unlock_args.iter().cloned());
        }
        args.push("-s".to_owned());
        if signs(self.subject, self.found) && chosen.branch.major >= SKIPS_LOADING {
            args.push("--skip-module-load".to_owned());
        }
        let arch = self.found.card.architecture().map(|arch| arch.modules);
        let open = !unlocked && chosen.branch.flavour == Modules::Open;
        let modules = arch.filter(|_| open).unwrap_or(Modules::Proprietary);
        Install { driver: chosen.driver, file: chosen.file, args, modules }
    }

    fn unlock(&self) -> Option<Unlock<'c>> {
        let Way::Unlock(shown_as) = self.found.mode else { return None };
        let chosen = self.found.driver?;
        let library = match self.catalog().library(chosen.driver) {
            Overrides::Applied(it) | Overrides::Unproven(it, _) | Overrides::Ignored(it) => {
                Some(it)
            }
            Overrides::NoLibrary => None,
        };
        let arch = self.found.card.architecture();
        let row = arch.and_then(|arch| self.catalog().unlock(chosen.branch, arch));
        let old = row.is_some_and(|row| row.state == UnlockState::OldConfig);
        let config = if old { Config::Branch16 } else { Config::Own };
        Some(Unlock { shown_as, patch: self.catalog().patch(chosen.driver), library, config })
    }

    fn kernel_words(&self) -> Vec<&'static str> {
        match self.subject.case.target.cpu {
            Some(CpuVendor::Intel) => vec!["intel_iommu=on", "iommu=pt"],
            Some(CpuVendor::Amd | CpuVendor::Other) | None => vec!["iommu=pt"],
        }
    }

    /// Passthrough binds the GPU to vfio-pci at boot; for vGPU, the driver loads its own modules.
    fn load(&self) -> Vec<&'static str> {
        if self.found.mode != Way::Passthrough {
            return Vec::new();
        }
        let mut modules = vec!["vfio", "vfio_iommu_type1", "vfio_pci"];
        let series = self.subject.case.target.kernel.as_ref().map(KernelRelease::series);
        if series.is_some_and(|series| series < VIRQFD_MERGED) {
            modules.push("vfio_virqfd");
        }
        modules
    }

    /// One reboot is sufficient, even for the enrollment of the key.
    fn reboot(&self) -> Vec<RebootFor> {
        let mut reasons = vec![RebootFor::KernelWords, RebootFor::ReleaseCard];
        if signs(self.subject, self.found) {
            reasons.push(RebootFor::ModuleKey);
        }
        reasons
    }

    fn evidence(&self) -> Vec<&'c crate::catalog::Evidence> {
        let catalog = self.catalog();
        let mut ids = Vec::new();
        ids.extend(self.found.card.gpu().iter().flat_map(|gpu| &gpu.evidence));
        if let Some(chosen) = &self.found.driver {
            ids.extend(&chosen.driver.evidence);
            if let Way::Unlock(_) = self.found.mode {
                let arch = self.found.card.architecture();
                let row = arch.and_then(|arch| catalog.unlock(chosen.branch, arch));
                ids.extend(row.iter().flat_map(|row| &row.evidence));
            }
            if chosen.file == DriverFile::Patched {
                let patch = catalog.patch(chosen.driver);
                ids.extend(patch.iter().flat_map(|patch| &patch.evidence));
            }
            if let Some(kernel) = &self.subject.case.target.kernel {
                let why = catalog.build(chosen.driver, chosen.file, kernel.series()).why;
                ids.extend(why.iter().flat_map(|why| &why.evidence));
            }
            ids.extend(catalog.rule(Rule::Modules));
        } else {
            ids.extend(catalog.rule(Rule::Passthrough));
        }
        self.subject.resolve(ids)
    }
}

pub(super) fn point<'c>(rule: Rule) -> Point<'c> {
    rule.into()
}
