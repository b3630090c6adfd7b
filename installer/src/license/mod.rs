//! Licences for guests, without a network.
//!
//! A node can run the licence server that a bundle carries as a container image, or point its guests
//! at another node's. Nothing of it happens unless an operator asks for it by `license`.

pub(crate) mod address;
pub(crate) mod backup;
pub(crate) mod certificate;
pub(crate) mod choice;
pub(crate) mod container;
pub(crate) mod data;
pub(crate) mod elsewhere;
pub(crate) mod guest;
pub(crate) mod health;
pub(crate) mod leases;
pub(crate) mod listening;
pub(crate) mod need;
pub(crate) mod network;
pub(crate) mod notice;
pub(crate) mod placement;
pub(crate) mod service;

use vgpu_manifest::HostPath;
use vgpu_manifest::ui::{Exit, Explain};

use self::address::AddressError;
use self::placement::NoPlace;
use crate::host::HostError;

pub(crate) use self::choice::{CannotServe, Wish, in_force};
#[cfg(test)]
pub(crate) use self::service::Engine;
pub(crate) use self::service::Service;

/// The licence server cannot be prepared or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LicenseError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Guests cannot reach it by what was given.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The bundle or the node lacks something.
    #[error(transparent)]
    Cannot(#[from] CannotServe),
    /// There is no place for a container.
    #[error(transparent)]
    Place(#[from] NoPlace),
    /// A key file holds something else.
    #[error(
        "{path}: not a private key; restore it from a backup: `vgpu-installer license restore`: {source}"
    )]
    Key {
        /// The file.
        path: HostPath,
        /// What `openssl` says.
        source: HostError,
    },
    /// There is no licence server whose data could be kept.
    #[error("there is no whole licence server here: {0} is not there")]
    NothingToKeep(HostPath),
    /// The leases cannot be read.
    #[error("cannot read the leases: {0}")]
    Leases(#[from] rusqlite::Error),
    /// There are more leases than a backup is made for.
    #[error(
        "{path} has more than {max} MiB; delete leases that have ended: `DELETE /-/leases/expired`"
    )]
    TooManyLeases {
        /// The database.
        path: HostPath,
        /// The most that is taken, in MiB.
        max: u64,
    },
    /// A key is gone, and what it signed is not.
    #[error(
        "{missing} is not there, but {signed}, which it belongs to, is; a new key would shut out every guest: take it from a backup with `vgpu-installer license restore`, or begin anew with `vgpu-installer license remove --discard`"
    )]
    Lost {
        /// The key.
        missing: HostPath,
        /// What it has signed.
        signed: HostPath,
    },
}

impl Explain for LicenseError {
    fn exit(&self) -> Option<Exit> {
        matches!(self, Self::Cannot(_) | Self::Place(_) | Self::Address(_))
            .then_some(Exit::Unsuitable)
    }
}
