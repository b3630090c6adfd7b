//! The best driver for a machine, and why not the others: a pure function.

mod text;

use std::cmp::Reverse;

use vgpu_manifest::catalog::{Catalog, Month, Release, Rule, State};
use vgpu_manifest::platform::{KernelRelease, PciId, PveRelease};
use vgpu_manifest::ui::Exit;
use vgpu_manifest::verdict::{
    Case, Choice, Config, Findings, Goal, Install, Listing, Mode, Suitability, Suitable, Target,
    Targets, Unlock, Verdict, judge,
};

use crate::items::driver::HostFile;

/// A proposal for a machine.
#[derive(Debug)]
pub(crate) struct Proposal<'c> {
    catalog: &'c Catalog,
    known: Known,
    /// The machine, with the kernel that it should run.
    target: Target,
    goal: Goal,
    /// The supported GPUs, each with its mode.
    served: Vec<(PciId, Suitable<'c>)>,
    /// The other GPUs, each with the reason.
    left_out: Vec<(PciId, String)>,
    /// The running kernel, if the machine should boot another one.
    leaves: Option<KernelRelease>,
    /// The drivers that were not chosen, the newest first, each with the reason.
    others: Vec<(Release, String)>,
}

/// Facts beside the catalog.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// The current month; `None` if the support by NVIDIA does not matter.
    pub(crate) month: Option<Month>,
    /// The host driver that the operator has.
    pub(crate) file: Option<HostFile>,
}

impl Known {
    fn case(&self, catalog: &Catalog, gpu: PciId, goal: Goal, target: &Target) -> Case {
        let release = match goal {
            Goal::Vgpu { driver, .. } => catalog.driver(driver),
            Goal::Passthrough => None,
        };
        let file =
            self.file.as_ref().filter(|file| release.is_some_and(|it| it.host == file.version));
        let listed = file.and_then(|file| file.gpus.as_ref()).map(|gpus| {
            let is_listed = gpus.iter().any(|listed| listed.0 == gpu.device());
            if is_listed { Listing::Listed } else { Listing::Omitted }
        });
        Case {
            gpu,
            goal,
            target: target.clone(),
            findings: Findings { listed, ..Findings::default() },
        }
    }

    /// Returns whether NVIDIA supports the driver this month, which is no question for a
    /// passthrough.
    fn is_supported(&self, catalog: &Catalog, goal: Goal) -> bool {
        let Goal::Vgpu { driver, .. } = goal else { return true };
        let month = self.month.as_ref().zip(catalog.branch(driver));
        month.is_none_or(|(month, branch)| branch.is_supported(month))
    }
}

/// The choice of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The best driver.
    Best,
    Driver(Release),
    /// Each GPU is passed through to one guest.
    Passthrough,
}

impl<'c> Proposal<'c> {
    /// Returns the best proposal for these GPUs on the running kernel. If nothing works there, or
    /// only with many doubts, other kernels of the same Proxmox VE release are considered.
    pub(crate) fn make(
        catalog: &'c Catalog,
        target: &Target,
        gpus: &[PciId],
        wish: Wish,
        known: &Known,
    ) -> anyhow::Result<Self> {
        let nvidia = gpus.iter().filter(|gpu| gpu.vendor() == PciId::NVIDIA);
        let gpus: Vec<_> = nvidia.copied().collect();
        if gpus.is_empty() {
            return Err(Exit::Unsuitable.error("the machine has no NVIDIA GPU").into());
        }
        let goals = goals(catalog, wish);
        let machines = std::iter::once(target.clone()).chain(other_kernels(catalog, target));
        let machines: Vec<_> = machines.collect();
        let each = machines.iter().flat_map(|at| goals.iter().map(move |goal| (at, *goal)));
        let found = each
            .filter_map(|(at, goal)| {
                let rank = rank(catalog, known, at, &gpus, goal, Move::between(target, at))?;
                Some(Candidate { target: at.clone(), goal, rank })
            })
            .max_by_key(|candidate| candidate.rank);
        let Some(Candidate { target: chosen, goal, .. }) = found else {
            let reasons = why_nothing(catalog, known, target, &gpus, &goals).join("; ");
            return Err(Exit::Unsuitable.error(reasons).into());
        };
        let mut proposal = Self {
            catalog,
            known: known.clone(),
            leaves: target.kernel.clone().filter(|_| chosen.kernel != target.kernel),
            target: chosen,
            goal,
            served: Vec::new(),
            left_out: Vec::new(),
            others: Vec::new(),
        };
        proposal.sort_gpus(&gpus);
        proposal.others = proposal.others(&gpus);
        Ok(proposal)
    }

