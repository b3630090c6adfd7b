//! Validation of the rows of a catalog against each other. A row that is invalid on its own (an MD5
//! of 33 digits, a range that ends before it starts) is refused when it is parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::{Bulletin, CardUnlock, EvidenceId, Gpu, Rows, Rule, State};

/// Returns a message for every contradiction in `rows`, in their order.
pub(crate) fn validate(rows: &Rows) -> Vec<String> {
    let mut check = Check { rows, problems: Vec::new() };
    check.names();
    check.evidence();
    check.references();
    check.ranges();
    check.agreement();
    check.problems
}

struct Check<'r> {
    rows: &'r Rows,
    problems: Vec<String>,
}

impl Check<'_> {
    /// Checks that no two rows of a kind have the same name.
    fn names(&mut self) {
        let rows = self.rows;
        self.unique("evidence", rows.evidence.iter().map(|row| &row.id));
        self.unique("architecture", rows.architectures.iter().map(|row| &row.id));
        self.unique("gpu", rows.gpus.iter().map(|row| row.id));
        self.unique("branch", rows.branches.iter().map(|row| row.major));
        self.unique("driver", rows.drivers.iter().map(|row| row.release));
        self.unique("patch", rows.patches.iter().map(|row| &row.host));
        self.unique("identity", rows.identities.iter().map(|row| &row.id));
        self.unique("library", rows.libraries.iter().map(|row| &row.id));
        self.unique("reason", rows.reasons.iter().map(|row| &row.id));
        self.unique("bulletin", rows.bulletins.iter().map(|row| row.id));
        self.unique("rule", rows.rules.iter().map(|row| row.id));
        let kernels = rows.kernels.iter().map(|row| format!("{} on PVE {}", row.series, row.pve));
        self.unique("kernel", kernels);
    }

    fn unique<T: Ord + Display>(&mut self, kind: &str, names: impl Iterator<Item = T>) {
        let mut seen = BTreeSet::new();
        for name in names {
            let row = format!("{kind} {name}");
            if !seen.insert(name) {
                self.problems.push(format!("{row} occurs twice"));
            }
        }
    }

    /// Checks that every row cites evidence that exists, and that all evidence is cited.
    fn evidence(&mut self) {
        let rows = self.rows;
        let known: BTreeSet<_> = rows.evidence.iter().map(|row| &row.id).collect();
        let mut used = BTreeSet::new();
        for (row, state, evidence) in cited(rows) {
            if evidence.is_empty() {
                self.problems.push(format!("{row} has no evidence"));
            } else if state == State::Unproven && evidence.len() < 2 {
                self.problems.push(format!(
                    "{row} is unproven, but names fewer than two pieces of evidence"
                ));
            }
            for id in evidence {
                used.insert(id);
                self.known(&row, "evidence", &id, &known);
            }
        }
        for id in known.difference(&used) {
            self.problems.push(format!("no row names evidence {id}"));
        }
    }

    /// Checks that every row that another one names exists, and that every rule has a row.
    fn references(&mut self) {
        let rows = self.rows;
        let architectures = rows.architectures.iter().map(|row| &row.id).collect();
        let identities = rows.identities.iter().map(|row| &row.id).collect();
        let patches = rows.patches.iter().map(|row| &row.host).collect();
        let branches = rows.branches.iter().map(|row| row.major).collect();
        let reasons: BTreeSet<_> = rows.reasons.iter().map(|row| &row.id).collect();
        let rules = rows.rules.iter().map(|row| row.id).collect();
        for gpu in &rows.gpus {
            let row = format!("gpu {}", gpu.id);
            self.known(&row, "architecture", &&gpu.arch, &architectures);
            if let Some(identity) = &gpu.unlock {
                self.known(&row, "identity", &identity, &identities);
            }
        }
        for branch in &rows.branches {
            let row = format!("branch {}", branch.major);
            let unlock = branch.unlock.iter().map(|unlock| &unlock.arch);
            for arch in branch.native.iter().chain(unlock) {
                self.known(&row, "architecture", &arch, &architectures);
            }
        }
        let mut used = BTreeSet::new();
        for driver in &rows.drivers {
            let row = format!("driver {}", driver.release);
            self.known(&row, "branch", &driver.release.branch(), &branches);
            if let Some(patch) = &driver.patch {
                self.known(&row, "patch", &patch, &patches);
            }
            for build in &driver.kernels {
                self.known(&row, "reason", &&build.why, &reasons);
                used.insert(&build.why);
            }
        }
        for id in reasons.difference(&used) {
            self.problems.push(format!("no row names reason {id}"));
        }
        let releases = rows.drivers.iter().map(|row| row.release).collect();
        for bulletin in &rows.bulletins {
            let row = format!("bulletin {}", bulletin.id);
            bulletin.fixed.iter().for_each(|it| self.known(&row, "driver", it, &releases));
            bulletin.unfixed.iter().for_each(|it| self.known(&row, "branch", it, &branches));
            self.unique(&format!("{row}: branch"), majors(bulletin));
        }
        for rule in Rule::ALL {
            self.known("the verdict", "rule", rule, &rules);
        }
    }

    fn known<T: Ord + Display>(&mut self, row: &str, kind: &str, name: &T, all: &BTreeSet<T>) {
        if !all.contains(name) {
            self.problems.push(format!("{row} names the {kind} `{name}`, which does not exist"));
        }
    }

    /// Checks that exclusive ranges do not overlap.
    fn ranges(&mut self) {
        let rows = self.rows;
        let ids = rows.architectures.iter().flat_map(|row| &row.ids).copied();
        self.apart("ids of architectures", ids, super::IdRange::overlaps);
        let shown = rows.identities.iter().flat_map(|row| &row.shown).copied();
        self.apart("ids of identities", shown, super::IdRange::overlaps);
        let layouts = rows.layouts.iter().map(|row| row.releases);
        self.apart("releases of layouts", layouts, super::ReleaseRange::overlaps);
        for driver in &rows.drivers {
            for (at, build) in driver.kernels.iter().enumerate() {
                for other in &driver.kernels[at + 1..] {
                    let same_file =
                        build.with.is_none() || other.with.is_none() || build.with == other.with;
                    if same_file && build.range.overlaps(other.range) {
                        let row = format!("kernels of driver {}", driver.release);
                        self.overlap(&row, build.range, other.range);
                    }
                }
            }
        }
        for gpu in &rows.gpus {
            if let Some((native, unproven)) = gpu.native.zip(gpu.native_unproven)
                && native.overlaps(unproven)
            {
                self.overlap(&format!("releases of gpu {}", gpu.id), native, unproven);
            }
        }
    }

    fn apart<T: Copy + Display>(
        &mut self,
        row: &str,
        ranges: impl Iterator<Item = T>,
        overlaps: impl Fn(T, T) -> bool,
    ) {
        let ranges: Vec<_> = ranges.collect();
        for (at, first) in ranges.iter().enumerate() {
            for second in &ranges[at + 1..] {
                if overlaps(*first, *second) {
                    self.overlap(row, *first, *second);
                }
            }
        }
    }

    fn overlap(&mut self, row: &str, first: impl Display, second: impl Display) {
        self.problems.push(format!("{row} overlaps: {first} and {second}"));
    }

    /// Checks that redundant facts agree.
    fn agreement(&mut self) {
        for gpu in &self.rows.gpus {
            self.chip(gpu);
            self.branches(gpu);
            self.identity(gpu);
        }
        for driver in &self.rows.drivers {
            if driver.release.is_open() {
                let row = format!("driver {}", driver.release);
                self.problems.push(format!("{row} has no number"));
            }
            if !driver.file.contains(driver.host.as_str()) {
                self.contradiction(&format!("file of driver {}", driver.release), &driver.host);
            }
            if driver.patch.as_ref().is_some_and(|patch| *patch != driver.host) {
                self.contradiction(&format!("patch of driver {}", driver.release), &driver.host);
            }
        }
        let mut files = BTreeMap::new();
        for driver in &self.rows.drivers {
            let md5 = *files.entry(&driver.host).or_insert(driver.md5);
            if md5 != driver.md5 {
                let row = format!("MD5 of driver {}", driver.release);
                self.contradiction(&row, format!("another release of {}", driver.host));
            }
        }
    }

    /// Checks that the GPU's architecture is the one with the longest prefix of its chip's name.
    fn chip(&mut self, gpu: &Gpu) {
        let starts = |chip: &&String| gpu.chip.starts_with(chip.as_str());
        let matching = self.rows.architectures.iter().filter_map(|arch| {
            arch.chips.iter().filter(starts).map(String::len).max().map(|len| (len, &arch.id))
        });
        let best = matching.max_by_key(|(len, _)| *len);
        if best.is_none_or(|(_, arch)| *arch != gpu.arch) {
            self.contradiction(&format!("architecture of gpu {}", gpu.id), &gpu.chip);
        }
    }

    /// Checks that a branch that supports a GPU natively supports its architecture.
    fn branches(&mut self, gpu: &Gpu) {
        for driver in &self.rows.drivers {
            let major = driver.release.branch();
            let branch = self.rows.branches.iter().find(|branch| branch.major == major);
            let serves = branch.is_some_and(|branch| branch.native.contains(&gpu.arch));
            if gpu.native.is_some_and(|range| range.contains(driver.release)) && !serves {
                self.contradiction(&format!("gpu {}", gpu.id), format!("branch {major}"));
                return;
            }
        }
    }

    /// Checks that the GPU's identity has the GPU's id in one of its ranges.
    fn identity(&mut self, gpu: &Gpu) {
        let Some(id) = &gpu.unlock else {
            if gpu.unlock_state != CardUnlock::Works {
                self.contradiction(&format!("gpu {}", gpu.id), "its missing identity");
            }
            return;
        };
        let identity = self.rows.identities.iter().find(|identity| identity.id == *id);
        let shown = identity.is_some_and(|it| it.shown.iter().any(|range| range.contains(gpu.id)));
        if identity.is_some() && !shown {
            self.contradiction(&format!("gpu {}", gpu.id), format!("identity {id}"));
        }
    }

    fn contradiction(&mut self, row: &str, other: impl Display) {
        self.problems.push(format!("{row} contradicts {other}"));
    }
}

