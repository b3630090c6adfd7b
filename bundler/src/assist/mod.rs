//! Help for the author of a recipe: proposals for a node, and checks of this machine.

pub(crate) mod doctor;
pub(crate) mod proposal;
