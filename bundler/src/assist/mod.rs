//! Help for the author of a recipe: its short form, proposals for a node, and checks of this
//! machine.

pub(crate) mod doctor;
pub(crate) mod expansion;
mod licensing;
pub(crate) mod proposal;

pub(crate) use self::licensing::Licensing;
