//! The words of the field: kernels, releases, PCI devices, boot loaders.
//!
//! Everybody who speaks of a host uses these: the installer that looks at one, the catalogue that
//! says what fits it, the verdict and the planner. Each has one spelling, which is what `FromStr`
//! takes, `Display` writes and JSON and TOML hold.

mod boot;
mod cpu;
mod kernel;
mod pci;
mod pve;
pub(crate) mod words;

pub use self::boot::{BootLoader, BootSync, Firmware, RootFs, SecureBoot};
pub use self::cpu::CpuVendor;
pub use self::kernel::{KernelRelease, KernelSeries};
pub use self::pci::{PciAddress, PciId};
pub use self::pve::{PveRelease, PveSeries};
