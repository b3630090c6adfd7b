use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::Change;
use crate::host::{HostError, Kind, Look, Node, Stat, walk};

/// The paths that an act may change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Scope {
    /// Files and directories that are copied before the act, and restored.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) small: BTreeSet<HostPath>,
    /// Directories too large to copy. A revert removes files that the act added there; files that
    /// it changed or removed are reported, and only its own undo can restore them.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) large: BTreeSet<HostPath>,
}

/// A snapshot of a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Snapshot {
    small: BTreeMap<HostPath, Node>,
    large: BTreeMap<HostPath, Stat>,
}

impl Scope {
    /// Returns the present state of the scope.
    pub(crate) fn look(&self, look: &dyn Look) -> Result<Snapshot, HostError> {
        let mut snapshot = Snapshot::default();
        for root in &self.small {
            for path in walk(look, root)?.into_keys() {
                if let Some(node) = look.node(&path)? {
                    snapshot.small.insert(path, node);
                }
            }
        }
        for root in &self.large {
            snapshot.large.extend(walk(look, root)?);
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    /// Returns the files whose bytes must be copied.
    pub(super) fn files(&self) -> impl Iterator<Item = (&HostPath, &Node)> {
        self.small.iter().filter(|(_, node)| node.kind() == Kind::File)
    }

    /// Returns the changes between this snapshot and `later`.
    ///
    /// The order allows walking backwards: the entries of a directory are removed before it and
    /// created after it.
    pub(super) fn difference<A>(
        &self,
        later: &Self,
        look: &dyn Look,
    ) -> Result<Vec<Change<A>>, HostError> {
        let mut gone = Vec::new();
        let mut come = Vec::new();
        for path in keys(&self.small, &later.small) {
            let [before, after] = [&self.small, &later.small].map(|s| s.get(path).cloned());
            if before != after {
                let list = if after.is_none() { &mut gone } else { &mut come };
                list.push(put(path, before, after));
            }
        }
        for path in keys(&self.large, &later.large) {
            match (self.large.get(path), later.large.get(path)) {
                (None, Some(_)) => come.push(put(path, None, look.node(path)?)),
                // A directory's status changes with every entry in it; the entries are compared
                // themselves.
                (Some(Stat { kind: Kind::Dir, .. }), Some(Stat { kind: Kind::Dir, .. })) => {}
                (Some(&before), after) if Some(&before) != after => {
                    let after = look.node(path)?;
                    gone.push(Change::Lost { path: path.clone(), before, after });
                }
                _ => {}
            }
        }
        gone.reverse();
        gone.append(&mut come);
        Ok(gone)
    }
}

fn put<A>(path: &HostPath, before: Option<Node>, after: Option<Node>) -> Change<A> {
    Change::Put { path: path.clone(), named: None, before, after, words: Vec::new() }
}

fn keys<'a, T>(
    before: &'a BTreeMap<HostPath, T>,
    after: &'a BTreeMap<HostPath, T>,
) -> BTreeSet<&'a HostPath> {
    before.keys().chain(after.keys()).collect()
}
