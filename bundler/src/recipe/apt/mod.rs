//! Debian packages, as they stand in a recipe: what to install, on what, from which archives.

mod raw;
mod suite;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use vgpu_manifest::package::{ArchiveName, Fingerprint};

pub(super) use self::raw::{RawApt, checked};
pub(crate) use self::suite::Suite;
use crate::apt::{Address, Request, Upgrades};
use crate::source::LocalPath;

/// Packages for nodes of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Apt {
    /// Where it stands among the entries: before the one with this number.
    #[serde(skip)]
    pub(crate) at: usize,
    /// The codename of the release that the nodes run.
    pub(crate) release: ArchiveName,
    /// What shall be there.
    pub(crate) install: Vec<Request>,
    /// What may be replaced by a newer version.
    pub(crate) upgrades: Upgrades,
    /// What is there already.
    pub(crate) node: Node,
    /// Whether whole indexes ride along.
    pub(crate) indexes: Indexes,
    /// Where packages are looked for, in the order of the recipe.
    pub(crate) archives: Vec<Archive>,
}

/// What is known of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Node {
    /// Nothing but their release: they have what every system of it has.
    Stock,
    /// The inventory of one.
    Inventory(LocalPath),
    /// The file in which dpkg of one writes down what it has.
    Status(LocalPath),
}

/// Whether the whole indexes of archives ride along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Indexes {
    /// They do, so that a node can follow the chain from the archive's key to each package.
    Carry,
    /// They do not.
    Leave,
}

/// A package archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Archive {
    /// What lock and bundle call it.
    pub(crate) name: ArchiveName,
    /// Where it is, in the order in which to try.
    pub(crate) mirrors: Vec<Address>,
    /// Which part of it: the folder below `dists/`.
    pub(crate) suite: Suite,
    /// Which parts of that.
    pub(crate) components: Vec<Suite>,
    /// How much it is preferred to others, as `apt_preferences(5)` counts.
    pub(crate) priority: i16,
    /// The file with the keys that may sign it.
    pub(crate) keyring: LocalPath,
    /// The fingerprints of those that may.
    pub(crate) signed_by: Vec<Fingerprint>,
    /// What to do with a release that says that it is too old.
    pub(crate) expired: Expired,
}

/// What to do with a release that says of itself that it is too old to be the newest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expired {
    /// Do not take it: somebody may be keeping the newer ones from us.
    #[default]
    Refuse,
    /// Take it, and say so: it is of a medium, or of an archive that gets no more updates.
    Accept,
}
