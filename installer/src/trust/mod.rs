//! The trust policy of this host, and the floors of its channels.
//!
//! The policy is in `/etc/vgpu-offline`, for people and for `ssh-keygen`; the floors are with the
//! installer's other state. Neither belongs to a transaction: reverting a bundle never changes trust.

mod floors;
mod gate;
mod policy_file;
mod record;

pub(crate) use self::floors::{Candidate, Floor, FloorError, Floors};
pub(crate) use self::gate::{NotAdmitted, admit};
pub(crate) use self::policy_file::save;
pub(crate) use self::policy_file::{TrustError, load, require};
pub(crate) use self::record::record;
