//! Container images for tests: made up as layouts, put into a real registry, and judged by the
//! rules of those who are to take them.

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
