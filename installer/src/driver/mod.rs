//! NVIDIA's host driver: unpacked, patched, installed and removed by its own programs.
//!
//! The package unpacks itself, this program patches the tree and verifies it against the digests of
//! the manifest, and the installer in the tree does the rest. Its own uninstaller removes the files
//! that it installed; remains are found by comparing the folders that it writes to, before and
//! after.

mod dkms;
mod error;
mod spec;
mod tree;

pub(crate) use self::dkms::{Build, BuildState};
pub(crate) use self::error::DriverError;
pub(crate) use self::spec::{DriverPatch, DriverSpec};

pub(crate) use self::dkms::status;
pub(crate) use self::spec::{
    has_leftovers, is_installed, remember, remembered, uninstall, versions,
};
pub(crate) use self::tree::{AREA, prepare, unpack};