    /// Returns the `[targets]` of the recipe.
    pub(crate) fn targets(&self) -> Option<Targets> {
        let Goal::Vgpu { driver, .. } = self.goal else { return None };
        let mut gpu: Vec<_> = self.served.iter().map(|(gpu, _)| *gpu).collect();
        gpu.sort_unstable();
        gpu.dedup();
        let Target { pve, kernel, secure_boot, boot_loader, root, cpu, .. } = self.target.clone();
        Some(Targets { gpu, driver, file: None, pve, kernel, secure_boot, boot_loader, root, cpu })
    }

    /// Returns one of the verdicts that the recipe follows; they are equal in all properties of the
    /// host.
    fn verdict(&self) -> Option<&Suitable<'c>> {
        self.served.first().map(|(_, verdict)| verdict)
    }

    /// Returns the NVIDIA vGPU release and the file name of its host driver; `None` for
    /// passthrough.
    pub(crate) fn driver(&self) -> Option<(Release, &'c str)> {
        let driver = self.verdict()?.driver.as_ref()?.driver;
        Some((driver.release, &driver.file))
    }

    /// Returns the installation of the driver; `None` for passthrough.
    pub(crate) fn install(&self) -> Option<&Install<'c>> {
        self.verdict()?.driver.as_ref()
    }

    /// Returns the unlocking; `None` unless a GPU is unlocked.
    pub(crate) fn unlock(&self) -> Option<&Unlock<'c>> {
        self.verdict()?.unlock.as_ref()
    }

    /// Returns the packages that a machine needs, given its running kernel, if known.
    pub(crate) fn packages(&self, running: Option<&KernelRelease>) -> Vec<&str> {
        let mut packages: Vec<&str> = Vec::new();
        let stays = self.leaves.is_none()
            && running.is_none_or(|it| Some(it) == self.target.kernel.as_ref());
        for (_, verdict) in &self.served {
            let kernel = verdict.kernel_package.iter().filter(|_| !stays);
            for package in verdict.packages.iter().chain(&verdict.recommended).chain(kernel) {
                if !packages.contains(&package.as_str()) {
                    packages.push(package);
                }
            }
        }
        packages
    }

    /// Returns the Proxmox VE release, if known.
    pub(crate) fn pve(&self) -> Option<PveRelease> {
        self.target.pve
    }

    /// Returns the modules to load at boot.
    pub(crate) fn modules(&self) -> &[&'static str] {
        self.verdict().map_or(&[], |verdict| &verdict.load)
    }

    /// Returns lines for modprobe.
    pub(crate) fn modprobe(&self) -> &[&'static str] {
        self.verdict().map_or(&[], |verdict| &verdict.modprobe)
    }

    fn sort_gpus(&mut self, gpus: &[PciId]) {
        let together = Together::of(self.catalog, &self.known, &self.target, gpus, self.goal);
        for gpu in gpus {
            let case = self.known.case(self.catalog, *gpu, self.goal, &self.target);
            let clash = together.dropped.iter().find(|(dropped, _)| dropped == gpu);
            match (judge(self.catalog, &case), clash) {
                (Verdict::Suitable(verdict), None) => self.served.push((*gpu, *verdict)),
                (Verdict::Suitable(_), Some((_, why))) => self.left_out.push((*gpu, why.clone())),
                (Verdict::Unsuitable(verdict), _) => {
                    self.left_out.push((*gpu, verdict.reason.says));
                }
            }
        }
    }

    /// Returns why the other drivers were not chosen, the newest first.
    fn others(&self, gpus: &[PciId]) -> Vec<(Release, String)> {
        let releases = self.catalog.drivers().iter().rev().map(|driver| driver.release);
        let others = releases.filter(|release| match self.goal {
            Goal::Vgpu { driver, .. } => *release != driver,
            Goal::Passthrough => false,
        });
        others.map(|release| (release, self.why_not(release, gpus))).collect()
    }

    fn why_not(&self, release: Release, gpus: &[PciId]) -> String {
        let goal = Goal::Vgpu { driver: release, file: None };
        let together = Together::of(self.catalog, &self.known, &self.target, gpus, goal);
        let suitability = together.suitability;
        let served = self.served.iter().map(|(gpu, _)| *gpu).collect::<Vec<_>>();
        // Of two drivers that NVIDIA no longer supports, neither is better for that.
        let is_supported = |goal| self.known.is_supported(self.catalog, goal);
        let ended = self.catalog.branch(release).map(|branch| &branch.end_of_life);
        let ended = ended.filter(|_| is_supported(self.goal) && !is_supported(goal));
        for gpu in suitability.gpus.iter().filter(|judged| served.contains(&judged.gpu)) {
            match (&gpu.verdict, ended) {
                (Verdict::Unsuitable(it), _) => return it.reason.says.clone(),
                (Verdict::Suitable(_), Some(month)) => {
                    return format!("also works, but NVIDIA's support ended in {month}");
                }
                (Verdict::Suitable(it), None) if it.state == State::Unproven => {
                    let doubts: Vec<_> =
                        it.doubts.iter().map(|doubt| doubt.statement.says.clone()).collect();
                    return format!("{}, unverified: {}", it.mode, doubts.join("; "));
                }
                (Verdict::Suitable(it), None) if it.mode != self.mode() => {
                    return format!("also works, with the GPU in mode {}", it.mode);
                }
                (Verdict::Suitable(it), None) if borrows(it) => {
                    return "also works, with the vgpuConfig.xml of a 16.x driver".to_owned();
                }
                (Verdict::Suitable(_), None) => {}
            }
        }
        if let Some((_, clash)) = together.dropped.iter().find(|(gpu, _)| served.contains(gpu)) {
            return clash.clone();
        }
        "also works (older)".to_owned()
    }

    fn mode(&self) -> Mode {
        self.verdict().map_or(Mode::Passthrough, |verdict| verdict.mode)
    }
}

