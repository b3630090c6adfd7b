//! NVIDIA's host driver: unpacked, patched, installed and removed by its own programs.
//!
//! The package unpacks itself, our applier patches the tree by the digests of the manifest, and the
//! installer in the tree does the rest. What it writes is its own business as long as its own
//! uninstaller takes it away again; what that leaves is found by looking at the places where it
//! writes, before and after.

mod dkms;
mod error;
mod spec;
mod tree;

pub use self::dkms::{Build, BuildState, builds};
pub use self::error::DriverError;
pub use self::spec::{DriverPatch, DriverSpec};

pub(crate) use self::dkms::status;
pub(crate) use self::spec::{
    has_leftovers, is_installed, remember, remembered, uninstall, versions,
};
pub(crate) use self::tree::{AREA, prepare, unpack};
