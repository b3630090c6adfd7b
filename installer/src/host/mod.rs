//! The machine, and the rights on it.
//!
//! [`Look`] reads anything. Changes need a right: a [`Door`] changes any path and runs commands, and
//! only the journal can open one; [`OwnState`] writes the installer's own files; [`Work`] owns the
//! scratch area. No other module opens a file or starts a process: `clippy.toml` enforces that.

mod command;
mod content;
mod door;
mod error;
mod look;
mod node;
mod overlay;
pub(crate) mod own;
pub mod real;
mod secret;
mod temp;
#[cfg(test)]
pub(crate) mod testing;
mod work;

pub use self::command::{Command, Exit, Output};
pub use self::content::Content;
pub(crate) use self::content::ContentHasher;
pub use self::door::Host;
pub(crate) use self::door::{Door, New, Source};
pub use self::error::{HostError, Verb};
pub use self::look::Look;
pub(crate) use self::look::{MAX_READ, walk};
pub use self::node::{Kind, Meta, Node, Stat, Xattrs};
pub(crate) use self::overlay::Overlay;
pub use self::own::OwnPath;
pub(crate) use self::own::OwnState;
pub use self::real::{Exec, RealHost};
pub use self::secret::{NotASecret, Secret, SecretInput};
pub(crate) use self::temp::TempName;
pub(crate) use self::work::{Work, WorkPath};
pub use vgpu_manifest::{HostPath, Mode, PathError};