/// Returns every row that needs evidence, with its name and state.
fn cited(rows: &Rows) -> Vec<(String, State, &[EvidenceId])> {
    let settled = State::Settled;
    let mut all: Vec<(String, State, &[EvidenceId])> = Vec::new();
    macro_rules! add {
        ($rows:expr, $row:ident => $name:expr, $state:expr) => {
            all.extend($rows.iter().map(|$row| ($name, $state, &$row.evidence[..])));
        };
    }
    add!(rows.architectures, row => format!("architecture {}", row.id), settled);
    add!(rows.gpus, row => format!("gpu {}", row.id), gpu_state(row));
    add!(rows.branches, row => format!("branch {}", row.major), settled);
    for branch in &rows.branches {
        add!(branch.unlock, row => format!("unlocking {} on {}", row.arch, branch.major), settled);
    }
    add!(rows.drivers, row => format!("driver {}", row.release), row.state);
    add!(rows.patches, row => format!("patch {}", row.host), settled);
    add!(rows.identities, row => format!("identity {}", row.id), settled);
    add!(rows.libraries, row => format!("library {}", row.id), settled);
    add!(rows.layouts, row => format!("layout {}", row.releases), row.state);
    add!(rows.kernels, row => format!("kernel {} on PVE {}", row.series, row.pve), settled);
    add!(rows.reasons, row => format!("reason {}", row.id), settled);
    add!(rows.bulletins, row => format!("bulletin {}", row.id), settled);
    add!(rows.rules, row => format!("rule {}", row.id), settled);
    all
}

/// Returns the branches that a bulletin names.
fn majors(bulletin: &Bulletin) -> impl Iterator<Item = u8> {
    let fixed = bulletin.fixed.iter().map(|release| release.branch());
    fixed.chain(bulletin.unfixed.iter().copied())
}

fn gpu_state(gpu: &Gpu) -> State {
    if gpu.native_unproven.is_some() || gpu.unlock_state == CardUnlock::Unproven {
        State::Unproven
    } else {
        State::Settled
    }
}
