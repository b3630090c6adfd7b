//! Whom this host trusts, and from which bundle on.
//!
//! The policy stands in `/etc/vgpu-offline`, for people and for `ssh-keygen`; what bundles have
//! passed their proof stands with the rest of the installer's state. Neither belongs to a
//! transaction: taking a bundle back never takes back whom it was, or is no more, wise to trust.

mod floors;
mod gate;
mod policy_file;
mod record;

pub use self::floors::{Candidate, Floor, FloorError, Floors, Proven};
pub use self::gate::{NotAdmitted, admit};
pub(crate) use self::policy_file::save;
pub use self::policy_file::{POLICY, TrustError, load, require};
pub(crate) use self::record::record;
