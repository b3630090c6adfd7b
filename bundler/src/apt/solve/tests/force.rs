//! Compares the solver with exhaustive search.

use proptest::prelude::*;

use super::small::{Scene, Shape, scene};
use crate::apt::solve::{SolveError, solve};
use crate::types::Upgrades;

const SHAPE: Shape = Shape { names: 6, versions: 3, conflicts: 1 };

/// Returns every combination with at most one version of each package.
fn every_way(scene: &Scene) -> Vec<Vec<usize>> {
    let mut ways: Vec<Vec<usize>> = vec![Vec::new()];
    for name in 0..scene.names {
        let versions = || (0..scene.packages.len()).filter(|at| scene.packages[*at].name == name);
        let with = ways.iter().flat_map(|way| versions().map(move |at| [&way[..], &[at]].concat()));
        let with: Vec<Vec<usize>> = with.collect();
        ways.extend(with);
    }
    ways
}

fn good_ways(scene: &Scene, upgrades: Upgrades) -> Vec<Vec<usize>> {
    let may = |way: &Vec<usize>| {
        scene.is_satisfied(way)
            && scene.nothing_lost(way)
            && (upgrades != Upgrades::Never || scene.upgraded(way) == 0)
            && scene.is_sound(way)
    };
    every_way(scene).into_iter().filter(may).collect()
}

/// Returns the names of the installed packages.
fn names(scene: &Scene, way: &[usize]) -> Vec<usize> {
    way.iter().map(|at| scene.packages[*at].name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn there_is_a_solution_where_there_is_a_way(
        scene in scene(SHAPE),
        upgrades in prop::sample::select(&[Upgrades::Never, Upgrades::Coupled, Upgrades::All][..]),
    ) {
        let ways = good_ways(&scene, upgrades);
        match solve(&scene.archives(), &scene.node(), &scene.requests(), upgrades) {
            Ok(solution) => {
                let after = scene.after(&solution);
                prop_assert!(ways.contains(&after), "{after:?} is no way");
                let names_after = names(&scene, &after);
                let as_small = |way: &&Vec<usize>| {
                    names(&scene, way).iter().all(|name| names_after.contains(name))
                };
                let fewest = ways.iter().filter(as_small).map(|way| scene.upgraded(way)).min();
                let upgraded = scene.upgraded(&after);
                if upgrades == Upgrades::Coupled && fewest == Some(0) {
                    prop_assert_eq!(upgraded, 0, "an upgrade that need not be");
                }
            }
            Err(SolveError::Unsatisfiable(explanation)) => {
                prop_assert!(ways.is_empty(), "{:?} is a way; {explanation}", ways.first());
                prop_assert!(!explanation.lines.is_empty());
                let depth = |line: &str| line.len() - line.trim_start().len();
                prop_assert_eq!(depth(&explanation.lines[0]), 0);
            }
            Err(SolveError::Universe(never)) => match never {},
        }
    }

    #[test]
    fn an_upgrade_is_hinted_at_where_it_helps(scene in scene(SHAPE)) {
        let solved = solve(&scene.archives(), &scene.node(), &scene.requests(), Upgrades::Never);
        if let Err(SolveError::Unsatisfiable(explanation)) = solved {
            let first = explanation.hints.first();
            let offered = first.is_some_and(|way| way.starts_with("allow `upgrades"));
            prop_assert_eq!(offered, !good_ways(&scene, Upgrades::Coupled).is_empty());
        }
    }
}
