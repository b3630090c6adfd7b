//! Nodes that really boot: firmware, boot loader, kernel, udev and systemd, with a GPU that the kernel
//! sees and a driver that binds to it (`docs/NODE-SUITE.md`).

mod cuts;
mod evidence;
mod laptop;
mod rig;
mod secure_boot;
mod story;