/// Returns all options in ascending order of preference among equals: the newest last.
fn goals(catalog: &Catalog, wish: Wish) -> Vec<Goal> {
    let vgpu = |driver| Goal::Vgpu { driver, file: None };
    match wish {
        Wish::Best => catalog.drivers().iter().map(|driver| vgpu(driver.release)).collect(),
        Wish::Driver(driver) => vec![vgpu(driver)],
        Wish::Passthrough => vec![Goal::Passthrough],
    }
}

/// The GPUs that one host can serve with a driver.
struct Together<'c> {
    /// The verdicts, without the GPUs that conflict with others.
    suitability: Suitability<'c>,
    /// The suitable GPUs that conflict with the others, each with the conflict.
    dropped: Vec<(PciId, String)>,
}

impl<'c> Together<'c> {
    /// Keeps as many suitable GPUs as have no conflict with each other; of equal choices the one
    /// with the first GPU.
    fn of(
        catalog: &'c Catalog,
        known: &Known,
        target: &Target,
        gpus: &[PciId],
        goal: Goal,
    ) -> Self {
        let of = |gpus: &[PciId]| {
            let cases = gpus.iter().map(|gpu| known.case(catalog, *gpu, goal, target));
            Suitability::of(catalog, cases)
        };
        let all = of(gpus);
        if all.clashes.is_empty() {
            return Self { suitability: all, dropped: Vec::new() };
        }
        let suitable = all.gpus.iter().filter(|gpu| gpu.verdict.suitable().is_some());
        let mut kinds: Vec<_> = suitable.map(|gpu| gpu.gpu).collect();
        kinds.sort_by_key(|gpu| gpus.iter().position(|it| it == gpu));
        kinds.dedup();
        let clash = |kept: &[PciId], gpu: PciId| {
            let clashes = of(&[kept, &[gpu]].concat()).clashes;
            clashes.into_iter().next().map(|clash| clash.says)
        };
        let from = |first: &PciId| {
            let mut kept = vec![*first];
            for gpu in kinds.iter().filter(|gpu| *gpu != first) {
                if clash(&kept, *gpu).is_none() {
                    kept.push(*gpu);
                }
            }
            kept
        };
        let count = |kept: &[PciId]| gpus.iter().filter(|gpu| kept.contains(gpu)).count();
        // `max_by_key` takes the last of equals.
        let kept = kinds.iter().rev().map(from).max_by_key(|kept| count(kept)).unwrap_or_default();
        let others = kinds.iter().filter(|gpu| !kept.contains(gpu));
        let dropped: Vec<_> = others.filter_map(|gpu| Some((*gpu, clash(&kept, *gpu)?))).collect();
        let is_dropped = |gpu: &PciId| dropped.iter().any(|(dropped, _)| dropped == gpu);
        let rest: Vec<_> = gpus.iter().copied().filter(|gpu| !is_dropped(gpu)).collect();
        Self { suitability: of(&rest), dropped }
    }
}

/// An option.
#[derive(Debug)]
struct Candidate {
    target: Target,
    goal: Goal,
    rank: Rank,
}

/// The kernel that an option needs: the running one or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Move {
    OtherKernel,
    Stays,
}

