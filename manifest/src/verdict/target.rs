//! The rules about the machine: its kernel, its firmware, its root pool.

use super::assess::{Chosen, Point};
use super::{Case, Compiled, Export, PoolFeatures, Target};
use crate::catalog::{Apicv, Build, Card, Catalog, Mediation, Modules, Rule, SrIov};
use crate::platform::{
    BootLoader, KernelRelease, KernelSeries, PveRelease, PveSeries, RootFs, SecureBoot,
};

/// The first kernel series that lacks `enable_apicv` according to one source.
const APICV_DOUBTED: KernelSeries = KernelSeries::new(6, 8);

/// The first kernel whose ZFS supports the features of `OpenZFS` 2.4.
const ZFS_2_4: KernelSeries = KernelSeries::new(7, 0);

/// The first release that may create its root pool with `OpenZFS` 2.4.
const PVE_WITH_ZFS_2_4: PveRelease = PveRelease::new(9, 2);

/// The first release that supports Secure Boot.
const PVE_WITH_SECURE_BOOT: PveRelease = PveRelease::new(8, 1);

/// Checks whether the parts of the machine work together.
pub(super) fn target<'c>(
    catalog: &Catalog,
    target: &Target,
    doubts: &mut Vec<Point<'c>>,
) -> Result<(), Point<'c>> {
    if target.pve.is_some_and(|pve| pve.series().is_none()) {
        return Err(Rule::UnknownPve.into());
    }
    if target.secure_boot == Some(SecureBoot::Enabled) {
        if target.pve.is_some_and(|pve| pve < PVE_WITH_SECURE_BOOT) {
            return Err(Rule::SecureBootPve.into());
        }
        if target.boot_loader == Some(BootLoader::SystemdBoot) {
            doubts.push(Rule::SecureBootLoader.into());
        }
    }
    if let Some(kernel) = &target.kernel {
        home(catalog, target, kernel, doubts)?;
        pool(target, kernel, doubts)?;
    }
    Ok(())
}

/// Checks whether the kernel is one of the release.
fn home<'c>(
    catalog: &Catalog,
    target: &Target,
    kernel: &KernelRelease,
    doubts: &mut Vec<Point<'c>>,
) -> Result<(), Point<'c>> {
    let Some(pve) = target.pve.and_then(PveRelease::series) else { return Ok(()) };
    let of = |series: PveSeries| catalog.kernels_of(series).any(|it| it.series == kernel.series());
    if of(pve) {
        return Ok(());
    }
    if PveSeries::ALL.iter().any(|series| of(*series)) {
        return Err(Rule::ForeignKernel.into());
    }
    doubts.push(Rule::ForeignKernel.into());
    Ok(())
}

/// Checks whether the kernel can import the root pool.
fn pool<'c>(
    target: &Target,
    kernel: &KernelRelease,
    doubts: &mut Vec<Point<'c>>,
) -> Result<(), Point<'c>> {
    if target.root != Some(RootFs::Zfs) || kernel.series() >= ZFS_2_4 {
        return Ok(());
    }
    match target.pool {
        Some(PoolFeatures::OpenZfs24) => Err(Rule::Pool.into()),
        Some(PoolFeatures::Classic) => Ok(()),
        None => {
            if target.pve.is_some_and(|pve| pve >= PVE_WITH_ZFS_2_4) {
                doubts.push(Rule::Pool.into());
            }
            Ok(())
        }
    }
}

/// Checks whether the driver's modules build and load, and whether guests can use its vGPUs.
pub(super) fn loading<'c>(
    catalog: &'c Catalog,
    case: &Case,
    card: Card<'c>,
    chosen: &Chosen<'c>,
    doubts: &mut Vec<Point<'c>>,
) -> Result<(), Point<'c>> {
    if let Some(kernel) = &case.target.kernel {
        build(catalog, case, kernel, chosen, doubts)?;
    }
    apicv(case, chosen, doubts)?;
    mediation(case, card, chosen, doubts)
}

fn build<'c>(
    catalog: &'c Catalog,
    case: &Case,
    kernel: &KernelRelease,
    chosen: &Chosen<'c>,
    doubts: &mut Vec<Point<'c>>,
) -> Result<(), Point<'c>> {
    match case.findings.compiled {
        Some(Compiled::Compiles) => return Ok(()),
        Some(Compiled::Fails) => return Err(Rule::Build.into()),
        None => {}
    }
    let state = catalog.build(chosen.driver, chosen.file, kernel.series());
    let point = Point { rule: Rule::Build, why: state.why };
    match state.build {
        Build::Builds => Ok(()),
        Build::Fails => Err(point),
        Build::Unproven => {
            doubts.push(point);
            Ok(())
        }
    }
}

fn apicv<'c>(
    case: &Case,
    chosen: &Chosen<'c>,
    doubts: &mut Vec<Point<'c>>,
) -> Result<(), Point<'c>> {
    // KVM got the export in 2021 (kvm mailing list, 17 May 2021: "Invert APICv/AVIC enablement
    // check"). The driver also supports older kernels, so there a missing export decides nothing.
    let doubted = case.target.kernel.as_ref().is_some_and(|it| it.series() >= APICV_DOUBTED);
    match (chosen.branch.apicv, case.findings.apicv) {
        (Apicv::Used, Some(Export::Missing)) if doubted => Err(Rule::Apicv.into()),
        (Apicv::Partly, Some(Export::Missing)) | (Apicv::Used, None) if doubted => {
            doubts.push(Rule::Apicv.into());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// PVE 7 supports mediated devices only.
fn mediation<'c>(
    case: &Case,
    card: Card<'c>,
    chosen: &Chosen<'c>,
    doubts: &mut Vec<Point<'c>>,
) -> Result<(), Point<'c>> {
    if case.target.pve.and_then(PveRelease::series) != Some(PveSeries::Seven) {
        return Ok(());
    }
    let Some(arch) = card.architecture() else { return Ok(()) };
    let functions = arch.sriov == SrIov::Yes;
    match chosen.branch.mediation {
        Mediation::Vendor if functions => Err(Rule::MdevOnly.into()),
        Mediation::Vendor => {
            doubts.push(Rule::MdevOnly.into());
            Ok(())
        }
        Mediation::Either if functions && arch.modules == Modules::Open => {
            doubts.push(Rule::MdevOnly.into());
            Ok(())
        }
        Mediation::Either | Mediation::Mdev => Ok(()),
    }
}
