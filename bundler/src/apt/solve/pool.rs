//! The loaded packages, their versions and their relations.

use std::collections::HashMap;
use std::ops::Index;

use vgpu_manifest::inventory::PackageName;

use super::assumed;
use super::engine::Var;
use super::node::{Node, Present};
use super::policy::{self, Refused};
use crate::apt::model::{Candidate, Essential, Importance, Universe};
use crate::types::relation::{Alternatives, Qualifier, Relation};
use crate::types::{Request, Upgrades};

/// A version of a package that a solution may include.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VersionId(u32);

/// The number of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PackageId(usize);

/// A version that a solution may include.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) candidate: Candidate,
    pub(super) package: PackageId,
    pub(super) state: State,
}

/// How a version relates to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// This version is installed.
    Kept,
    /// An older version is installed.
    Upgrade,
    /// The package is not installed.
    New,
}

/// A package that has been referenced.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: PackageName,
    /// The versions that a solution may include, the preferred first.
    pub(super) versions: Vec<VersionId>,
    /// The installed version, if it may stay.
    pub(super) kept: Option<VersionId>,
    pub(super) refused: Vec<Refused>,
}

/// The loaded packages.
#[derive(Debug)]
pub(super) struct Pool<'a, U> {
    universe: &'a U,
    pub(super) node: &'a Node,
    requests: &'a [Request],
    upgrades: Upgrades,
    packages: Vec<Package>,
    by_name: HashMap<PackageName, PackageId>,
    known: Vec<Known>,
    /// By provided name: installed packages, whatever the archives offer.
    provided: HashMap<PackageName, Vec<PackageName>>,
}

impl VersionId {
    pub(super) const fn var(self) -> Var {
        Var(self.0)
    }

    pub(super) const fn of(var: Var) -> Self {
        Self(var.0)
    }