impl Move {
    fn between(from: &Target, to: &Target) -> Self {
        if from.kernel == to.kernel { Self::Stays } else { Self::OtherKernel }
    }

    /// The number of doubts that outweighs a change of the kernel.
    fn cost(self) -> usize {
        match self {
            Self::Stays => 0,
            Self::OtherKernel => 2,
        }
    }
}

/// Returns the machine with each other kernel of its Proxmox VE release.
fn other_kernels<'a>(
    catalog: &'a Catalog,
    target: &'a Target,
) -> impl Iterator<Item = Target> + 'a {
    let now = target.kernel.as_ref().map(KernelRelease::series);
    let series = target.pve.and_then(PveRelease::series).filter(|_| now.is_some());
    let kernels = series.into_iter().flat_map(|series| catalog.kernels_of(series));
    let others = kernels.filter(move |kernel| Some(kernel.series) != now);
    others.map(|kernel| Target { kernel: Some(kernel.newest.clone()), ..target.clone() })
}

/// Returns the rank: more GPUs first, then a driver that NVIDIA supports, fewer doubts, the running
/// kernel, fewer unlocked GPUs, the newer driver.
type Rank = (usize, bool, Reverse<usize>, Move, Reverse<usize>, Option<Release>);

/// Doubts about the support of a GPU weigh more than doubts about a kernel.
fn weight(rule: Rule) -> usize {
    match rule {
        Rule::Native | Rule::Unlock | Rule::PatchUnseen | Rule::Derived => 2,
        _ => 1,
    }
}

/// Returns whether a GPU may not work at all, whatever the operator has and the machine runs.
fn may_fail(rule: Rule) -> bool {
    matches!(rule, Rule::Native | Rule::Unlock | Rule::Derived)
}

/// Returns whether a second driver is needed, only for its `vgpuConfig.xml`.
fn borrows(verdict: &Suitable<'_>) -> bool {
    verdict.unlock.as_ref().is_some_and(|unlock| unlock.config == Config::Branch16)
}

/// Returns `None` if no GPU is supported.
fn rank(
    catalog: &Catalog,
    known: &Known,
    target: &Target,
    gpus: &[PciId],
    goal: Goal,
    moves: Move,
) -> Option<Rank> {
    let suitability = Together::of(catalog, known, target, gpus, goal).suitability;
    let suitable: Vec<_> =
        suitability.gpus.iter().filter_map(|gpu| gpu.verdict.suitable()).collect();
    if suitable.is_empty() {
        return None;
    }
    let doubts = || suitable.iter().flat_map(|verdict| &verdict.doubts).map(|it| it.statement.rule);
    // A driver that may not work is no better than one that NVIDIA no longer supports.
    let supported = known.is_supported(catalog, goal) && !doubts().any(may_fail);
    let doubts: usize = doubts().map(weight).sum();
    let borrowing = suitable.iter().filter(|verdict| borrows(verdict)).count();
    let unlocked = suitable.iter().filter(|verdict| verdict.mode == Mode::Unlock).count();
    let release = match goal {
        Goal::Vgpu { driver, .. } => Some(driver),
        Goal::Passthrough => None,
    };
    Some((
        suitable.len(),
        supported,
        Reverse(doubts + borrowing + moves.cost()),
        moves,
        Reverse(unlocked),
        release,
    ))
}

/// Returns the most informative reason for each GPU, with possible remedies.
fn why_nothing(
    catalog: &Catalog,
    known: &Known,
    target: &Target,
    gpus: &[PciId],
    goals: &[Goal],
) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for gpu in gpus {
        let verdicts =
            goals.iter().map(|goal| judge(catalog, &known.case(catalog, *gpu, *goal, target)));
        let refusals: Vec<_> = verdicts
            .filter_map(|verdict| match verdict {
                Verdict::Unsuitable(it) => Some(it),
                Verdict::Suitable(_) => None,
            })
            .collect();
        // A driver for other GPUs is less informative than a problem with the right driver.
        let informative = refusals.iter().rev().find(|it| it.rule() != Rule::OtherReleases);
        if let Some(refusal) = informative.or(refusals.last()) {
            let instead = refusal.nearest.iter().map(Choice::to_string).collect::<Vec<_>>();
            let help = if instead.is_empty() { String::new() } else { "; instead: ".to_owned() };
            let own = match refusal.rule() {
                Rule::NoSource => " (`--driver-file` reads it)",
                _ => "",
            };
            let says = &refusal.reason.says;
            reasons.push(format!("{says}{own}{help}{}", instead.join(", or ")));
        }
    }
    reasons.dedup();
    reasons
}

#[cfg(test)]
mod tests;
