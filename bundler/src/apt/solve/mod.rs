//! Package selection as apt would do it, on top of the packages that a node has.
//!
//! A request is satisfied as by `apt-get install --no-install-recommends`, with four differences.
//! Installed packages are never removed or downgraded. They are upgraded only if [`Upgrades`]
//! allows it, and with [`Upgrades::Coupled`] only if necessary. An older version that an archive
//! still offers is used if the newest does not fit. The search is complete: it finds a solution if
//! there is one.

mod answer;
mod ask;
mod assumed;
mod engine;
mod explain;
mod hints;
mod node;
mod policy;
mod pool;
mod proof;
mod rules;
mod search;
#[cfg(test)]
mod tests;

use self::engine::Lit;
use self::pool::{PackageId, State, VersionId};
use self::search::{Model, Search, Stop};
use super::model::Universe;
use crate::types::{Request, Upgrades};

pub(crate) use self::ask::{Cause, Change, Explanation, Installed, Solution, SolveError};
pub(crate) use self::node::Node;

/// Returns the packages to add so that all requests are satisfied. The result does not depend on
/// the order of requests and archives.
pub(crate) fn solve<U: Universe>(
    universe: &U,
    node: &Node,
    requests: &[Request],
    upgrades: Upgrades,
) -> Result<Solution, SolveError<U::Error>> {
    let mut requests = requests.to_vec();
    requests.sort();
    requests.dedup();
    let mut search = Search::new(universe, node, &requests, upgrades)?;
    let found = search.begin().map_err(Stop::Contradiction).and_then(|()| search.find());
    match found {
        Ok(model) => {
            let model = match upgrades {
                Upgrades::Never => model,
                Upgrades::Coupled => fewest_upgrades(&mut search, model)?,
                Upgrades::All => most_upgrades(&mut search, model)?,
            };
            Ok(answer::solution(&search, &model, universe)?)
        }
        Err(Stop::Universe(error)) => Err(SolveError::Universe(error)),
        Err(Stop::Contradiction(contradiction)) => {
            let mut explanation = explain::explain(&mut search, contradiction)?;
            if upgrades == Upgrades::Never
                && let Ok(solution) = solve(universe, node, &requests, Upgrades::Coupled)
            {
                explanation.hints.insert(0, hints::coupled(&solution));
            }
            Err(SolveError::Unsatisfiable(explanation))
        }
    }
}

/// Undoes every upgrade that the packages of the model do not need.
///
/// An upgrade is kept if undoing it would add another package instead: with upgrades allowed, the
/// preferred compiler is the one that apt would choose, not the one that needs no upgrade.
fn fewest_upgrades<U: Universe>(
    search: &mut Search<'_, U>,
    mut model: Model,
) -> Result<Model, U::Error> {
    let mut needed: Vec<PackageId> = Vec::new();
    loop {
        let upgraded = search.upgraded(&model);
        // A package that was requested in a newer version must be upgraded.
        let may_stay = |id: &&PackageId| search.pool[**id].kept.is_some() && !needed.contains(id);
        let Some(next) = upgraded.iter().find(may_stay) else {
            return Ok(model);
        };
        let stays = |(package, _): &(PackageId, _)| package == next || !upgraded.contains(package);
        let outcomes = search.outcomes(&model).filter(stays);
        let kept: Vec<VersionId> = outcomes.filter_map(|(id, _)| search.pool[id].kept).collect();
        match without_others(search, &kept, &model)? {
            Some(better) => model = better,
            None => needed.push(*next),
        }
    }
}

/// Searches for a solution that keeps these packages and adds no package beyond the model.
fn without_others<U: Universe>(
    search: &mut Search<'_, U>,
    kept: &[VersionId],
    model: &Model,
) -> Result<Option<Model>, U::Error> {
    let new = search.new_packages(model);
    loop {
        let known = search.pool.len();
        let others = search.pool.all().filter(|id| {
            search.pool[*id].state == State::New && !new.contains(&search.pool[*id].package)
        });
        let wishes = kept.iter().map(|version| version.var().yes());
        let wishes: Vec<Lit> = wishes.chain(others.map(|version| version.var().no())).collect();
        match search.attempt(&wishes)? {
            Some(found) if search.new_packages(&found).is_subset(&new) => return Ok(Some(found)),
            // The search loaded further packages; they are part of the pool now.
            Some(_) if search.pool.len() > known => {}
            _ => return Ok(None),
        }
    }
}

/// Upgrades every package that can be, in the order of the names.
fn most_upgrades<U: Universe>(
    search: &mut Search<'_, U>,
    mut model: Model,
) -> Result<Model, U::Error> {
    let mut impossible: Vec<PackageId> = Vec::new();
    loop {
        let back = answer::kept_back(search, &model);
        let Some(next) = back.into_iter().find(|package| !impossible.contains(package)) else {
            return Ok(model);
        };
        let newer = search.upgraded(&model).into_iter().chain([next]);
        let stale = newer.filter_map(|package| search.pool[package].kept);
        let wishes: Vec<Lit> = stale.map(|version| version.var().no()).collect();
        match search.attempt(&wishes)? {
            Some(better) => model = better,
            None => impossible.push(next),
        }
    }
}
