use serde::{Deserialize, Serialize};

use super::Name;
use crate::HostPath;
use crate::platform::RootFs;

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RootFileSystem {
    /// What kind it is; `None` if nothing is said to be mounted there.
    pub kind: Option<RootFs>,
    /// The pool it is on, if it is ZFS.
    pub pool: Option<RootPool>,
    /// Room on the file systems that an installation writes to, by path.
    pub free: Vec<FreeSpace>,
}

/// The ZFS pool that holds the root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RootPool {
    /// Its name: `rpool`.
    pub name: Name,
    /// The most that it can have of pool features: those of the ZFS module that has imported it.
    ///
    /// Which of them the pool uses, only ZFS's own tools tell. A kernel whose ZFS knows all of
    /// these can boot from the pool for certain.
    pub features_at_most: Vec<Name>,
}

/// Room on the file system that holds a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FreeSpace {
    /// The path.
    pub path: HostPath,
    /// Whole GiB that can still be written, rounded down so that a log line makes no difference.
    pub gib: u64,
}
