//! Guest licensing without a network.
//!
//! A node can run the license server that a bundle has as a container image, or point its guests at
//! another server. Licensing is opt-in: only the `license` commands change it.

pub(crate) mod address;
pub(crate) mod backup;
pub(crate) mod certificate;
pub(crate) mod choice;
pub(crate) mod container;
pub(crate) mod data;
pub(crate) mod elsewhere;
pub(crate) mod guest;
pub(crate) mod health;
pub(crate) mod listening;
pub(crate) mod need;
pub(crate) mod network;
pub(crate) mod notice;
pub(crate) mod placement;
pub(crate) mod service;

use vgpu_manifest::HostPath;
use vgpu_manifest::ui::{Exit, Explain};

use self::address::AddressError;
use crate::host::HostError;

pub(crate) use self::choice::{Wish, in_force};
#[cfg(test)]
pub(crate) use self::service::Engine;
pub(crate) use self::service::Service;

/// The reason why a license server cannot be set up or queried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LicenseError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The bundle or the node cannot run a license server, for this reason.
    #[error("{0}")]
    Cannot(String),
    #[error(
        "{path}: not a private key; restore it from a backup: `vgpu-installer license restore`: {source}"
    )]
    Key {
        path: HostPath,
        /// The output of `openssl`.
        source: HostError,
    },
    /// The data of a license server are incomplete or missing.
    #[error("the license server of this node is incomplete: {0} is missing")]
    NothingToKeep(HostPath),
    #[error("cannot read the leases: {0}")]
    Leases(#[from] rusqlite::Error),
    /// The lease database is too large for a backup.
    #[error(
        "{path} is larger than {max} MiB; delete expired leases with `DELETE /-/leases/expired`"
    )]
    TooManyLeases {
        path: HostPath,
        /// The limit in MiB.
        max: u64,
    },
    /// A key is missing, but what it signed exists.
    #[error(
        "{missing} is missing, but {signed}, which depends on it, exists; a new key would lock out every guest: restore a backup with `vgpu-installer license restore`, or start over with `vgpu-installer license remove --discard`"
    )]
    Lost {
        missing: HostPath,
        /// The public key or certificate that depends on it.
        signed: HostPath,
    },
}

impl Explain for LicenseError {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::Cannot(_) | Self::Address(_)).then_some(Exit::Unsuitable)
    }
}
