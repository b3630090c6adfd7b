//! A node in each of the three modes, from stock to working and back, with real tools.
//!
//! Roots of Debian stand in for Proxmox VE, Debian's kernel and headers for Proxmox's, and a
//! stand-in for NVIDIA's driver. apt, dpkg, DKMS, the compiler, initramfs-tools and depmod are
//! real.

mod built;
pub(crate) mod bundle;
mod clock;
mod differ;
mod half;
mod identical;
mod kill;
pub(crate) mod machine;
mod native;
mod offline;
mod passthrough;
mod sockets;
pub(crate) mod stage;
mod takeover;
mod trouble;
mod unlock;
mod upgrade;
pub(crate) mod waiting;
mod watch;
