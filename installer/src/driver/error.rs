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
