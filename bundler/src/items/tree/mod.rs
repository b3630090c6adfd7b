//! Reproducible archives of folders.
//!
//! An archive has names, contents, the executable bit and links that stay inside. Owners, dates,
//! other permissions, attributes and hard links are omitted, because they differ between two
//! checkouts of the same sources.

mod link;
mod pack;
mod packer;
mod scan;
#[cfg(test)]
mod tests;
mod unpack;

use anyhow::anyhow;
use camino::Utf8Path;

use self::link::LinkFault;
pub(crate) use self::pack::WINDOW_LOG;
pub(crate) use self::packer::pack;
pub(crate) use self::scan::{content_size, scan};
pub(crate) use self::unpack::unpack;

const CANNOT_READ: &str = "cannot read the archive";
const CANNOT_WRITE: &str = "cannot write the archive";

fn cannot_read(path: &Utf8Path) -> String {
    format!("cannot read `{}`", path.as_str().escape_debug())
}

/// Returns the error for a name that would not mean the same on every system.
fn bad_name(path: &str, why: &str) -> anyhow::Error {
    anyhow!("the name `{}` {why}", path.escape_debug())
}

/// Returns the error for a link that leads out of the folder.
fn bad_link(path: &Utf8Path, target: &str, why: LinkFault) -> anyhow::Error {
    let (path, target) = (path.as_str().escape_debug(), target.escape_debug());
    anyhow!("the link `{path}` to `{target}` {why}")
}

/// Returns the error for an archive of `size` bytes, more than an item may have.
pub(crate) fn too_large(size: u64) -> anyhow::Error {
    anyhow!("the archive has {size} bytes, more than an item may have")
}
