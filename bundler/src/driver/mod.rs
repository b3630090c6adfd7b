//! NVIDIA's driver packages, read without running them.
//!
//! A `.run` is a shell script of a thousand lines with a compressed archive behind it. The script
//! says in its first lines what the package is and what its checksums are ([`header`]). Everything
//! else is read from the archive as it streams past ([`payload`], [`walk`]): nothing is unpacked
//! to the disk, and nothing but `vgpuConfig.xml` is held in memory. Patches are proven in the same
//! pass. The portal's `.zip` has several drivers in it ([`portal`]).
//!
//! The format was read from the public script of NVIDIA's fork of makeself; the checksums in it
//! guard against damage only. What the file *is* stands in the recipe or in the lock, as a SHA-256.

//!
//! [`records`] brings this together: from what the recipe wants and what came, to what the lock
//! and the manifest say.

mod config;
mod describe;
mod error;
mod header;
mod intake;
mod name;
mod package;
mod patches;
mod payload;
mod portal;
mod refusal;
mod sums;
#[cfg(test)]
mod tests;
mod vgpu_config;
mod walk;
mod window;

pub(crate) use self::config::{Known, config_again, configs};
pub(crate) use self::describe::{config_of, lines, releases};
pub(crate) use self::error::DriverError;
pub(crate) use self::intake::{records, unpack_again};
pub(crate) use self::name::{FileName, Hypervisor};
use self::package::{Config, Examined, Package, check_windows};
use self::portal::{Portal, is_zip};
pub(crate) use self::refusal::RefusalError;
