//! Which packages a node needs beyond what it has, as apt would choose them.
//!
//! A request is satisfied as `apt-get install --no-install-recommends` does it, with four
//! differences. Nothing that is installed is ever removed, or made older. A node's packages become
//! newer only as far as [`Upgrades`] allows, and with [`Upgrades::Coupled`] no more of them than must.
//! An older version that an archive still offers serves where the newest does not fit. And the
//! search is complete: where there is a way, it is found.

mod answer;
mod ask;
mod assumed;
mod engine;
mod explain;
mod matching;
mod node;
mod policy;
mod pool;
mod proof;
mod rules;
mod search;
#[cfg(test)]
mod tests;
mod way_out;

use self::engine::Lit;
use self::pool::{PackageId, State, VersionId};
use self::search::{Model, Search, Stop};
use super::model::Universe;

#[expect(unused_imports, reason = "nothing asks yet; removed with the first recipe that does")]
pub(crate) use self::ask::{
    Cause, Change, Explanation, Installed, Reason, Request, Solution, SolveError, Upgrades, Verb,
};
pub(crate) use self::node::Node;

/// Find what a node must be brought so that all requests are satisfied. The answer depends on what
/// is asked and offered, not on the order in which it is.
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
                explanation.ways_out.insert(0, way_out::coupled(&solution));
            }
            Err(SolveError::Unsatisfiable(explanation))
        }
    }
}

/// Leave every package as it is that need not become newer for what the model brings.
///
/// An upgrade is given up only if that brings no other package in its stead: who allows upgrades
/// wants the compiler that apt would choose, not the one that happens to need none.
fn fewest_upgrades<U: Universe>(
    search: &mut Search<'_, U>,
    mut model: Model,
) -> Result<Model, U::Error> {
    let mut needed: Vec<PackageId> = Vec::new();
    loop {
        let upgraded = search.upgraded(&model);
        // What was asked for in a newer version cannot stay.
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

/// Find what can be there if these stay, and no package is new that is not so in the model.
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
            // It came upon packages that nobody had thought of; they are known now.
            Some(_) if search.pool.len() > known => {}
            _ => return Ok(None),
        }
    }
}

/// Make every package newer that can be, in the order of the names.
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
