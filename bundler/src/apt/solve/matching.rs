//! Matches versions against relations.

use crate::apt::model::{Candidate, MultiArch, NATIVE};
use crate::types::relation::{Qualifier, Relation};

/// Returns whether this version satisfies a dependency.
pub(super) fn satisfies(candidate: &Candidate, needed: &Relation) -> bool {
    let right_arch = match &needed.qualifier {
        Qualifier::Same | Qualifier::Only(None) => true,
        Qualifier::Only(Some(arch)) => arch.as_str() == NATIVE,
        Qualifier::Any => candidate.multi_arch == MultiArch::Allowed,
    };
    right_arch && means(candidate, needed)
}

/// Returns whether a conflict excludes this version.
pub(super) fn offends(candidate: &Candidate, unwanted: &Relation) -> bool {
    let right_arch = match &unwanted.qualifier {
        Qualifier::Same | Qualifier::Only(None) | Qualifier::Any => true,
        Qualifier::Only(Some(arch)) => arch.as_str() == NATIVE,
    };
    right_arch && means(candidate, unwanted)
}

fn means(candidate: &Candidate, relation: &Relation) -> bool {
    let fits = |version| relation.bound.as_ref().is_none_or(|bound| bound.holds(version));
    if candidate.name == relation.name && fits(&candidate.version) {
        return true;
    }
    let mut provides = candidate.provides.iter().filter(|own| own.name == relation.name);
    provides.any(|own| match &own.version {
        Some(version) => fits(version),
        // A versioned relation cannot match an unversioned `Provides`.
        None => relation.bound.is_none(),
    })
}
