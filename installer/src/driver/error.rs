use vgpu_manifest::ItemName;
use vgpu_manifest::patch::{ApplyError, PatchError, TreePath};

use crate::gpus::InUse;
use crate::host::HostError;

/// The driver could not be installed or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The host, or one of the driver's own programs, refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Guests would lose their GPU.
    #[error(transparent)]
    InUse(#[from] InUse),
    /// The patch is not one.
    #[error("cannot read the patch `{0}`: {1}")]
    Patch(ItemName, PatchError),
    /// The patch does not fit the unpacked driver.
    #[error("the patch does not fit: {0}; nothing was installed")]
    Apply(#[from] ApplyError),
    /// A file is not what it was when the bundle was made.
    #[error(
        "`{0}` of the unpacked driver does not match the bundle's manifest; nothing was installed"
    )]
    Differs(TreePath),
    /// The store lacks what was staged.
    #[error("the store has no patch `{0}`; apply the bundle again")]
    Gone(ItemName),
    /// The package does not have what every package has.
    #[error("the driver package has no `{0}`")]
    Lacks(&'static str),
}
