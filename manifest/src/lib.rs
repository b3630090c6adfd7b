//! What a bundle is, how to read one without trusting the medium it came on, and whether what it
//! holds fits a host.

pub mod catalog;
mod digest;
mod host_path;
pub mod inventory;
mod mode;
pub mod platform;
pub mod verdict;

pub use crate::digest::{CHUNK, Digest, Hasher, ItemId, ParseDigestError, tree_digest};
pub use crate::host_path::{HostPath, PathError};
pub use crate::mode::{Mode, ParseModeError};
