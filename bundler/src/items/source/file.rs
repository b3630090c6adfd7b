use std::fs::File;
use std::io::{self, Read as _};

use camino::Utf8Path;
use vgpu_manifest::PIECE;
use vgpu_manifest::ui::ByteSize;

use super::{SourceError, Sources};
use crate::cache::CacheError;
use crate::types::{Expected, LocalPath, Pin};

impl Sources<'_> {
    /// Reads a local file.
    pub(super) fn file(&self, path: &LocalPath, want: Expected<'_>) -> Result<Pin, SourceError> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        let item = || want.name.clone();
        let file_error = |source| SourceError::File { item: item(), path: path.clone(), source };
        let cache_error = |source| SourceError::Cache { item: item(), source };

        let mut reading = Reading::open(&path.below(self.base), want.cap).map_err(file_error)?;
        let transfer = self.fetcher.ui.transfer("read", want.name.as_str());
        transfer.expect(Some(reading.size()), 0);
        let mut incoming = self.fetcher.cache.incoming().map_err(cache_error)?;
        loop {
            let bytes = reading.next().map_err(file_error)?;
            if bytes.is_empty() {
                break;
            }
            incoming.add(bytes).map_err(cache_error)?;
            transfer.advance(bytes.len() as u64);
        }
        let measured = incoming.finish(want.sha256).map_err(|source| match source {
            CacheError::Mismatch(_) => {
                SourceError::Changed { item: item(), path: path.clone(), source }
            }
            source => SourceError::Cache { item: item(), source },
        })?;
        if measured.size != reading.size() {
            let changed = io::Error::other("it has changed while it was being read");
            return Err(file_error(changed));
        }
        transfer.done(measured.size);
        Ok(Pin::plain(&measured))
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
