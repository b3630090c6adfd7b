//! The decision: the rule that a case violates, if any, and the rules that leave a doubt. It creates
//! no text, so that thousands of cases can be judged for a table or for the nearest choice.

use super::target::{loading, target};
use super::{Case, Findings, Goal, Listing};
use crate::catalog::{
    Branch, BuildReason, Card, CardUnlock, Catalog, Driver, DriverFile, Gpu, Identity, Overrides,
    Patch, Platform, Release, ReleaseRange, Rule, State, UnlockState,
};

/// A case that works, or may work.
#[derive(Debug, Clone)]
pub(super) struct Found<'c> {
    pub(super) mode: Mode<'c>,
    pub(super) card: Card<'c>,
    /// The driver; `None` for a passthrough.
    pub(super) driver: Option<Chosen<'c>>,
    pub(super) doubts: Vec<Point<'c>>,
}

/// The mode in which guests use a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode<'c> {
    /// vGPU with NVIDIA's support.
    Native,
    /// vGPU with an unlock library: presented as another GPU, or with its own identity if that is
    /// sufficient.
    Unlock(Option<&'c Identity>),
    /// Passthrough.
    Passthrough,
}

/// A driver in the suitable form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'c> {
    pub(super) driver: &'c Driver,
    pub(super) branch: &'c Branch,
    pub(super) file: DriverFile,
}

/// A rule that a case violates or that leaves a doubt, with the reason if there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point<'c> {
    pub(super) rule: Rule,
    pub(super) why: Option<&'c BuildReason>,
}

impl From<Rule> for Point<'_> {
    fn from(rule: Rule) -> Self {
        Self { rule, why: None }
    }
}

/// Decides whether a case works: in which mode and with which doubts, or which rule it violates.
pub(super) fn assess<'c>(catalog: &'c Catalog, case: &Case) -> Result<Found<'c>, Point<'c>> {
    let card = catalog.card(case.gpu).ok_or(Rule::NotNvidia)?;
    if card.gpu().is_some_and(|gpu| gpu.platform == Some(Platform::Arm)) {
        return Err(Rule::Arm.into());
    }
    match case.goal {
        Goal::Passthrough => {
            Ok(Found { mode: Mode::Passthrough, card, driver: None, doubts: Vec::new() })
        }
        Goal::Vgpu { driver, file: Some(file) } => vgpu(catalog, case, card, driver, file),
        Goal::Vgpu { driver, file: None } => {
            let form = |file| vgpu(catalog, case, card, driver, file);
            either(form(DriverFile::Original), || form(DriverFile::Patched))
        }
    }
}

/// Selects the original file if it is sufficient, the patched one if it is better.
fn either<'c>(
    original: Result<Found<'c>, Point<'c>>,
    patched: impl FnOnce() -> Result<Found<'c>, Point<'c>>,
) -> Result<Found<'c>, Point<'c>> {
    match original {
        Ok(found) if found.doubts.contains(&Rule::Native.into()) => {
            patched().ok().filter(|it| it.doubts.len() < found.doubts.len()).map_or(Ok(found), Ok)
        }
        Ok(found) => Ok(found),
        Err(refusal) => match patched() {
            Err(_) if refusal.rule != Rule::NeedsPatch => Err(refusal),
            better => better,
        },
    }
}

fn vgpu<'c>(
    catalog: &'c Catalog,
    case: &Case,
    card: Card<'c>,
    release: Release,
    file: DriverFile,
) -> Result<Found<'c>, Point<'c>> {
    let driver = catalog.driver(release).ok_or(Rule::UnknownDriver)?;
    let branch = catalog.branch(release).ok_or(Rule::UnknownDriver)?;
    let patch = catalog.patch(driver);
    let chosen = Chosen { driver, branch, file };
    let mut doubts = Vec::new();
    let mode = mode(catalog, card, &chosen, patch, case.findings, &mut doubts)?;
    if file == DriverFile::Patched {
        let patch = patch.ok_or(Rule::NoPatch)?;
        if patch.state == State::Unproven {
            doubts.push(Rule::PatchUnseen.into());
        }
    }
    if !matches!(card, Card::Known(..)) {
        doubts.push(Rule::Derived.into());
    }
    if driver.newer {
        doubts.push(Rule::NewerDriver.into());
    }
    if driver.state == State::Unproven {
        doubts.push(Rule::DriverName.into());
    }
    target(catalog, &case.target, &mut doubts)?;
    loading(catalog, case, card, &chosen, &mut doubts)?;
    if matches!(mode, Mode::Unlock(_))
        && matches!(catalog.library(driver), Overrides::Unproven(..) | Overrides::NoLibrary)
    {
        doubts.push(Rule::Overrides.into());
    }
    Ok(Found { mode, card, driver: Some(chosen), doubts })
}

