//! Stand-ins for NVIDIA's driver packages.
//!
//! The license of the real packages does not allow redistribution, so the tests make packages with
//! the same structure: a script with the same header fields, checksums and options, followed by a
//! compressed archive with an installer, `vgpuConfig.xml`, services, `nvidia-smi`, an uninstaller,
//! and small kernel modules that DKMS really builds. They contain no code from NVIDIA and drive no
//! hardware. A result with a stand-in does not confirm the same result with a real driver.
//!
//! They are made with the usual packaging tools (`tar`, `gzip`, `xz`, `zstd`, `cksum`, `md5sum`,
//! `zip`), so that the project's readers are not tested only against its own writers.

mod blob;
mod package;
mod patch;
mod portal;
mod tree;

pub use self::package::{Compression, Kind, StandIn};
pub use self::portal::{Layout, write_portal};
