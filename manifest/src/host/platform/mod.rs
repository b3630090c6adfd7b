//! Types for a host: kernels, releases, PCI devices, boot loaders.

mod kernel;
mod machine;
mod pci;

pub use self::kernel::{KernelRelease, KernelSeries};
pub use self::machine::{
    BootLoader, BootSync, CpuVendor, Firmware, PveRelease, PveSeries, RootFs, SecureBoot,
};
pub use self::pci::{PciAddress, PciId};
