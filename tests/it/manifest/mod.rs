//! The crate `vgpu-manifest` from outside.

mod container;
mod gnu_patch;
mod mutations;
