//! Small random universes, to be solved in several ways.

use proptest::prelude::*;

use super::archive::Archives;
use crate::apt::solve::{Node, Solution};
use crate::types::Request;

/// A version of a package, with numbers as names.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) name: usize,
    pub(super) version: u8,
    depends: Vec<Vec<Target>>,
    conflicts: Vec<Target>,
    provides: Vec<(usize, Option<u8>)>,
    breaks: bool,
    priority: usize,
    size: usize,
}

#[derive(Debug, Clone, Copy)]
struct Target {
    name: usize,
    /// A version restriction.
    bound: Option<(usize, u8)>,
}

/// The offered packages, the installed ones, and the requests.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) packages: Vec<Package>,
    /// By their position.
    pub(super) installed: Vec<usize>,
    pub(super) wanted: Vec<usize>,
    pub(super) names: usize,
}

const OPERATORS: [&str; 5] = ["<<", "<=", "=", ">=", ">>"];
const PRIORITIES: [&str; 4] = ["required", "important", "standard", "optional"];

/// The parameters of a universe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) names: usize,
    pub(super) versions: u8,
    pub(super) conflicts: usize,
}

pub(super) fn scene(shape: Shape) -> impl Strategy<Value = Scene> {
    let Shape { names, versions, conflicts } = shape;
    // Some names are provided only.
    let all = names + 2;
    let bound = prop::option::weighted(0.3, (0..OPERATORS.len(), 1..=versions));
    let target = (0..all, bound).prop_map(|(name, bound)| Target { name, bound });
    let group = prop::collection::vec(target.clone(), 1..3);
    let provides = (names - 2..all, prop::option::of(1..=versions));
    let package = (
        (0..names, 1..=versions),
        prop::collection::vec(group, 0..3),
        prop::collection::vec(target, 0..=conflicts),
        prop::collection::vec(provides, 0..2),
        (any::<bool>(), 0..PRIORITIES.len(), 1..9_usize),
    );
    let package = package.prop_map(|((name, version), depends, conflicts, provides, rest)| {
        let (breaks, priority, size) = rest;
        let conflicts = conflicts.into_iter().filter(|target| target.name != name).collect();
        Package { name, version, depends, conflicts, provides, breaks, priority, size }
    });
    let packages = prop::collection::vec(package, names..names * usize::from(versions) + 1);
    let chosen = prop::collection::vec(any::<prop::sample::Index>(), 0..5);
    let wanted = prop::collection::vec(0..names, 1..3);
    (packages, chosen, wanted).prop_map(move |(mut packages, chosen, mut wanted)| {
        packages.sort_by_key(|package| (package.name, package.version));
        packages.dedup_by_key(|package| (package.name, package.version));
        // Requests for names that no archive offers are tested elsewhere.
        wanted.retain(|name| packages.iter().any(|package| package.name == *name));
        wanted.sort_unstable();
        wanted.dedup();
        let mut installed: Vec<usize> =
            chosen.iter().map(|index| index.index(packages.len())).collect();
        installed.sort_unstable();
        installed.dedup_by_key(|at| packages[*at].name);
        let mut scene = Scene { packages, installed, wanted, names };
        scene.make_sane();
        scene
    })
}

impl Target {
    fn holds(self, version: u8) -> bool {
        self.bound.is_none_or(|(operator, bound)| match OPERATORS[operator] {
            "<<" => version < bound,
            "<=" => version <= bound,
            "=" => version == bound,
            ">=" => version >= bound,
            _ => version > bound,
        })
    }

    fn means(self, package: &Package) -> bool {
        let provided = package.provides.iter().any(|(name, version)| {
            *name == self.name
                && match version {
                    Some(version) => self.holds(*version),
                    None => self.bound.is_none(),
                }
        });
        provided || package.name == self.name && self.holds(package.version)
    }

    fn text(self) -> String {
        let bound = self.bound.map(|(at, version)| format!(" ({} {version})", OPERATORS[at]));
        format!("{}{}", name(self.name), bound.unwrap_or_default())
    }
}

pub(super) fn name(number: usize) -> String {
    format!("p{number:02}")
}

