use std::fs::{self, File};
use std::io::{self, Read as _};

use anyhow::{Context as _, anyhow};
use camino::Utf8Path;
use vgpu_manifest::PIECE;
use vgpu_manifest::ui::ByteSize;

use super::{Sources, finish, uncached};
use crate::cache::CacheError;
use crate::items::driver;
use crate::types::{Expected, LocalPath, Pin};
use crate::ui::Advise as _;

impl Sources<'_> {
    /// Reads a local file.
    pub(super) fn file(&self, path: &LocalPath, want: Expected<'_>) -> anyhow::Result<Pin> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        let item = want.name;
        let unreadable = || format!("cannot read `{path}` for item `{item}`");
        self.look_for(path, want)?;
        let mut reading =
            Reading::open(&path.below(self.base), want.cap).with_context(unreadable)?;
        let transfer = self.fetcher.ui.transfer("read", item.as_str());
        transfer.expect(Some(reading.size()), 0);
        let mut incoming = self.incoming(want)?;
        let seen = &mut |bytes| transfer.advance(bytes);
        if !incoming.clone_of(&reading.file, seen).with_context(|| uncached(item))? {
            loop {
                let bytes = reading.next().with_context(unreadable)?;
                if bytes.is_empty() {
                    break;
                }
                incoming.add(bytes).with_context(|| uncached(item))?;
                transfer.advance(bytes.len() as u64);
            }
        }
        let changed = |why: &CacheError| format!("`{path}` does not match item `{item}`: {why}");
        let measured = finish(incoming, want, changed)?;
        if measured.size != reading.size() {
            return Err(anyhow!("it has changed while it was being read").context(unreadable()));
        }
        transfer.done(measured.size);
        Ok(Pin::plain(&measured))
    }
}

impl Sources<'_> {
    /// Checks that a local file is there, or that the cache has what the recipe expects of it.
    pub(crate) fn look_for(&self, path: &LocalPath, want: Expected<'_>) -> anyhow::Result<()> {
        let is_cached = want.sha256.is_some_and(|it| self.fetcher.cache.cache().has(it));
        let found = if is_cached { Ok(()) } else { fs::metadata(path.below(self.base)).map(drop) };
        let Err(error) = found else { return Ok(()) };
        let is_missing = error.kind() == io::ErrorKind::NotFound;
        let failed =
            Err(error).with_context(|| format!("cannot read `{path}` for item `{}`", want.name));
        match driver::advice(&self.catalog.catalog, path.as_path()).filter(|_| is_missing) {
            Some(advice) => failed.hint(advice),
            None => failed,
        }
    }
}

/// A file that is read in pieces.
pub(super) struct Reading {
    file: File,
    size: u64,
    buf: Vec<u8>,
}

impl Reading {
    /// Opens `path`, which must be a regular file of at most `cap` bytes.
    pub(super) fn open(path: &Utf8Path, cap: ByteSize) -> io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        if !meta.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let size = meta.len();
        if size > cap.bytes() {
            let size = ByteSize::new(size);
            return Err(io::Error::other(format!("it has {size}, more than the {cap} allowed")));
        }
        Ok(Self { file: File::open(path)?, size, buf: vec![0; PIECE] })
    }

    /// Its length in bytes when it was opened.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the next bytes; empty at the end.
    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.file.read(&mut self.buf) {
                Ok(n) => return Ok(&self.buf[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
