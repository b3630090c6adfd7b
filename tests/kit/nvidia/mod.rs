//! Stand-ins for NVIDIA's driver packages.
//!
//! The packages themselves may not be passed on, so the tests make some that are built in the same
//! way: a script with the same header fields, checksums and options, a compressed archive behind
//! it, and in that an installer, `vgpuConfig.xml`, services, `nvidia-smi`, an uninstaller, and small
//! kernel modules that DKMS really builds. No line of them is NVIDIA's, and what they install
//! drives nothing. What was seen with a stand-in was not seen with a real driver.
//!
//! They are made with the tools that a packager would take (`tar`, `gzip`, `xz`, `zstd`, `cksum`,
//! `md5sum`, `zip`), so that none of our own readers is proven by our own writers.

mod blob;
mod package;
mod patch;
mod portal;
mod tree;

pub use self::package::{Compression, Kind, StandIn};
pub use self::portal::{Layout, write_portal};
