//! The search. It tries alternatives in the order of apt, and it is complete.
//!
//! Starting at the requests, it follows the first unsatisfied dependency depth-first, as apt does,
//! and selects its best alternative. On a contradiction, the engine learns the cause and the search
//! continues elsewhere.

use std::collections::BTreeSet;

use super::engine::{Contradiction, Lit};
use super::node::Node;
use super::pool::{PackageId, Pool, State, VersionId};
use super::rules::{Group, Rule, Rules};
use crate::apt::model::Universe;
use crate::types::{Request, Upgrades};

/// A search that can be repeated with other assumptions.
#[derive(Debug)]
pub(super) struct Search<'a, U> {
    pub(super) pool: Pool<'a, U>,
    pub(super) rules: Rules,
    /// The requests, followed by the packages of the node.
    pub(super) roots: Vec<Root>,
}

/// Versions of which one must be installed in any case.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) rule: Rule,
    pub(super) targets: Vec<VersionId>,
}

/// Why a search failed.
#[derive(Debug)]
pub(super) enum Stop<E> {
    Universe(E),
    /// There is no solution.
    Contradiction(Contradiction),
}

/// All versions of a solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    chosen: Vec<bool>,
}

/// The next action for a dependency.
enum Next {
    Satisfied(VersionId),
    Try(VersionId),
    Nothing,
}

impl<E> From<E> for Stop<E> {
    fn from(error: E) -> Self {
        Self::Universe(error)
    }
}

impl Model {
    pub(super) fn has(&self, version: VersionId) -> bool {
        self.chosen.get(version.index()).copied().unwrap_or_default()
    }

    /// The first of these that is selected.
    pub(super) fn first(&self, versions: &[VersionId]) -> Option<VersionId> {
        versions.iter().copied().find(|version| self.has(*version))
    }
}

impl<'a, U: Universe> Search<'a, U> {
    pub(super) fn new(
        universe: &'a U,
        node: &'a Node,
        requests: &'a [Request],
        upgrades: Upgrades,
    ) -> Result<Self, U::Error> {
        let mut pool = Pool::new(universe, node, requests, upgrades)?;
        let mut roots = Vec::new();
        for request in requests {
            let targets = pool.requested(request)?;
            roots.push(Root { rule: Rule::Requested(request.clone()), targets });
        }
        for name in node.names() {
            let package = pool.package(name)?;
            let targets = pool[package].versions.clone();
            roots.push(Root { rule: Rule::Present(package), targets });
        }
        Ok(Self { pool, rules: Rules::default(), roots })
    }

    /// Adds the requirements. Must be called before the first search.
    pub(super) fn begin(&mut self) -> Result<(), Contradiction> {
        let rules = &mut self.rules;
        let mut roots = self.roots.iter();
        roots.try_for_each(|root| rules.require(root.rule.clone(), &root.targets))
    }

    /// Searches for a solution.
    pub(super) fn find(&mut self) -> Result<Model, Stop<U::Error>> {
        self.rules.engine.backtrack(0);
        loop {
            self.settle()?;
            match self.open() {
                Some(version) => self.rules.engine.decide(version.var().yes()),
                None => return Ok(self.model()),
            }
        }
    }

    /// Searches for a solution that satisfies all these assumptions.
    pub(super) fn attempt(&mut self, wishes: &[Lit]) -> Result<Option<Model>, U::Error> {
        self.rules.engine.backtrack(0);
        loop {
            match self.settle() {
                Ok(()) => {}
                Err(Stop::Universe(error)) => return Err(error),
                Err(Stop::Contradiction(_)) => return Ok(None),
            }
            let engine = &mut self.rules.engine;
            if let Some(wish) = wishes.get(engine.level()) {
                engine.reserve(wish.var());
                if engine.is(*wish) == Some(false) {
                    return Ok(None);
                }
                engine.decide(*wish);
            } else if let Some(version) = self.open() {
                self.rules.engine.decide(version.var().yes());
            } else {
                return Ok(Some(self.model()));
            }
        }
    }

