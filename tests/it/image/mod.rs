//! Container images, from a real registry through a bundle to the engines that load them.
//!
//! The registry is Debian's `docker-registry`, filled by Debian's `skopeo`. podman, skopeo, and the
//! rules of Proxmox VE 9.1 as implemented in `vgpu_tests::oci` check the result.

mod each;
mod engines;
mod pulled;
mod saved;
#[cfg(feature = "slow")]
mod slow;

use vgpu_tests::skip::have;

/// Checks for the required tools.
fn tools() -> bool {
    ["docker-registry", "skopeo"].into_iter().all(have)
}
