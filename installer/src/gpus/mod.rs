//! Which GPU of a host shall do what, and whether it may.
//!
//! A host may have several. Those that serve vGPUs stay with the host; the others can be handed to
//! guests as they are, if that takes nothing away that the host itself needs.

mod choice;
mod guests;
mod isolation;

pub use self::choice::{Foreign, GpuChoice, ParseWhichError, Which};
pub use self::guests::{Guest, GuestId, InUse, check_idle, check_slots_idle, guests};
pub use self::isolation::{Slot, Unavailable, isolate};
