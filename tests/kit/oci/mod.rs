//! Container images for tests: created as layouts, pushed to a real registry, and checked by the
//! rules of their consumers.

mod docker;
mod layout;
mod podman;
mod pve;
mod registry;

pub use self::docker::Docker;
pub use self::layout::{Compression, ImageSpec, Layout};
pub use self::podman::Podman;
pub use self::pve::{Accepted, accepted_by_pve};
pub use self::registry::{Format, Registry};
