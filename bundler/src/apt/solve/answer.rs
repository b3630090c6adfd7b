//! Converts the result of the search to packages to add, with reasons.

use std::collections::{BTreeMap, VecDeque};

use vgpu_manifest::DebVersion;
use vgpu_manifest::inventory::PackageName;

use super::ask::{Cause, Change, Installed, Reason, Solution, Verb};
use super::pool::{PackageId, State, VersionId};
use super::rules::Rule;
use super::search::{Model, Search};
use crate::apt::model::Universe;
use crate::types::Upgrades;
use crate::types::relation::Relation;

/// Returns the answer for a model. Packages of the model that are not needed are omitted.
pub(super) fn solution<U: Universe>(
    search: &Search<'_, U>,
    model: &Model,
    universe: &U,
) -> Result<Solution, U::Error> {
    let mut changes = Vec::new();
    for (version, cause) in needed(search, model) {
        let candidate = search.pool[version].candidate.clone();
        let installed = match search.pool.node.get(&candidate.name) {
            Some(present) => Some(installed(universe, &candidate.name, &present.version)?),
            None => None,
        };
        changes.push(Change { candidate, cause, installed });
    }
    changes.sort_by(|a, b| a.candidate.name.cmp(&b.candidate.name));
    let back = kept_back(search, model).into_iter();
    let mut kept_back: Vec<_> = back.map(|id| search.pool[id].name.clone()).collect();
    kept_back.sort();
    Ok(Solution { changes, kept_back })
}

/// Returns the replaced versions, and whether an archive still offers them.
fn installed<U: Universe>(
    universe: &U,
    name: &PackageName,
    version: &DebVersion,
) -> Result<Installed, U::Error> {
    let mut offered = universe.versions(name)?;
    offered.retain(|other| other.version == *version);
    offered.sort_by(|a, b| {
        let archives = a.offer.archive.cmp(&b.offer.archive);
        archives.then_with(|| a.offer.place.cmp(&b.offer.place))
    });
    Ok(Installed { version: version.clone(), offered: offered.into_iter().next() })
}

/// With [`Upgrades::All`]: packages with a newer version that does not fit the other packages.
pub(super) fn kept_back<U: Universe>(search: &Search<'_, U>, model: &Model) -> Vec<PackageId> {
    let all = search.pool.upgrades() == Upgrades::All;
    let is_back = |(package, to): &(PackageId, Option<VersionId>)| {
        let package = &search.pool[*package];
        all && *to == package.kept && package.versions.len() > 1
    };
    search.outcomes(model).filter(is_back).map(|(package, _)| package).collect()
}

/// Returns all new packages that a need reaches, with the first package that needs each.
fn needed<U: Universe>(search: &Search<'_, U>, model: &Model) -> BTreeMap<VersionId, Cause> {
    let mut found = BTreeMap::new();
    let mut queue = VecDeque::new();
    for root in &search.roots {
        let requested = matches!(root.rule, Rule::Requested(_));
        if let Some(version) = model.first(&root.targets).filter(|_| requested) {
            reach(search, version, Cause::Requested, &mut found, &mut queue);
        }
    }
    follow(search, model, &mut found, &mut queue);
    // Packages that the new version replaces, and their new dependencies.
    for (package, to) in search.outcomes(model) {
        if let Some(to) = to.filter(|to| search.pool[*to].state == State::Upgrade) {
            let cause = upgrade_cause(search, model, package);
            reach(search, to, cause, &mut found, &mut queue);
        }
    }
    follow(search, model, &mut found, &mut queue);
    // A package that stays may depend on a replaced version.
    queue.extend(search.outcomes(model).filter_map(|(_, to)| to));
    follow(search, model, &mut found, &mut queue);
    found
}

fn reach<U: Universe>(
    search: &Search<'_, U>,
    version: VersionId,
    cause: Cause,
    found: &mut BTreeMap<VersionId, Cause>,
    queue: &mut VecDeque<VersionId>,
) {
    if search.pool[version].state != State::Kept && !found.contains_key(&version) {
        found.insert(version, cause);
        queue.push_back(version);
    }
}

/// Adds everything that the reached packages need.
fn follow<U: Universe>(
    search: &Search<'_, U>,
    model: &Model,
    found: &mut BTreeMap<VersionId, Cause>,
    queue: &mut VecDeque<VersionId>,
) {
    while let Some(version) = queue.pop_front() {
        for group in search.needs(version) {
            if let Some(target) = model.first(&group.targets) {
                let what = group.alternatives.to_string();
                let cause = Cause::Because(reason(search, version, Verb::Needs, what));
                reach(search, target, cause, found, queue);
            }
        }
    }
}

/// Returns why a package that was not requested is upgraded.
fn upgrade_cause<U: Universe>(search: &Search<'_, U>, model: &Model, package: PackageId) -> Cause {
    if search.pool.upgrades() == Upgrades::All {
        return Cause::Newer;
    }
    let Some(old) = search.pool[package].kept else { return Cause::Newer };
    for group in search.needs(old) {
        if model.first(&group.targets).is_none() {
            let reason = reason(search, old, Verb::Needs, group.alternatives.to_string());
            return Cause::Because(reason);
        }
    }
    against(search, model, old).map_or(Cause::Newer, Cause::Because)
}

/// Returns an installed package that conflicts with this version, in either direction.
fn against<U: Universe>(search: &Search<'_, U>, model: &Model, old: VersionId) -> Option<Reason> {
    let there = search.pool.all().filter(|id| model.has(*id));
    for other in there {
        for [a, b] in [[other, old], [old, other]] {
            let own = &search.pool[a].candidate;
            let says = |relation: &&Relation| search.pool[b].candidate.offends(relation);
            let conflict =
                own.conflicts.iter().find(says).map(|relation| (Verb::Conflicts, relation));
            let breaks = own.breaks.iter().find(says).map(|relation| (Verb::Breaks, relation));
            if let Some((verb, relation)) = conflict.or(breaks)
                && search.pool[a].package != search.pool[b].package
            {
                return Some(reason(search, a, verb, relation.to_string()));
            }
        }
    }
    None
}

fn reason<U: Universe>(
    search: &Search<'_, U>,
    version: VersionId,
    verb: Verb,
    what: String,
) -> Reason {
    let candidate = &search.pool[version].candidate;
    Reason { name: candidate.name.clone(), version: candidate.version.clone(), verb, what }
}
