//! The kernel of the next boot: its choice, pin, parameters, and the guard after upgrades.

pub(crate) mod choice;
pub(crate) mod guard;
pub(crate) mod parameters;
pub(crate) mod pin;
