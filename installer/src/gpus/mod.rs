//! The use of each GPU of the host.
//!
//! A host may have several. GPUs for vGPU stay bound to the host's driver; the others can be passed
//! through to guests, if that does not take other devices from the host.

mod choice;
mod guests;
mod isolation;

pub use self::choice::{Foreign, GpuChoice, ParseWhichError, Which};
pub use self::guests::{Guest, GuestId, InUse, check_idle, check_slots_idle, guests};
pub use self::isolation::{Slot, Unavailable, isolate};
