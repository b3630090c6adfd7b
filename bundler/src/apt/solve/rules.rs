//! From stanzas to clauses, a version at a time, when the search comes to it.

use std::collections::{BTreeMap, HashMap};

use vgpu_manifest::inventory::PackageName;

use super::ask::{Request, Upgrades, Verb};
use super::engine::{ClauseId, Contradiction, Engine};
use super::matching;
use super::pool::{PackageId, Pool, State, VersionId};
use crate::apt::model::Universe;
use crate::apt::relation::{Alternatives, Relation};

/// What a clause from outside says.
#[derive(Debug, Clone)]
pub(super) enum Rule {
    /// One of these must be there, because somebody asked for it.
    Requested(Request),
    /// One of these must be there, because the node has the package.
    Present(PackageId),
    /// If this is there, one of those must be.
    Needs(VersionId, Alternatives),
    /// The first does not go with the second.
    Against(VersionId, Verb, Relation, VersionId),
    /// Of a package there can be one version.
    One(VersionId, VersionId),
}

/// Something that must be there, and by what it can be had, the preferred first.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) alternatives: Alternatives,
    pub(super) targets: Vec<VersionId>,
}

/// The clauses so far, and what they are made of.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) engine: Engine,
    said: BTreeMap<ClauseId, Rule>,
    /// By version: what it needs; nothing if the search has not come to it.
    needs: Vec<Option<Vec<Group>>>,
    /// By name: the versions that have or provide it, of those that the search has come to.
    called: HashMap<PackageName, Vec<VersionId>>,
    /// By name: what does not go with it.
    against: HashMap<PackageName, Vec<(VersionId, Verb, Relation)>>,
}

impl Rules {
    /// What a clause says, if it is from outside.
    pub(super) fn rule(&self, id: ClauseId) -> Option<&Rule> {
        self.said.get(&id)
    }

    /// What a version needs, if the search has come to it.
    pub(super) fn needs(&self, version: VersionId) -> Option<&[Group]> {
        self.needs.get(version.index())?.as_deref()
    }

    /// Say that one of these must be there.
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
        // Known before the clause is added, which may be the last one.
        self.said.insert(self.engine.next(), rule);
        self.engine.add(lits)
    }

    fn reserve(&mut self, versions: &[VersionId]) {
        for version in versions {
            self.engine.reserve(version.var());
        }
    }

    /// Add all that a version says of others, unless it has been added.
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

    /// What this version does not go with, of those that the search has come to.
    fn quarrels<U: Universe>(
        &mut self,
        version: VersionId,
        pool: &Pool<'_, U>,
    ) -> Vec<(Rule, VersionId, VersionId)> {
        let own = &pool[version];
        let mut found = Vec::new();
        let mut add = |by: VersionId, verb, relation: &Relation, of: VersionId| {
            let [a, b] = [by, of].map(|id| &pool[id]);
            // What is there together goes together, whatever it says.
            let both_there = a.state == State::Kept && b.state == State::Kept;
            let is_new = a.package != b.package && !both_there;
            if is_new && matching::offends(&b.candidate, relation) {
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

/// What a version needs, without what it satisfies itself.
fn groups<U: Universe>(version: VersionId, pool: &mut Pool<'_, U>) -> Result<Vec<Group>, U::Error> {
    let is_kept = pool[version].state == State::Kept;
    let mut groups = Vec::new();
    // Nothing that a kept package needs can go, if nothing of what is there may change.
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
