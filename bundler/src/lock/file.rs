use std::fs;
use std::io;
use std::time::SystemTime;

use anyhow::{Context as _, anyhow, bail};
use camino::Utf8Path;
use serde::Deserialize;

use super::{Lock, VERSION};
use crate::bounded;
use crate::outfile;

/// The part of a lock that all versions of the format share.
#[derive(Deserialize)]
struct Preamble {
    version: u32,
}

/// The largest lock: a full manifest with the pins of its items.
const MAX_LEN: u64 = 32 << 20;

const HEAD: &str = "\
# Written by `vgpu-bundler lock`; keep it with the recipe, and do not edit it.

";

impl Lock {
    /// Reads the lock at `path`, if it exists.
    pub(crate) fn read(path: &Utf8Path) -> anyhow::Result<Option<Self>> {
        let text = match bounded::read_text(path, MAX_LEN) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read the lock `{path}`"));
            }
        };
        Self::parse(path, &text).map(Some)
    }

    /// Parses `text` as the lock at `path`.
    pub(crate) fn parse(path: &Utf8Path, text: &str) -> anyhow::Result<Self> {
        let wrong = |error: toml::de::Error| {
            let at = error.span().unwrap_or_default().start;
            let line = 1 + text.get(..at).unwrap_or_default().matches('\n').count();
            let what = error.message().replace('\n', ", ");
            anyhow!("`{path}` line {line}: {what}")
        };
        let Preamble { version } = toml::from_str(text).map_err(wrong)?;
        if version != VERSION {
            bail!(
                "the lock `{path}` has version {version}, but this program reads version {VERSION}; use the program that wrote it"
            );
        }
        toml::from_str(text).map_err(wrong)
    }

    /// Returns the text that [`Lock::parse`] reads.
    pub(crate) fn to_text(&self) -> anyhow::Result<String> {
        let text = toml::to_string(self).context("cannot serialize the lock")?;
        Ok(format!("{HEAD}{text}"))
    }

    /// Updates the modification time of the lock at `path`: it is up to date, so it must not be
    /// older than its inputs.
    pub(crate) fn confirm(path: &Utf8Path) -> anyhow::Result<()> {
        let file = fs::File::options().write(true).open(path);
        let dated = file.and_then(|file| file.set_modified(SystemTime::now()));
        dated.with_context(|| format!("cannot write the lock `{path}`"))
    }

    /// Replaces the lock at `path` atomically and durably.
    pub(crate) fn write(&self, path: &Utf8Path) -> anyhow::Result<()> {
        let text = self.to_text()?;
        // The lock is as readable as the recipe.
        outfile::replace(path, text.as_bytes(), 0o666)
            .with_context(|| format!("cannot write the lock `{path}`"))
    }
}
