//! Read-back verification, past the page cache.

use std::fs::File;
use std::io;

use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Advice;
use serde::Serialize;
use vgpu_manifest::ui::Exit;

use super::Content;
use crate::ui::Advise as _;

/// Drops these files from the page cache, so that they are read from the medium.
///
/// They must have been synced: the kernel keeps dirty pages.
pub(crate) fn forget(paths: &[Utf8PathBuf]) -> anyhow::Result<()> {
    for path in paths {
        let forget = || -> io::Result<()> {
            rustix::fs::fadvise(&File::open(path)?, 0, None, Advice::DontNeed)?;
            Ok(())
        };
        forget().with_context(|| format!("cannot read back `{path}`"))?;
    }
    Ok(())
}

/// Checks that the file at `path` has exactly this content.
pub(crate) fn read_small(path: &Utf8Path, content: &Content) -> anyhow::Result<()> {
    let same = File::open(path).and_then(|file| content.is(file));
    if same.with_context(|| format!("cannot read back `{path}`"))? {
        return Ok(());
    }
    differs(path, anyhow!("it has other bytes"))
}

/// Fails because the medium has other bytes than were written.
pub(crate) fn differs<T>(path: &Utf8Path, why: impl Into<anyhow::Error>) -> anyhow::Result<T> {
    Err(why.into())
        .with_context(|| format!("the medium does not return what was written to `{path}`"))
        .exit(Exit::Untrusted)
}

/// The share of the read-back bytes that came from a medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FromMedium {
    All,
    /// The rest came from memory, as on tmpfs.
    Partly,
    /// The kernel does not report it.
    Unknown,
}

/// A measurement of the bytes that this process reads from media.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch(Option<u64>);

impl Watch {
    pub(crate) fn begin() -> Self {
        Self(read_from_media())
    }

    /// Checks whether `expected` bytes have come from media since the start.
    pub(crate) fn end(self, expected: u64) -> FromMedium {
        match (self.0, read_from_media()) {
            (Some(before), Some(after)) if after - before >= expected => FromMedium::All,
            (Some(_), Some(_)) => FromMedium::Partly,
            _ => FromMedium::Unknown,
        }
    }
}

/// Returns the bytes that the kernel has fetched from media for this process: `read_bytes` of
/// `proc(5)`.
fn read_from_media() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_differs_is_detected() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("a");
        std::fs::write(&path, "bytes").unwrap();
        forget(std::slice::from_ref(&path)).unwrap();
        let text = |text: &str| Content::Text(text.into());
        read_small(&path, &text("bytes")).unwrap();
        for other in ["byte", "bytes!", "Bytes"] {
            let error = read_small(&path, &text(other)).unwrap_err();
            assert!(error.to_string().contains("does not return what was written"), "{error}");
        }
    }
}
