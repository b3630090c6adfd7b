//! Candidate versions of a package by pin priority: `apt_preferences(5)`.

use vgpu_manifest::DebVersion;
use vgpu_manifest::package::ArchiveName;

use super::node::{Liberty, Present};
use crate::apt::model::{Candidate, Pin};
use crate::types::Upgrades;

/// The priority of an installed version.
const INSTALLED: Pin = Pin(100);

/// The versions of a package, by whether they may be installed.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// Eligible versions, the best first: apt's candidate, then the other versions of archives with
    /// the same priority.
    pub(super) allowed: Vec<Candidate>,
    /// Versions that are not eligible.
    pub(super) refused: Vec<Refused>,
}

/// A version that is not eligible.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) candidate: Candidate,
    pub(super) why: Refusal,
}

/// Why a version is not eligible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Its archive has no positive priority.
    Never,
    /// Another archive is preferred.
    Outweighed {
        /// The highest priority of a version of this package.
        by: Pin,
        archive: ArchiveName,
    },
    /// The request names another version.
    NotAsked(DebVersion),
    /// The node has a newer one.
    Older(DebVersion),
    /// The node has another one, which must stay.
    Stays(DebVersion, Stay),
}

/// Why an installed version must stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    Never,
    Held,
    Protected,
}

/// Sorts the versions that archives offer of a package, in any order and with duplicates. The
/// installed version is not part of the result.
pub(super) fn choose(
    offered: Vec<Candidate>,
    present: Option<&Present>,
    asked: Option<&DebVersion>,
    upgrades: Upgrades,
) -> Choice {
    let mut choice = Choice::default();
    let versions = distinct(offered);
    let best = candidate(&versions, present);
    let installed = |version: &Candidate| present.is_some_and(|p| p.version == version.version);
    for version in versions.into_iter().filter(|version| !installed(version)) {
        let refusal = refusal(&version, best.as_ref(), present, asked, upgrades);
        match refusal {
            None => choice.allowed.push(version),
            Some(why) => choice.refused.push(Refused { candidate: version, why }),
        }
    }
    choice
}

/// Returns each version once, from the archive with the highest priority; the best first.
fn distinct(mut offered: Vec<Candidate>) -> Vec<Candidate> {
    offered.sort_by(|a, b| {
        let weight = b.offer.pin.cmp(&a.offer.pin).then_with(|| b.version.cmp(&a.version));
        let spelling = || a.version.as_str().cmp(b.version.as_str());
        let arch = || a.arch.cmp(&b.arch);
        let offer = || (&a.offer.archive, a.offer.place).cmp(&(&b.offer.archive, b.offer.place));
        weight.then_with(spelling).then_with(arch).then_with(offer)
    });
    let mut versions: Vec<Candidate> = Vec::with_capacity(offered.len());
    for candidate in offered {
        if !versions.iter().any(|known| known.version == candidate.version) {
            versions.push(candidate);
        }
    }
    versions
}

/// Returns the priority of the version that apt would install.
fn candidate(versions: &[Candidate], present: Option<&Present>) -> Option<(Pin, ArchiveName)> {
    let may = |candidate: &&Candidate| {
        candidate.offer.pin > Pin(0)
            && present.is_none_or(|present| candidate.version >= present.version)
    };
    versions.iter().find(may).map(|best| (best.offer.pin, best.offer.archive.clone()))
}

fn refusal(
    version: &Candidate,
    best: Option<&(Pin, ArchiveName)>,
    present: Option<&Present>,
    asked: Option<&DebVersion>,
    upgrades: Upgrades,
) -> Option<Refusal> {
    if version.offer.pin <= Pin(0) {
        return Some(Refusal::Never);
    }
    if let Some(asked) = asked
        && version.version != *asked
    {
        return Some(Refusal::NotAsked(asked.clone()));
    }
    if let Some(present) = present {
        if version.version < present.version {
            return Some(Refusal::Older(present.version.clone()));
        }
        let stay = match (present.liberty, upgrades) {
            (Liberty::Protected, _) => Some(Stay::Protected),
            (Liberty::Held, _) => Some(Stay::Held),
            (Liberty::Free, Upgrades::Never) => Some(Stay::Never),
            (Liberty::Free, _) => None,
        };
        if let Some(stay) = stay {
            return Some(Refusal::Stays(present.version.clone(), stay));
        }
    }
    let outweighed = |(by, archive): &(Pin, ArchiveName)| {
        let less = version.offer.pin < *by || (present.is_some() && version.offer.pin < INSTALLED);
        less.then(|| Refusal::Outweighed { by: *by, archive: archive.clone() })
    };
    best.filter(|_| asked.is_none()).and_then(outweighed)
}
