//! The use of each GPU of the host.
//!
//! A host may have several. GPUs for vGPU stay bound to the host's driver; the others can be passed
//! through to guests, if that does not take other devices from the host.

mod choice;
mod guests;
mod isolation;
pub(crate) mod sriov;
pub(crate) mod vgpu;

#[cfg(test)]
pub(crate) use self::choice::Which;
pub(crate) use self::choice::{Foreign, GpuChoice};
pub(crate) use self::guests::{InUse, check_idle, check_slots_idle};
pub(crate) use self::isolation::{Slot, Unavailable, isolate};
