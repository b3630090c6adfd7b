//! Relations of installed packages that the description of the node omits.
//!
//! An inventory has names and versions only. If an archive still offers the installed version, its
//! stanza is used. Otherwise the stanza of the nearest offered version is used, with references to
//! its own version replaced by the installed one, as if the package had been built from the same
//! sources. The search then ignores relations that do not hold on the node: the node is assumed to
//! be consistent.

use vgpu_manifest::DebVersion;
use vgpu_manifest::inventory::PackageName;

use super::node::{Present, now};
use crate::apt::model::{Candidate, Essential, Importance, MultiArch, NATIVE};
use crate::types::relation::{Alternatives, Comparison, Relation};

/// Returns the best available stanza of an installed package.
pub(super) fn stanza(name: &PackageName, present: &Present, offered: &[Candidate]) -> Candidate {
    if let Some(own) = &present.stanza {
        return own.clone();
    }
    let version = &present.version;
    let mut nearest: Vec<&Candidate> = offered.iter().collect();
    nearest.sort_by(|a, b| {
        a.version.cmp(&b.version).then_with(|| a.offer.archive.cmp(&b.offer.archive))
    });
    let newer = nearest.iter().find(|candidate| candidate.version >= *version);
    match newer.or(nearest.last()) {
        Some(nearest) => moved(nearest, version),
        None => bare(name, version),
    }
}

/// Returns the same package in another version.
fn moved(candidate: &Candidate, to: &DebVersion) -> Candidate {
    let from = &candidate.version;
    let mut moved = candidate.clone();
    let relations = moved.conflicts.iter_mut().chain(&mut moved.breaks);
    let groups = moved.pre_depends.iter_mut().chain(&mut moved.depends);
    for relation in relations.chain(groups.flat_map(Alternatives::iter_mut)) {
        retie(relation, from, to);
    }
    for version in moved.provides.iter_mut().filter_map(|provided| provided.version.as_mut()) {
        if version == from {
            version.clone_from(to);
        }
    }
    Candidate { version: to.clone(), offer: now(), ..moved }
}

fn retie(relation: &mut Relation, from: &DebVersion, to: &DebVersion) {
    if let Some(bound) = &mut relation.bound
        && bound.comparison == Comparison::Exactly
        && bound.version == *from
    {
        bound.version.clone_from(to);
    }
}

/// Returns a package with nothing but a name and a version.
fn bare(name: &PackageName, version: &DebVersion) -> Candidate {
    #[expect(clippy::expect_used, reason = "a constant that the tests parse")]
    let arch = NATIVE.parse().expect("the name of an architecture");
    Candidate {
        name: name.clone(),
        arch,
        version: version.clone(),
        pre_depends: Vec::new(),
        depends: Vec::new(),
        conflicts: Vec::new(),
        breaks: Vec::new(),
        provides: Vec::new(),
        essential: Essential::No,
        // Dependencies with `:any` that are satisfied now must stay satisfied.
        multi_arch: MultiArch::Allowed,
        importance: Importance::Unknown,
        size: 0,
        offer: now(),
    }
}
