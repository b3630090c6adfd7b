//! Alternatives to an unsuitable case, ranked by the size of the change.
//!
//! Kinds of change are tried in the order of their cost, and each kind offers its best choice only. A
//! kind that contains another one with a choice is left out: changing the kernel *and* the driver is
//! no alternative where the driver alone is sufficient.

use super::assess::{Found, assess};
use super::outcome::{Change, Choice, Mode};
use super::{Case, Findings, Goal, recipe};
use crate::catalog::{Card, Catalog, DriverFile, Kernel, Release, Rule, State};
use crate::platform::{PveRelease, PveSeries, SecureBoot};

/// The parts that can change, as bits of a kind.
const FILE: u8 = 1;
const DRIVER: u8 = 2;
const KERNEL: u8 = 4;
const FIRMWARE: u8 = 8;
const SYSTEM: u8 = 16;

/// The kinds of change, the smallest first. A new release of Proxmox VE has its own kernel.
const KINDS: [u8; 12] = [
    FILE,
    DRIVER,
    KERNEL,
    FIRMWARE,
    FILE | KERNEL,
    DRIVER | KERNEL,
    FILE | FIRMWARE,
    DRIVER | FIRMWARE,
    KERNEL | FIRMWARE,
    DRIVER | KERNEL | FIRMWARE,
    SYSTEM,
    DRIVER | SYSTEM,
];

/// The number of offered choices, without passthrough.
const ENOUGH: usize = 3;

pub(super) fn nearest(catalog: &Catalog, case: &Case, refused: Rule) -> Vec<Choice> {
    let search = Search { catalog, case };
    let mut choices = Vec::new();
    let mut found_kinds: Vec<u8> = Vec::new();
    let kinds = if search.hopeless(refused) { &[][..] } else { &KINDS };
    let mask = remedies(refused);
    for kind in kinds.iter().filter(|kind| **kind & mask != 0) {
        let contained = found_kinds.iter().any(|found| kind & found == *found);
        if choices.len() < ENOUGH
            && !contained
            && let Some(choice) = search.best(*kind)
        {
            found_kinds.push(*kind);
            choices.push(choice);
        }
    }
    choices.sort_by_key(|choice| cost(case, choice));
    choices.extend(search.passthrough());
    choices
}

/// Returns every case that one kind of change leads to.
type Step<'a, 'c> = fn(&Search<'a, 'c>, &Candidate) -> Vec<Candidate>;

struct Search<'a, 'c> {
    catalog: &'c Catalog,
    case: &'a Case,
}

/// A case that may work, and its distance from the requested one.
struct Candidate {
    case: Case,
    distance: Distance,
}

/// The distance between two cases, the most significant field first: a choice without doubt is
/// better than a nearer one with a doubt, and a native one is better than an unlocked one, but not
/// across branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Distance {
    /// Another branch, or the number of releases of Proxmox VE and the role of the kernel.
    coarse: u32,
    state: State,
    mode: Mode,
    /// Branches and releases between the drivers.
    drivers: u32,
    /// Series between the kernels.
    kernels: u32,
}

impl Distance {
    const NONE: Self =
        Self { coarse: 0, state: State::Settled, mode: Mode::Native, drivers: 0, kernels: 0 };
}

impl<'a, 'c> Search<'a, 'c> {
    /// Checks whether no driver, kernel or machine can make this GPU work.
    fn hopeless(&self, refused: Rule) -> bool {
        match refused {
            Rule::NotNvidia | Rule::Arm | Rule::NoVgpu => true,
            Rule::NotQualified | Rule::NoSource | Rule::CannotUnlock => self
                .catalog
                .card(self.case.gpu)
                .and_then(Card::gpu)
                .is_none_or(|gpu| gpu.native.is_none() && gpu.native_unproven.is_none()),
            _ => self.case.goal == Goal::Passthrough,
        }
    }

