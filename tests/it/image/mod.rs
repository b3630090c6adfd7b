//! Container images, from a real registry through a bundle to the engines that load them.
//!
//! The registry is Debian's `docker-registry`, filled by Debian's `skopeo`; what comes out is
//! judged by podman, skopeo, and the rules of Proxmox VE 9.1 as `vgpu_tests::oci` has them.

mod each;
mod engines;
mod pulled;
#[cfg(feature = "slow")]
mod slow;

use vgpu_tests::skip::have;

/// The tools without which nothing can be shown.
fn tools() -> bool {
    ["docker-registry", "skopeo"].into_iter().all(have)
}
