//! The kernel of the next boot: its choice, pin and parameters.

pub(crate) mod choice;
pub(crate) mod parameters;
pub(crate) mod pin;