    /// Returns the best choice with exactly this kind of change.
    fn best(&self, kind: u8) -> Option<Choice> {
        let mode = self.best_mode();
        let mut candidates = self.candidates(kind);
        candidates.sort_by_key(|candidate| candidate.distance);
        let mut best: Option<(Candidate, Found<'c>)> = None;
        for mut candidate in candidates {
            let hoped = Distance { mode, ..candidate.distance };
            if best.as_ref().is_some_and(|(best, _)| best.distance <= hoped) {
                continue;
            }
            let Ok(found) = assess(self.catalog, &candidate.case) else { continue };
            candidate.distance.state = state(&found);
            candidate.distance.mode = recipe::mode(&found);
            if best.as_ref().is_none_or(|(best, _)| candidate.distance < best.distance) {
                best = Some((candidate, found));
            }
        }
        best.map(|(candidate, found)| self.choice(candidate.case, &found))
    }

    /// Returns the best possible mode of the GPU.
    fn best_mode(&self) -> Mode {
        let gpu = self.catalog.card(self.case.gpu).and_then(Card::gpu);
        let native = gpu.is_none_or(|gpu| gpu.native.or(gpu.native_unproven).is_some());
        let listed = self.case.findings.listed.is_some();
        if native || listed { Mode::Native } else { Mode::Unlock }
    }

    /// Returns every case that differs from the requested one in exactly these parts.
    fn candidates(&self, kind: u8) -> Vec<Candidate> {
        let start = Candidate { case: self.case.clone(), distance: Distance::NONE };
        let mut all = vec![start];
        let steps: [(u8, Step<'a, 'c>); 5] = [
            (FIRMWARE, Self::firmware),
            (SYSTEM, Self::systems),
            (KERNEL, Self::kernels),
            (DRIVER, Self::drivers),
            (FILE, Self::files),
        ];
        for (bit, step) in steps {
            if kind & bit != 0 {
                all = all.iter().flat_map(|candidate| step(self, candidate)).collect();
            }
        }
        all
    }

    fn firmware(&self, from: &Candidate) -> Vec<Candidate> {
        if self.case.target.secure_boot != Some(SecureBoot::Enabled) {
            return Vec::new();
        }
        let mut case = from.case.clone();
        case.target.secure_boot = Some(SecureBoot::Disabled);
        vec![Candidate { case, ..*from }]
    }

    /// Moves to newer releases of Proxmox VE, with each of their kernels, the default one first.
    fn systems(&self, from: &Candidate) -> Vec<Candidate> {
        let Some(now) = self.case.target.pve.and_then(PveRelease::series) else {
            return Vec::new();
        };
        let kernels = self.catalog.kernels().iter().filter(|kernel| kernel.pve > now);
        let moved = kernels.map(|kernel| {
            let mut case = from.case.clone();
            case.target.pve = Some(newest(kernel.pve));
            case.target.kernel = Some(kernel.newest.clone());
            case.findings = Findings { listed: case.findings.listed, ..Findings::default() };
            let majors = steps(now as u8, kernel.pve as u8);
            let role = kernel.role as u32;
            Candidate { case, distance: Distance { coarse: majors * 8 + role, ..Distance::NONE } }
        });
        moved.collect()
    }

    /// Moves to other kernels of the same release, or of any if the release is unknown.
    fn kernels(&self, from: &Candidate) -> Vec<Candidate> {
        let Some(now) = &self.case.target.kernel else { return Vec::new() };
        let pve = self.case.target.pve.and_then(PveRelease::series);
        let own = |kernel: &&Kernel| pve.is_none_or(|pve| kernel.pve == pve);
        let others = self.catalog.kernels().iter().filter(own);
        let others = others.filter(|kernel| kernel.series != now.series());
        let lines = || self.catalog.kernels().iter().filter(own).map(|kernel| kernel.series);
        let moved = others.map(|kernel| {
            let mut case = from.case.clone();
            case.target.kernel = Some(kernel.newest.clone());
            case.findings = Findings { listed: case.findings.listed, ..Findings::default() };
            let (low, high) = (now.series().min(kernel.series), now.series().max(kernel.series));
            let between = lines().filter(|line| *line > low && *line < high).count();
            let kernels = u32::try_from(between).unwrap_or(u32::MAX);
            Candidate { case, distance: Distance { kernels, ..from.distance } }
        });
        moved.collect()
    }

    /// Moves to other drivers: another branch is farther than any release of the same one.
    fn drivers(&self, from: &Candidate) -> Vec<Candidate> {
        let Goal::Vgpu { driver: now, file } = self.case.goal else { return Vec::new() };
        let others = self.catalog.drivers().iter().map(|driver| driver.release);
        let moved = others.filter(|release| *release != now).flat_map(|driver| {
            let far = u32::from(driver.branch() != now.branch());
            let branches = steps(driver.branch(), now.branch());
            let older = u32::from(driver < now);
            let minors =
                if far == 0 { steps(driver.minor(), now.minor()) * 2 + older } else { age(driver) };
            let forms = [Some(file), file.and(Some(None))].into_iter().flatten();
            forms.map(move |file| {
                let mut case = from.case.clone();
                case.goal = Goal::Vgpu { driver, file };
                case.findings = Findings { apicv: case.findings.apicv, ..Findings::default() };
                let coarse = from.distance.coarse + far;
                let drivers = branches * 512 + minors;
                Candidate { case, distance: Distance { coarse, drivers, ..from.distance } }
            })
        });
        moved.collect()
    }

    fn files(&self, from: &Candidate) -> Vec<Candidate> {
        let Goal::Vgpu { driver, file: Some(now) } = self.case.goal else { return Vec::new() };
        let others = DriverFile::ALL.iter().filter(|file| **file != now);
        let moved = others.map(|file| {
            let mut case = from.case.clone();
            case.goal = Goal::Vgpu { driver, file: Some(*file) };
            case.findings.compiled = None;
            Candidate { case, ..*from }
        });
        moved.collect()
    }

    /// Returns the passthrough, unless it was requested.
    fn passthrough(&self) -> Option<Choice> {
        let mut case = self.case.clone();
        if case.goal == Goal::Passthrough {
            return None;
        }
        case.goal = Goal::Passthrough;
        let found = assess(self.catalog, &case).ok()?;
        Some(self.choice(case, &found))
    }

    /// Returns the choice, with the suitable form of the file.
    fn choice(&self, mut case: Case, found: &Found<'c>) -> Choice {
        if let (Goal::Vgpu { file, .. }, Some(chosen)) = (&mut case.goal, &found.driver) {
            *file = Some(chosen.file);
        }
        let (mode, state) = (recipe::mode(found), state(found));
        Choice { changes: changes(self.case, &case), mode, state, case }
    }
}

fn state(found: &Found<'_>) -> State {
    if found.doubts.is_empty() { State::Settled } else { State::Unproven }
}

/// Returns the cost of a choice: a driver of another branch costs more than another kernel, one of
/// the same branch less.
fn cost(case: &Case, choice: &Choice) -> u8 {
    let branch = |goal: Goal| match goal {
        Goal::Vgpu { driver, .. } => Some(driver.branch()),
        Goal::Passthrough => None,
    };
    let same_branch = branch(case.goal) == branch(choice.case.goal);
    let of = |change: &Change| match change {
        Change::File(_) => 1,
        Change::Driver(_) if same_branch => 2,
        Change::Kernel(_) | Change::SecureBootOff => 4,
        Change::Driver(_) => 5,
        Change::Pve(_) => 12,
        Change::Passthrough => 40,
    };
    choice.changes.iter().map(of).sum()
}

/// Returns the parts of which at least one must change to satisfy a rule.
fn remedies(rule: Rule) -> u8 {
    match rule {
        Rule::NeedsPatch | Rule::NoPatch => FILE | DRIVER,
        Rule::UnknownDriver
        | Rule::OtherReleases
        | Rule::NotQualified
        | Rule::NoSource
        | Rule::CannotUnlock => DRIVER,
        Rule::Build | Rule::Apicv => FILE | DRIVER | KERNEL | SYSTEM,
        Rule::MdevOnly => DRIVER | SYSTEM,
        Rule::ForeignKernel | Rule::Pool => KERNEL | SYSTEM,
        Rule::SecureBootPve => FIRMWARE | SYSTEM,
        _ => 0,
    }
}

fn changes(from: &Case, to: &Case) -> Vec<Change> {
    let mut changes = Vec::new();
    match (from.goal, to.goal) {
        (Goal::Vgpu { driver: a, file: old }, Goal::Vgpu { driver: b, file: new }) => {
            changes.extend((a != b).then_some(Change::Driver(b)));
            let form = new.filter(|_| old.is_some() && old != new);
            changes.extend(form.map(Change::File));
        }
        (Goal::Vgpu { .. }, Goal::Passthrough) => changes.push(Change::Passthrough),
        (Goal::Passthrough, _) => {}
    }
    let (a, b) = (&from.target, &to.target);
    let pve = b.pve.filter(|pve| a.pve != Some(*pve)).and_then(PveRelease::series);
    changes.extend(pve.map(Change::Pve));
    changes.extend(b.kernel.clone().filter(|_| a.kernel != b.kernel).map(Change::Kernel));
    changes.extend((a.secure_boot != b.secure_boot).then_some(Change::SecureBootOff));
    changes
}

/// Returns the newest point release of Proxmox VE that the catalog covers.
const fn newest(pve: PveSeries) -> PveRelease {
    match pve {
        PveSeries::Seven => PveRelease::new(7, 4),
        PveSeries::Eight => PveRelease::new(8, 4),
        PveSeries::Nine => PveRelease::new(9, 2),
    }
}

fn steps(a: u8, b: u8) -> u32 {
    u32::from(a.abs_diff(b))
}

/// In another branch, the newest release is the nearest.
fn age(release: Release) -> u32 {
    u32::from(u8::MAX - release.minor())
}

impl Choice {
    /// Checks whether the GPU still provides vGPUs.
    #[must_use]
    pub fn shares(&self) -> bool {
        self.mode != Mode::Passthrough
    }
}
