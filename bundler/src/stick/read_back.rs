//! Reading a stick again, past the page cache: what counts is what the medium kept.

use std::fs::File;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Advice;
use serde::Serialize;

use super::{Content, Differs, StickError};

/// Make the kernel forget what it has in memory of these files, so that reading them asks the
/// medium. They must have been synced: what is not on the medium yet cannot be forgotten.
pub(crate) fn forget(paths: &[Utf8PathBuf]) -> Result<(), StickError> {
    for path in paths {
        let error = |source| StickError::Io { verb: "read back", path: path.clone(), source };
        let file = File::open(path).map_err(error)?;
        rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)
            .map_err(|errno| error(io::Error::from(errno)))?;
    }
    Ok(())
}

/// See that the file at `path` has exactly this content.
pub(crate) fn read_small(path: &Utf8Path, content: &Content) -> Result<(), StickError> {
    let error = |source| StickError::Io { verb: "read back", path: path.to_owned(), source };
    let file = File::open(path).map_err(error)?;
    if content.is(file).map_err(error)? {
        return Ok(());
    }
    Err(StickError::Differs { path: path.to_owned(), why: Differs::Bytes })
}

/// How much of what was read back has really come from a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FromMedium {
    /// All of it.
    All,
    /// The rest was answered from memory, as on a file system that lives there.
    Partly,
    /// This system does not say.
    Unknown,
}

/// Watches how much this process has read from media.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch(Option<u64>);

impl Watch {
    /// Begin to watch.
    pub(crate) fn begin() -> Self {
        Self(read_from_media())
    }

    /// Whether `expected` bytes have come from media since.
    pub(crate) fn end(self, expected: u64) -> FromMedium {
        match (self.0, read_from_media()) {
            (Some(before), Some(after)) if after - before >= expected => FromMedium::All,
            (Some(_), Some(_)) => FromMedium::Partly,
            _ => FromMedium::Unknown,
        }
    }
}

/// How many bytes the kernel has fetched from media for this process, as `proc(5)` says.
fn read_from_media() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_what_was_written_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a");
        std::fs::write(&path, "bytes").unwrap();
        forget(std::slice::from_ref(&path)).unwrap();
        let text = |text: &str| Content::Text(text.into());
        read_small(&path, &text("bytes")).unwrap();
        for other in ["byte", "bytes!", "Bytes"] {
            let error = read_small(&path, &text(other)).unwrap_err();
            assert!(error.to_string().contains("does not give back"), "{error}");
        }
    }
}
