//! Hints for requests that cannot be satisfied.

use vgpu_manifest::inventory::PackageName;

use super::ask::{Change, Solution};
use super::policy::{Refusal, Refused, Stay};
use crate::apt::model::Candidate;
use crate::types::relation::{Comparison, Relation};

/// Hints, the most useful first.
#[derive(Debug, Default)]
pub(super) struct Hints {
    lines: Vec<String>,
}

/// The limit of named upgrades; further ones are counted.
const NAMED: usize = 6;

impl Hints {
    /// Returns the hint for a version that is not eligible and that `owner` needs.
    pub(super) fn add(&mut self, refused: &Refused, needed: &Relation, owner: Option<&Candidate>) {
        let candidate = &refused.candidate;
        let (name, version) = (&candidate.name, &candidate.version);
        match &refused.why {
            Refusal::Outweighed { .. } => self.push(format!("request `{name}={version}`")),
            Refusal::Never => {
                let archive = &candidate.offer.archive;
                self.push(format!("give `{archive}` a positive priority"));
            }
            Refusal::Stays(present, Stay::Never | Stay::Held) => {
                if refused.why == Refusal::Stays(present.clone(), Stay::Held) {
                    self.push(format!("remove the hold on `{name}` on the node"));
                }
                let exactly = needed.bound.as_ref();
                let exactly = exactly.filter(|bound| bound.comparison == Comparison::Exactly);
                self.extend(owner.map(|owner| match exactly {
                    Some(bound) if bound.version == owner.version => format!(
                        "add an archive that still has {} {present}, such as a snapshot",
                        owner.name
                    ),
                    _ => format!(
                        "add an archive that still has a version of {} that fits \
                         {name} {present}, such as a snapshot",
                        owner.name
                    ),
                }));
            }
            Refusal::Older(present) => self.extend(owner.map(|owner| {
                format!("add an archive that has a version of {} for {name} {present}", owner.name)
            })),
            Refusal::NotAsked(_) | Refusal::Stays(_, Stay::Protected) => {}
        }
    }

    /// Returns the hint for an unknown name.
    pub(super) fn missing(&mut self, name: &PackageName) {
        self.push(format!("add an archive that has {name}"));
    }

    /// Returns the hint for a name with several providers.
    pub(super) fn one_of(&mut self, names: &[&str]) {
        self.push(format!("request `{}`", names.join("` or `")));
    }

    fn push(&mut self, line: String) {
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    fn extend(&mut self, line: Option<String>) {
        if let Some(line) = line {
            self.push(line);
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

/// Returns the hint to allow upgrades of the node's packages.
pub(super) fn coupled(solution: &Solution) -> String {
    let upgrades: Vec<&Change> =
        solution.changes.iter().filter(|change| change.installed.is_some()).collect();
    let named = upgrades.iter().take(NAMED).filter_map(|change| {
        let from = &change.installed.as_ref()?.version;
        Some(format!("{} {from} → {}", change.candidate.name, change.candidate.version))
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match upgrades.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("allow `upgrades = \"coupled\"`, which upgrades {named}{more}")
}
