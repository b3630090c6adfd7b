//! `vgpu-bundler prove` in roots of Debian, whose kernels stand in for those of Proxmox VE.

mod laptop;
mod real;
mod stand_in;