    /// Propagates all consequences of the decisions.
    fn settle(&mut self) -> Result<(), Stop<U::Error>> {
        loop {
            self.rules.engine.propagate().map_err(Stop::Contradiction)?;
            if !self.look_closer()? {
                return Ok(());
            }
        }
    }

    /// Adds the clauses of the selected versions. Returns whether there were any new ones.
    fn look_closer(&mut self) -> Result<bool, Stop<U::Error>> {
        let is_new =
            |lit: &&Lit| lit.is_positive() && self.rules.needs(VersionId::of(lit.var())).is_none();
        let Some(lit) = self.rules.engine.trail().iter().find(is_new) else { return Ok(false) };
        let version = VersionId::of(lit.var());
        self.rules.activate(version, &mut self.pool)?.map_err(Stop::Contradiction)?;
        Ok(true)
    }

    /// Returns the best alternative of the first unsatisfied dependency.
    fn open(&self) -> Option<VersionId> {
        let mut seen = vec![false; self.pool.len()];
        for root in &self.roots {
            let mut deep: Vec<(VersionId, usize)> = Vec::new();
            let mut next = self.next(&root.targets);
            loop {
                match next {
                    Next::Try(version) => return Some(version),
                    Next::Satisfied(version) if !seen[version.index()] => {
                        seen[version.index()] = true;
                        deep.push((version, 0));
                    }
                    Next::Satisfied(_) | Next::Nothing => {}
                }
                let Some(group) = self.step(&mut deep) else { break };
                next = self.next(&group.targets);
            }
        }
        None
    }

    /// Returns the next dependency in depth-first order.
    fn step(&self, deep: &mut Vec<(VersionId, usize)>) -> Option<&Group> {
        while let Some((version, at)) = deep.last_mut() {
            let group = self.rules.needs(*version).and_then(|groups| groups.get(*at));
            if group.is_some() {
                *at += 1;
                return group;
            }
            deep.pop();
        }
        None
    }

    fn next(&self, targets: &[VersionId]) -> Next {
        let value = |version: &&VersionId| self.rules.engine.value(version.var());
        if let Some(there) = targets.iter().find(|version| value(version) == Some(true)) {
            return Next::Satisfied(*there);
        }
        let open = targets.iter().find(|version| value(version).is_none());
        open.map_or(Next::Nothing, |version| Next::Try(*version))
    }

    fn model(&self) -> Model {
        let mut chosen = vec![false; self.pool.len()];
        for lit in self.rules.engine.trail().iter().filter(|lit| lit.is_positive()) {
            chosen[lit.var().0 as usize] = true;
        }
        Model { chosen }
    }

    /// Returns the installed version of a package and its version in a model.
    pub(super) fn outcomes<'s>(
        &'s self,
        model: &'s Model,
    ) -> impl Iterator<Item = (PackageId, Option<VersionId>)> + 's {
        self.roots.iter().filter_map(|root| match root.rule {
            Rule::Present(package) => Some((package, model.first(&root.targets))),
            _ => None,
        })
    }

    /// Returns the packages that a model upgrades.
    pub(super) fn upgraded(&self, model: &Model) -> Vec<PackageId> {
        let is_upgrade = |id: VersionId| self.pool[id].state == State::Upgrade;
        let outcomes = self.outcomes(model);
        outcomes.filter(|(_, to)| to.is_some_and(is_upgrade)).map(|(package, _)| package).collect()
    }

    /// Returns the packages that a model adds.
    pub(super) fn new_packages(&self, model: &Model) -> BTreeSet<PackageId> {
        let is_new = |id: &VersionId| model.has(*id) && self.pool[*id].state == State::New;
        self.pool.all().filter(is_new).map(|id| self.pool[id].package).collect()
    }

    /// Returns every dependency of a version, with the versions that satisfy it.
    pub(super) fn needs(&self, version: VersionId) -> &[Group] {
        self.rules.needs(version).unwrap_or_default()
    }
}
