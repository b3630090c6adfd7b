//! What a bundle is, how to read one without trusting the medium it came on, and whether what it
//! holds fits a host.

mod digest;
mod host_path;
mod mode;

pub use crate::digest::{CHUNK, Digest, Hasher, ItemId, ParseDigestError, tree_digest};
pub use crate::host_path::{HostPath, PathError};
pub use crate::mode::{Mode, ParseModeError};
