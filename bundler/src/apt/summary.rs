//! Notes for the operator on the packages that were found.

use std::collections::BTreeMap;

use vgpu_manifest::inventory::PackageName;
use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::ui::ByteSize;

use super::index::Indexes;
use super::model::Candidate;
use super::solve::{Cause, Change, Node};
use crate::types::Upgrades;
use crate::types::relation::{Alternatives, Comparison, Relation};

/// Returns the assumptions about nodes that were not described.
#[derive(Debug)]
pub(super) struct Stock {
    /// Packages that must have exactly the newest version.
    pub(super) tied: Vec<Candidate>,
    /// Packages that are included because a node may have an older version.
    pub(super) riding: Vec<Candidate>,
}

impl Stock {
    /// Checks new packages that require an exact version of a base package.
    ///
    /// Every node has the packages of `base`, but possibly older versions than the archive has now.
    /// A new package that depends on exactly one version cannot be installed with an older one. If
    /// upgrades are allowed, the base package is included; otherwise a note is printed.
    pub(super) fn of(base: Vec<Candidate>, changes: &[Change], upgrades: Upgrades) -> Self {
        let by_name: BTreeMap<&PackageName, &Candidate> =
            base.iter().map(|candidate| (&candidate.name, candidate)).collect();
        let mut tied: BTreeMap<&PackageName, &Candidate> = BTreeMap::new();
        let mut open: Vec<&Candidate> = changes.iter().map(|change| &change.candidate).collect();
        while let Some(candidate) = open.pop() {
            for wanted in groups(candidate).filter_map(exactly) {
                let Some(own) = by_name.get(&wanted.name) else { continue };
                if !may_be_older(own) {
                    continue;
                }
                let is_newer = tied.insert(&own.name, own).is_none();
                if is_newer && upgrades != Upgrades::Never {
                    // The package is included, so its own exact dependencies must be, too.
                    open.push(own);
                }
            }
        }
        let tied: Vec<Candidate> = tied.into_values().cloned().collect();
        let riding = match upgrades {
            Upgrades::Never => Vec::new(),
            Upgrades::Coupled => tied.clone(),
            Upgrades::All => base,
        };
        Self { tied, riding }
    }
}

/// Returns whether nodes of the release may have an older version. A Debian version such as
/// `2.36-9+deb12u10` shows that the package changed after the release.
fn may_be_older(candidate: &Candidate) -> bool {
    let version = candidate.version.as_str();
    ["+deb", "~deb", "+pve", "+pmx"].iter().any(|sign| version.contains(sign))
}

fn groups(candidate: &Candidate) -> impl Iterator<Item = &Alternatives> {
    candidate.pre_depends.iter().chain(&candidate.depends)
}

/// Returns the only suitable package, if the dependency requires one version.
fn exactly(group: &Alternatives) -> Option<&Relation> {
    let mut all = group.iter();
    let only = all.next().filter(|_| all.next().is_none())?;
    let bound = only.bound.as_ref()?;
    (bound.comparison == Comparison::Exactly).then_some(only)
}

/// Returns a summary of the solution.
pub(super) fn lines(
    release: &ArchiveName,
    changes: &[Change],
    kept_back: &[PackageName],
    stock: Option<&Stock>,
) -> Vec<String> {
    let (upgrades, new): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| change.installed.is_some());
    let size: u64 = changes.iter().map(|change| change.candidate.size).sum();
    let mut lines = vec![format!(
        "{release}: {} new packages and {} upgrades, {}",
        new.len(),
        upgrades.len(),
        ByteSize::new(size)
    )];
    for Change { candidate, cause, installed } in upgrades {
        let from = installed.as_ref().map(|it| it.version.to_string()).unwrap_or_default();
        let why = match cause {
            Cause::Requested => "it was requested".to_owned(),
            Cause::Newer => "all packages are to be upgraded".to_owned(),
            Cause::Because(reason) => reason.to_string(),
        };
        let back = installed.as_ref().is_some_and(|it| it.offered.is_some());
        let back = if back { "" } else { "; no archive offers the old version any more" };
        let Candidate { name, version, .. } = candidate;
        lines.push(format!("upgrade: {name} {from} → {version}, because {why}{back}"));
    }
    if !kept_back.is_empty() {
        lines
            .push(format!("cannot be upgraded together with the rest: {}", list(kept_back.iter())));
    }
    if let Some(stock) = stock.filter(|stock| !stock.tied.is_empty()) {
        let named = stock.tied.iter().map(|it| format!("{} {}", it.name, it.version));
        let named = list(named);
        lines.push(if stock.riding.is_empty() {
            format!(
                "assumes that nodes have {named}; otherwise set `inventory`, or \
                 `upgrades = \"coupled\"`"
            )
        } else {
            format!("included for nodes with an older version: {named}")
        });
    }
    lines
}

/// The limit of names in a list.
const READABLE: usize = 12;

/// Notes packages of a node that no archive has in any version. They were installed from another
/// source, or the recipe lacks an archive.
pub(super) fn strangers(node: &Node, indexes: &Indexes) -> Option<String> {
    let strangers: Vec<_> = node.names().filter(|name| !indexes.has(name)).collect();
    let more = strangers.len().saturating_sub(READABLE);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    // Only an inventory omits this.
    let is_open = |name: &&&PackageName| node.get(name).is_some_and(|it| it.stanza.is_none());
    let open = if strangers.iter().any(|name| is_open(&name)) {
        "; their dependencies are unknown"
    } else {
        ""
    };
    let named = list(strangers.iter().take(READABLE));
    (!strangers.is_empty())
        .then(|| format!("the node has packages that no archive has: {named}{rest}{open}"))
}

fn list(names: impl Iterator<Item = impl ToString>) -> String {
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}