impl Package {
    pub(super) fn stanza(&self, more: &str) -> String {
        let targets = |targets: &[Target], between: &str| {
            targets.iter().map(|target| target.text()).collect::<Vec<_>>().join(between)
        };
        let depends: Vec<String> = self.depends.iter().map(|group| targets(group, " | ")).collect();
        let provides: Vec<String> = self
            .provides
            .iter()
            .map(|(own, version)| {
                let version = version.map(|version| format!(" (= {version})"));
                format!("{}{}", name(*own), version.unwrap_or_default())
            })
            .collect();
        let field = |field: &str, value: String| {
            if value.is_empty() { value } else { format!("{field}: {value}\n") }
        };
        let against = if self.breaks { "Breaks" } else { "Conflicts" };
        format!(
            "Package: {}\nVersion: {}\nArchitecture: amd64\nMaintainer: a <a@example>\n\
             Installed-Size: 1\nPriority: {}\n{}{}{}Description: a\n{more}\n",
            name(self.name),
            self.version,
            PRIORITIES[self.priority],
            field("Depends", depends.join(", ")),
            field(against, targets(&self.conflicts, ", ")),
            field("Provides", provides.join(", ")),
        )
    }
}

impl Scene {
    /// Removes inconsistent packages from the installed ones.
    fn make_sane(&mut self) {
        while !self.is_sound(&self.installed) {
            self.installed.pop();
        }
    }

    /// Returns whether these can be installed together.
    pub(super) fn is_sound(&self, there: &[usize]) -> bool {
        let all = || there.iter().map(|at| &self.packages[*at]);
        let needs = |package: &Package| {
            let mut groups = package.depends.iter();
            groups.all(|group| group.iter().any(|target| all().any(|other| target.means(other))))
        };
        let quarrels = |package: &Package| {
            let others = || all().filter(|other| other.name != package.name);
            package.conflicts.iter().any(|target| others().any(|other| target.means(other)))
        };
        all().all(|package| needs(package) && !quarrels(package))
    }

    pub(super) fn index(&self) -> String {
        let stanza = |package: &Package| {
            let file = format!("Filename: {}_{}.deb\n", name(package.name), package.version);
            let sum = format!("SHA256: {:064x}\n", package.version);
            package.stanza(&format!("Size: {}\n{file}{sum}", package.size))
        };
        self.packages.iter().map(stanza).collect()
    }

    pub(super) fn status(&self) -> String {
        let packages = self.installed.iter().map(|at| &self.packages[*at]);
        packages.map(|package| package.stanza("Status: install ok installed\n")).collect()
    }

    pub(super) fn archives(&self) -> Archives {
        Archives::one(&self.index())
    }

    pub(super) fn node(&self) -> Node {
        Node::of_status(&self.status())
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.wanted.iter().map(|wanted| name(*wanted).parse().unwrap()).collect()
    }

    /// Returns the packages after applying a solution, by their position.
    pub(super) fn after(&self, solution: &Solution) -> Vec<usize> {
        let brought: Vec<usize> = solution
            .changes
            .iter()
            .map(|change| {
                let candidate = &change.candidate;
                let is_it = |package: &Package| {
                    name(package.name) == candidate.name.as_str()
                        && package.version.to_string() == candidate.version.as_str()
                };
                self.packages.iter().position(is_it).unwrap()
            })
            .collect();
        self.with(&brought)
    }

    /// Returns the packages after installing these.
    pub(super) fn with(&self, brought: &[usize]) -> Vec<usize> {
        let same = |a: usize, b: usize| self.packages[a].name == self.packages[b].name;
        let replaced = |at: &usize| brought.iter().any(|other| same(*at, *other));
        let kept = self.installed.iter().copied().filter(|at| !replaced(at));
        let mut there: Vec<usize> = kept.chain(brought.iter().copied()).collect();
        there.sort_unstable();
        there
    }

    /// Returns whether these satisfy all requests.
    pub(super) fn is_satisfied(&self, there: &[usize]) -> bool {
        let has = |wanted: &usize| there.iter().any(|at| self.packages[*at].name == *wanted);
        self.wanted.iter().all(has)
    }

    /// Returns whether no installed package was removed or downgraded.
    pub(super) fn nothing_lost(&self, there: &[usize]) -> bool {
        self.installed.iter().all(|old| {
            let old = &self.packages[*old];
            let newer = |at: &usize| {
                let package = &self.packages[*at];
                package.name == old.name && package.version >= old.version
            };
            there.iter().any(newer)
        })
    }

    pub(super) fn upgraded(&self, there: &[usize]) -> usize {
        self.installed.iter().filter(|at| !there.contains(at)).count()
    }
}
