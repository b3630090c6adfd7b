//! Basic types with one text form, and the macros that define them.

mod deb_version;
mod digest;
pub mod limits;
mod names;
pub(crate) mod object;
mod path;
mod printable;
pub(crate) mod text;

pub use self::deb_version::{DebVersion, PackageVersion};
pub use self::digest::{CHUNK, Digest, Hasher, ItemId, tree_digest};
pub use self::names::{BundleName, ItemName, NameCollision, POLICIES, ProgramVersion};
pub(crate) use self::names::{MANIFEST, SHA256SUMS, SIGNATURES, check_distinct};
pub use self::path::{HostPath, Mode, PathError};
pub use self::printable::{printable, shell_word};
pub use self::text::{ParseTextError, is_word};
