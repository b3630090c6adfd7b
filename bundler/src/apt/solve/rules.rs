//! Converts stanzas to clauses, one version at a time, when the search reaches it.

use std::collections::{BTreeMap, HashMap};

use vgpu_manifest::inventory::PackageName;

use super::ask::Verb;
use super::engine::{ClauseId, Contradiction, Engine};
use super::pool::{PackageId, Pool, State, VersionId};
use crate::apt::model::Universe;
use crate::types::relation::{Alternatives, Relation};
use crate::types::{Request, Upgrades};

/// The meaning of an original clause.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// One of these is required by a request.
    Requested(Request),
    /// One of these is required because the node has the package.
    Present(PackageId),
    /// If this is installed, one of those must be.
    Needs(VersionId, Alternatives),
    /// The first conflicts with the second.
    Against(VersionId, Verb, Relation, VersionId),
    /// Only one version of a package can be installed.
    One(VersionId, VersionId),
}

/// A dependency and the versions that satisfy it, the preferred first.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) alternatives: Alternatives,
    pub(super) targets: Vec<VersionId>,
}

/// The clauses so far, and their sources.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) engine: Engine,
    by_clause: BTreeMap<ClauseId, Rule>,
    /// By version: its dependencies; `None` if the search has not reached it.
    needs: Vec<Option<Vec<Group>>>,
    /// By name: the reached versions that have or provide it.
    called: HashMap<PackageName, Vec<VersionId>>,
    /// By name: the reached versions that conflict with it.
    against: HashMap<PackageName, Vec<(VersionId, Verb, Relation)>>,
}

impl Rules {
    /// Returns the meaning of an original clause.
    pub(super) fn rule(&self, id: ClauseId) -> Option<&Rule> {
        self.by_clause.get(&id)
    }

    /// Returns the dependencies of a version, if the search has reached it.
    pub(super) fn needs(&self, version: VersionId) -> Option<&[Group]> {
        self.needs.get(version.index())?.as_deref()
    }

    /// Requires one of these.
    pub(super) fn require(
        &mut self,
        rule: Rule,
        targets: &[VersionId],
    ) -> Result<(), Contradiction> {
        self.reserve(targets);
        let lits = targets.iter().map(|target| target.var().yes());
        self.add(rule, lits.collect())
    }

    fn add(&mut self, rule: Rule, lits: Vec<super::engine::Lit>) -> Result<(), Contradiction> {
        // Record the meaning first: adding the clause can end the search.
        self.by_clause.insert(self.engine.next(), rule);
        self.engine.add(lits)
    }

    fn reserve(&mut self, versions: &[VersionId]) {
        for version in versions {
            self.engine.reserve(version.var());
        }
    }

    /// Adds all clauses of a version, unless they exist.
    pub(super) fn activate<U: Universe>(
        &mut self,
        version: VersionId,
        pool: &mut Pool<'_, U>,
    ) -> Result<Result<(), Contradiction>, U::Error> {
        let groups = groups(version, pool)?;
        let mut clauses = Vec::new();
        for group in &groups {
            self.reserve(&group.targets);
            let targets = group.targets.iter().map(|target| target.var().yes());
            let lits = targets.chain([version.var().no()]).collect();
            clauses.push((Rule::Needs(version, group.alternatives.clone()), lits));
        }
        for (rule, a, b) in self.quarrels(version, pool) {
            clauses.push((rule, vec![a.var().no(), b.var().no()]));
        }
        if self.needs.len() <= version.index() {
            self.needs.resize_with(version.index() + 1, || None);
        }
        self.needs[version.index()] = Some(groups);
        Ok(clauses.into_iter().try_for_each(|(rule, lits)| self.add(rule, lits)))
    }

    /// Returns the reached versions that conflict with this one.
    fn quarrels<U: Universe>(
        &mut self,
        version: VersionId,
        pool: &Pool<'_, U>,
    ) -> Vec<(Rule, VersionId, VersionId)> {
        let own = &pool[version];
        let mut found = Vec::new();
        let mut add = |by: VersionId, verb, relation: &Relation, of: VersionId| {
            let [a, b] = [by, of].map(|id| &pool[id]);
            // Installed packages are assumed to be compatible, whatever they declare.
            let both_there = a.state == State::Kept && b.state == State::Kept;
            let is_new = a.package != b.package && !both_there;
            if is_new && b.candidate.offends(relation) {
                found.push((Rule::Against(by, verb, relation.clone(), of), by, of));
            }
        };
        let mut names = vec![&own.candidate.name];
        names.extend(own.candidate.provides.iter().map(|provided| &provided.name));
        names.sort();
        names.dedup();
        for (by, verb, relation) in
            names.iter().filter_map(|name| self.against.get(*name)).flatten()
        {
            add(*by, *verb, relation, version);
        }
        let conflicts = own.candidate.conflicts.iter().map(|relation| (Verb::Conflicts, relation));
        let breaks = own.candidate.breaks.iter().map(|relation| (Verb::Breaks, relation));
        for (verb, relation) in conflicts.chain(breaks) {
            for of in self.called.get(&relation.name).into_iter().flatten() {
                add(version, verb, relation, *of);
            }
            let entry = (version, verb, relation.clone());
            self.against.entry(relation.name.clone()).or_default().push(entry);
        }
        for other in self.called.get(&own.candidate.name).into_iter().flatten() {
            if pool[*other].package == own.package {
                found.push((Rule::One(version, *other), version, *other));
            }
        }
        for name in names {
            self.called.entry(name.clone()).or_default().push(version);
        }
        found
    }
}

/// Returns the dependencies of a version that it does not satisfy itself.
fn groups<U: Universe>(version: VersionId, pool: &mut Pool<'_, U>) -> Result<Vec<Group>, U::Error> {
    let is_kept = pool[version].state == State::Kept;
    let mut groups = Vec::new();
    // If no installed package may change, the dependencies of a kept one stay satisfied.
    if is_kept && pool.upgrades() == Upgrades::Never {
        return Ok(groups);
    }
    let own = &pool[version].candidate;
    let all: Vec<_> = own.pre_depends.iter().chain(&own.depends).cloned().collect();
    for alternatives in all {
        let targets = pool.targets(&alternatives)?;
        let by_itself = targets.contains(&version);
        let holds_now = targets.iter().any(|target| pool[*target].state == State::Kept);
        if !by_itself && (holds_now || !is_kept) {
            groups.push(Group { alternatives, targets });
        }
    }
    Ok(groups)
}
