//! NVIDIA driver packages, read without running them.
//!
//! A `.run` file is a shell script of a thousand lines followed by a compressed archive. The first
//! lines of the script name the package and its checksums ([`header`]). Everything else is read
//! from the archive as a stream ([`payload`], [`walk`]): nothing is unpacked to disk, and only
//! `vgpuConfig.xml` is held in memory. Patches are checked in the same pass. The `.zip` of the
//! NVIDIA portal contains several drivers ([`portal`]).
//!
//! The format comes from the public script of the NVIDIA fork of makeself. Its checksums detect
//! damage only; the recipe or the lock identifies the file by SHA-256.

//! [`records`] combines this: it converts requests of the recipe and downloaded files to records of
//! the lock and the manifest.

mod advice;
mod config;
mod describe;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod header;
mod host_file;
mod intake;
mod overrides;
mod package;
mod patches;
mod payload;
mod portal;
mod sums;
#[cfg(test)]
mod tests;
mod vgpu_config;
mod walk;
mod window;

pub(crate) use self::advice::advice;
pub(crate) use self::config::{Known, config_again, configs};
pub(crate) use self::describe::{config_of, lines};
pub(crate) use self::host_file::HostFile;
pub(crate) use self::intake::{records, unpack_again};
pub(crate) use self::overrides::check_overrides;
use self::package::{Config, Examined, Package, check_windows};
use self::payload::{Truncated, UNREADABLE, damaged, unusable};
use self::portal::{Portal, is_zip};
