//! Damage to the installer's own state: finding it, and the way out of each.
//!
//! A fix that loses nothing is a [`Heal`]. Everything else is given up explicitly, by its path, and
//! the loss is named first.

mod evidence;
mod examine;
mod finding;
mod heal;

pub(crate) use self::evidence::{JournalLost, check_journal};
pub(crate) use self::examine::{Journal, examine, odd_names};
pub(crate) use self::finding::{Finding, Heal, Part, Weight};
pub(crate) use self::heal::{give_up, heal};
