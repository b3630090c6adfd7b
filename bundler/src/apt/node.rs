//! The packages that the nodes of a recipe have: from a file, or the base system.

use std::fs::File;
use std::io::{self, Read as _};

use camino::Utf8Path;
use vgpu_manifest::Digest;
use vgpu_manifest::inventory::{Inventory, MAX_DOCUMENT};
use vgpu_manifest::package::ArchiveName;

use super::error::AptError;
use super::index::Indexes;
use super::model::Candidate;
use super::solve::{Explanation, Node, SolveError, solve};
use crate::recipe;
use crate::types::{LocalPath, Request, Upgrades};

/// The available information about the nodes.
#[derive(Debug)]
pub(super) enum Known {
    /// Only their Debian release.
    Stock,
    /// The packages of one of them.
    Node(Node),
}

/// The limit for a dpkg status file in bytes. A node with 2,000 packages has 3 MiB.
const MAX_STATUS: u64 = 64 << 20;

/// Reads the packages of the nodes. The returned digest changes only with the packages.
pub(super) fn read(node: &recipe::Node, base: &Utf8Path) -> Result<(Known, Digest), AptError> {
    match node {
        recipe::Node::Stock => Ok((Known::Stock, Digest::of(b""))),
        recipe::Node::Inventory(path) => {
            let bytes = load(path, base, MAX_DOCUMENT as u64)?;
            let inventory = Inventory::from_json(&bytes)
                .map_err(|source| AptError::Inventory { path: path.clone(), source })?;
            let packages = serde_json::to_vec(&inventory.packages).unwrap_or_default();
            let node = Node::of_inventory(&inventory.packages);
            Ok((Known::Node(full(node, path)?), Digest::of(&packages)))
        }
        recipe::Node::Status(path) => {
            let bytes = load(path, base, MAX_STATUS)?;
            let node = Node::of_status(&String::from_utf8_lossy(&bytes));
            Ok((Known::Node(full(node, path)?), Digest::of(&bytes)))
        }
    }
}

/// A list without packages is the wrong file.
fn full(node: Node, path: &LocalPath) -> Result<Node, AptError> {
    if node.is_empty() { Err(AptError::EmptyNode(path.clone())) } else { Ok(node) }
}

fn load(path: &LocalPath, base: &Utf8Path, limit: u64) -> Result<Vec<u8>, AptError> {
    let error = |source| AptError::Node { path: path.clone(), source };
    let file = File::open(path.below(base)).map_err(error)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(error)?;
    if bytes.len() as u64 > limit {
        return Err(error(io::Error::other("it is larger than a package list may be")));
    }
    Ok(bytes)
}

/// Returns the base system of a release in its newest versions: all essential, required and
/// important packages, and their dependencies.
pub(super) fn stock(indexes: &Indexes, release: &ArchiveName) -> Result<Vec<Candidate>, AptError> {
    let base = indexes.base()?;
    if base.is_empty() {
        let lines = vec!["no package of them is `required`".to_owned()];
        let why = Explanation { lines, hints: Vec::new() };
        return Err(AptError::NoBase { release: release.clone(), why });
    }
    let requests = base.into_iter().map(|it| Request { name: it.name, version: None });
    let requests: Vec<Request> = requests.collect();
    match solve(indexes, &Node::default(), &requests, Upgrades::Never) {
        Ok(solution) => Ok(solution.changes.into_iter().map(|change| change.candidate).collect()),
        Err(SolveError::Universe(error)) => Err(error.into()),
        Err(SolveError::Unsatisfiable(explanation)) => {
            Err(AptError::NoBase { release: release.clone(), why: explanation })
        }
    }
}
