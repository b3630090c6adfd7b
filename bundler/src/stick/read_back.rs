//! Reading a stick again, past the page cache: what counts is what the medium kept.

use std::fs::File;
use std::io;

use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Advice;
use serde::Serialize;
use vgpu_manifest::ui::Exit;

use super::Content;
use crate::exit::Advise as _;

/// Make the kernel forget what it has in memory of these files, so that reading them asks the
/// medium. They must have been synced: what is not on the medium yet cannot be forgotten.
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

/// See that the file at `path` has exactly this content.
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
            assert!(error.to_string().contains("does not return what was written"), "{error}");
        }
    }
}
