//! The public interface of the crate `vgpu-manifest`.

mod container;
mod gnu_patch;
mod mutations;
mod policies;