    /// Returns the loaded version with this number.
    #[expect(clippy::cast_possible_truncation, reason = "an index has far fewer versions")]
    pub(super) const fn at(index: usize) -> Self {
        Self(index as u32)
    }

    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl<'a, U: Universe> Pool<'a, U> {
    pub(super) fn new(
        universe: &'a U,
        node: &'a Node,
        requests: &'a [Request],
        upgrades: Upgrades,
    ) -> Result<Self, U::Error> {
        let mut pool = Self {
            universe,
            node,
            requests,
            upgrades,
            packages: Vec::new(),
            by_name: HashMap::new(),
            known: Vec::new(),
            provided: HashMap::new(),
        };
        for name in node.names() {
            let id = pool.package(name)?;
            let Some(kept) = pool[id].kept else { continue };
            for provided in pool[kept].candidate.provides.clone() {
                pool.provided.entry(provided.name).or_default().push(name.clone());
            }
        }
        Ok(pool)
    }

    /// Returns the number of loaded versions.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Returns every loaded version.
    pub(super) fn all(&self) -> impl Iterator<Item = VersionId> + use<U> {
        (0..self.known.len()).map(VersionId::at)
    }

    pub(super) fn upgrades(&self) -> Upgrades {
        self.upgrades
    }

    /// Loads a package, unless it is loaded.
    pub(super) fn package(&mut self, name: &PackageName) -> Result<PackageId, U::Error> {
        if let Some(id) = self.by_name.get(name) {
            return Ok(*id);
        }
        let id = PackageId(self.packages.len());
        let offered = self.universe.versions(name)?;
        let present = self.node.get(name);
        let mut asked = self.requests.iter().filter(|request| request.name == *name);
        let asked = asked.find_map(|request| request.version.as_ref());
        let may_stay = |present: &&Present| asked.is_none_or(|asked| *asked == present.version);
        let mut versions = Vec::new();
        let mut kept = None;
        if let Some(present) = present.filter(may_stay) {
            let candidate = assumed::stanza(name, present, &offered);
            let version = self.add(candidate, id, State::Kept);
            kept = Some(version);
            versions.push(version);
        }
        let choice = policy::choose(offered, present, asked, self.upgrades);
        let state = if present.is_some() { State::Upgrade } else { State::New };
        for candidate in choice.allowed {
            versions.push(self.add(candidate, id, state));
        }
        if self.upgrades == Upgrades::All && versions.len() > 1 && kept.is_some() {
            versions[..2].reverse();
        }
        let package = Package { name: name.clone(), versions, kept, refused: choice.refused };
        self.packages.push(package);
        self.by_name.insert(name.clone(), id);
        Ok(id)
    }

    fn add(&mut self, candidate: Candidate, package: PackageId, state: State) -> VersionId {
        let id = VersionId::at(self.known.len());
        self.known.push(Known { candidate, package, state });
        id
    }

    /// Returns the versions that satisfy a request. A virtual package resolves to its provider if
    /// there is only one; of several, the request must name one.
    pub(super) fn requested(&mut self, request: &Request) -> Result<Vec<VersionId>, U::Error> {
        let id = self.package(&request.name)?;
        let package = &self[id];
        let is_real = !package.versions.is_empty() || !package.refused.is_empty();
        if is_real || request.version.is_some() {
            return Ok(package.versions.clone());
        }
        let relation =
            Relation { name: request.name.clone(), qualifier: Qualifier::Same, bound: None };
        let providers = self.satisfying(&relation)?;
        let first = providers.first().map(|version| self[*version].package);
        let is_there = |id: PackageId| self[id].kept.is_some();
        let same = |version: &VersionId| Some(self[*version].package) == first;
        if providers.iter().all(same) || first.is_some_and(is_there) {
            Ok(providers.into_iter().filter(|version| same(version)).collect())
        } else {
            Ok(Vec::new())
        }
    }

    /// Returns every version that satisfies one of these, the preferred first: installed versions,
    /// upgrades, and then new packages, each in the order of the alternatives.
    pub(super) fn targets(&mut self, group: &Alternatives) -> Result<Vec<VersionId>, U::Error> {
        let mut targets = Vec::new();
        for relation in group.iter() {
            targets.extend(self.satisfying(relation)?);
        }
        Ok(self.in_order(targets))
    }

    /// Returns every version that satisfies this, the preferred first.
    pub(super) fn satisfying(&mut self, relation: &Relation) -> Result<Vec<VersionId>, U::Error> {
        let mut packages = self.packages_called(&relation.name)?;
        packages.sort_by(|a, b| self.rank(*a, &relation.name).cmp(&self.rank(*b, &relation.name)));
        let versions = packages.into_iter().flat_map(|id| self[id].versions.iter().copied());
        let fits = |id: &VersionId| self[*id].candidate.satisfies(relation);
        Ok(versions.filter(fits).collect())
    }

    /// Returns the package of this name and all packages that provide it.
    pub(super) fn packages_called(
        &mut self,
        name: &PackageName,
    ) -> Result<Vec<PackageId>, U::Error> {
        let mut names = vec![name.clone()];
        names.extend(self.universe.providers(name)?.into_iter().map(|provider| provider.name));
        names.extend(self.provided.get(name).into_iter().flatten().cloned());
        names.sort();
        names.dedup();
        names.iter().map(|name| self.package(name)).collect()
    }

    /// Sorts the preferred first: installed versions, upgrades, and then new packages. The sort is
    /// stable.
    fn in_order(&self, targets: Vec<VersionId>) -> Vec<VersionId> {
        let mut ordered: Vec<VersionId> = Vec::with_capacity(targets.len());
        for target in targets {
            if !ordered.contains(&target) {
                ordered.push(target);
            }
        }
        ordered.sort_by_key(|id| match (self[*id].state, self.upgrades) {
            (State::Upgrade, Upgrades::All) => State::Kept,
            (state, _) => state,
        });
        ordered
    }

    /// Returns the rank of a provider as apt orders them, the best first: installed packages, the
    /// package with that name, essential ones, important ones.
    fn rank(&self, id: PackageId, name: &PackageName) -> impl Ord + use<'a, U> {
        let package = &self[id];
        let best = package.versions.first().map(|version| &self[*version].candidate);
        let importance = best.map_or(Importance::Unknown, |best| best.importance);
        let is_essential = best.is_some_and(|best| best.essential == Essential::Yes);
        let is_there = self.node.get(&package.name).is_some();
        let is_real = package.name == *name;
        // apt breaks ties by internal numbers; this program prefers the smallest package.
        let size = best.map_or(u64::MAX, |best| best.size);
        (!is_there, !is_real, !is_essential, importance, size, package.name.clone())
    }
}

impl<U> Index<VersionId> for Pool<'_, U> {
    type Output = Known;

    fn index(&self, id: VersionId) -> &Known {
        &self.known[id.index()]
    }
}

impl<U> Index<PackageId> for Pool<'_, U> {
    type Output = Package;

    fn index(&self, id: PackageId) -> &Package {
        &self.packages[id.0]
    }
}
