//! NVIDIA's host driver: unpacked, patched, installed and removed by its own programs.
//!
//! The package unpacks itself, this program patches the tree and verifies it against the digests of
//! the manifest, and the installer in the tree does the rest. Its own uninstaller removes the files
//! that it installed; remains are found by comparing the folders that it writes to, before and
//! after.

mod dkms;
mod spec;
mod tree;

pub(crate) use self::dkms::{Build, BuildState};
pub(crate) use self::spec::{DriverPatch, DriverSpec};

pub(crate) use self::dkms::status;
pub(crate) use self::spec::{
    has_leftovers, is_installed, remember, remembered, uninstall, versions,
};
pub(crate) use self::tree::{AREA, prepare, unpack};

use vgpu_manifest::ItemName;
use vgpu_manifest::patch::{ApplyError, PatchError, TreePath};

use crate::gpus::InUse;
use crate::host::HostError;

/// A failure to install or remove the driver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DriverError {
    /// The host, or a program of the driver, failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Guests are using the GPU.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// The patch is malformed.
    #[error("cannot read the patch `{0}`: {1}")]
    Patch(ItemName, PatchError),
    /// The patch does not apply to the unpacked driver.
    #[error("the patch does not fit: {0}; nothing was installed")]
    Apply(#[from] ApplyError),
    /// A file differs from the one recorded in the bundle.
    #[error(
        "`{0}` of the unpacked driver does not match the bundle's manifest; nothing was installed"
    )]
    Differs(TreePath),
    /// The store lacks a staged item.
    #[error("the store has no patch `{0}`; apply the bundle again")]
    Gone(ItemName),
}