/// Returns the mode of the GPU with this driver.
fn mode<'c>(
    catalog: &'c Catalog,
    card: Card<'c>,
    chosen: &Chosen<'c>,
    patch: Option<&Patch>,
    findings: Findings,
    doubts: &mut Vec<Point<'c>>,
) -> Result<Mode<'c>, Point<'c>> {
    let release = catalog.judged_as(chosen.driver);
    let says = |range: fn(&Gpu) -> Option<ReleaseRange>| {
        card.gpu().and_then(range).is_some_and(|range| range.contains(release))
    };
    match findings.listed {
        Some(Listing::Listed) => return Ok(Mode::Native),
        None if says(|gpu| gpu.native) => return Ok(Mode::Native),
        None | Some(Listing::Omitted) => {}
    }
    let doubtful = findings.listed.is_none() && says(|gpu| gpu.native_unproven);
    match unlock(catalog, card, chosen, patch, findings.listed) {
        Ok((unlocked, doubt)) => {
            doubts.extend(doubt);
            Ok(unlocked)
        }
        Err(_) if doubtful => {
            doubts.push(Rule::Native.into());
            Ok(Mode::Native)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Returns the unlocking of the GPU with this driver, and the doubts about it.
fn unlock<'c>(
    catalog: &'c Catalog,
    card: Card<'c>,
    chosen: &Chosen<'c>,
    patch: Option<&Patch>,
    listed: Option<Listing>,
) -> Result<(Mode<'c>, Option<Point<'c>>), Rule> {
    let arch = card.architecture().ok_or(Rule::NoVgpu)?;
    let Some(row) = catalog.unlock(chosen.branch, arch) else {
        return Err(why_not(catalog, card, chosen, listed));
    };
    let gpu = card.gpu();
    let state = gpu.map_or(CardUnlock::Unproven, |gpu| gpu.unlock_state);
    if state == CardUnlock::No {
        return Err(Rule::CannotUnlock);
    }
    let identity = match gpu {
        Some(gpu) => gpu.unlock.as_ref().and_then(|id| catalog.identity(id)),
        None => catalog.shown_as(card.id()),
    };
    let own_will_do = gpu.is_some_and(|gpu| gpu.native.is_some());
    if identity.is_none() && !own_will_do {
        return Err(Rule::CannotUnlock);
    }
    if patch.is_none() {
        return Err(Rule::NoPatch);
    }
    if chosen.file == DriverFile::Original {
        return Err(Rule::NeedsPatch);
    }
    let unproven = row.state == UnlockState::Unproven || state == CardUnlock::Unproven;
    Ok((Mode::Unlock(identity), unproven.then_some(Rule::Unlock.into())))
}

/// Returns why a GPU that its branch cannot unlock is not supported.
fn why_not(
    catalog: &Catalog,
    card: Card<'_>,
    chosen: &Chosen<'_>,
    listed: Option<Listing>,
) -> Rule {
    let Some(arch) = card.architecture() else { return Rule::NoVgpu };
    let gpu = card.gpu();
    let elsewhere = gpu.is_some_and(|gpu| gpu.native.or(gpu.native_unproven).is_some());
    let shown = gpu.map_or_else(
        || catalog.shown_as(card.id()).is_some(),
        |gpu| gpu.unlock.is_some() && gpu.unlock_state != CardUnlock::No,
    );
    let branches = &catalog.rows().branches;
    let unlocked_elsewhere =
        shown && branches.iter().any(|branch| catalog.unlock(branch, arch).is_some());
    if elsewhere || unlocked_elsewhere {
        Rule::OtherReleases
    } else if chosen.branch.native.contains(&arch.id)
        || branches.iter().any(|branch| branch.native.contains(&arch.id))
    {
        // That no source lists a GPU says nothing about the driver, which has a list of its own.
        if listed.is_some() { Rule::NotQualified } else { Rule::NoSource }
    } else {
        Rule::NoVgpu
    }
}
