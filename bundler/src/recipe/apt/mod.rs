//! The `[[apt]]` tables of a recipe: packages to install, the node, and archives.

mod raw;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use vgpu_manifest::package::{ArchiveName, Fingerprint};

pub(super) use self::raw::{RawApt, checked};
use crate::types::{Address, LocalPath, Request, Suite, Upgrades};

/// Packages for nodes of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Apt {
    /// The position among the entries: before the one with this number.
    #[serde(skip)]
    pub(crate) at: usize,
    /// The codename of the Debian release of the nodes.
    pub(crate) release: ArchiveName,
    /// The packages to install.
    pub(crate) install: Vec<Request>,
    /// Which installed packages may be upgraded.
    pub(crate) upgrades: Upgrades,
    /// The packages that the nodes have.
    pub(crate) node: Node,
    /// Inclusion of whole indexes.
    pub(crate) indexes: Indexes,
    /// The archives, in the order of the recipe.
    pub(crate) archives: Vec<Archive>,
}

/// The available information about the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Node {
    /// Only their Debian release, so the base system is assumed.
    Stock,
    /// The inventory of one of them.
    Inventory(LocalPath),
    /// The dpkg status file of one of them.
    Status(LocalPath),
}

/// Inclusion of the whole indexes of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Indexes {
    /// Included, so that a node can verify the chain from the archive's key to each package.
    Carry,
    /// Not included.
    Leave,
}

/// A package archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Archive {
    /// Its name in lock and bundle.
    pub(crate) name: ArchiveName,
    /// The mirrors, in the order in which to try them.
    pub(crate) mirrors: Vec<Address>,
    /// The suite: the folder below `dists/`.
    pub(crate) suite: Suite,
    /// The components of the suite.
    pub(crate) components: Vec<Suite>,
    /// The pin priority, as in `apt_preferences(5)`.
    pub(crate) priority: i16,
    /// The place of the keys that may sign it.
    pub(crate) keyring: Keyring,
    /// The fingerprints of the keys that may sign it.
    pub(crate) signed_by: Vec<Fingerprint>,
    /// How to handle an expired release.
    pub(crate) expired: Expired,
}

/// The place of the keys of an archive. Only the pinned fingerprints decide which keys count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Keyring {
    /// A file.
    File(LocalPath),
    /// A keyring of this machine that has the pinned keys, or else one of these downloads.
    Found(Vec<Address>),
}

/// How to handle a release whose `Valid-Until` date has passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expired {
    /// Refuse it: a mirror may be withholding newer releases.
    #[default]
    Refuse,
    /// Accept it with a note: it is on a medium, or the archive gets no more updates.
    Accept,
}
