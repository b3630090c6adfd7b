//! Files of package archives, with several addresses, some of which may be local.

use std::io;

use anyhow::Context as _;
use camino::Utf8PathBuf;
use vgpu_manifest::{ItemName, Measured};

use super::file::Reading;
use super::{Sources, uncached};
use crate::cache::CacheError;
use crate::fetch::{Download, FetchError};
use crate::types::{Address, Expected, HttpUrl, Pin};

/// Why an address is unusable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// A file does not exist or cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read { path: Utf8PathBuf, source: io::Error },
    /// A file has a digest mismatch.
    #[error("`{path}` has another content: {source}")]
    Content {
        path: Utf8PathBuf,
        /// The expected and the actual digest.
        source: CacheError,
    },
    /// The download failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// No address has a file of an archive.
#[derive(Debug, thiserror::Error)]
#[error("cannot get item `{item}`: {}", joined(.errors))]
pub(crate) struct NoAddress {
    item: ItemName,
    /// The error of each address, in order.
    errors: Vec<AddressError>,
}

impl NoAddress {
    /// Returns whether every address answered that the file does not exist.
    #[must_use]
    pub(crate) fn is_missing(&self) -> bool {
        self.errors.iter().all(|error| match error {
            AddressError::Read { source, .. } => source.kind() == io::ErrorKind::NotFound,
            AddressError::Fetch(error) => error.is_missing(),
            AddressError::Content { .. } => false,
        })
    }

    /// Returns whether no address was tried, because the network is disabled.
    #[must_use]
    pub(crate) fn is_offline(&self) -> bool {
        let is_offline =
            |error: &AddressError| matches!(error, AddressError::Fetch(FetchError::Offline { .. }));
        self.errors.iter().all(is_offline)
    }
}

fn joined(errors: &[AddressError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Sources<'_> {
    /// Downloads a file of an archive.
    ///
    /// Addresses are tried in order. Consecutive web addresses form one download, so that one can
    /// resume where another failed.
    pub(crate) fn archived(
        &self,
        addresses: &[Address],
        want: Expected<'_>,
    ) -> anyhow::Result<Pin> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        let mut errors = Vec::new();
        let is_web = |address: &Address| matches!(address, Address::Web(_));
        for run in addresses.chunk_by(|a, b| is_web(a) && is_web(b)) {
            let tried = match &run[0] {
                Address::Folder(path) => self.copied(path, want)?,
                Address::Web(_) => self.fetched(run, want),
            };
            match tried {
                Ok(measured) => return Ok(Pin::plain(&measured)),
                Err(error) => errors.push(error),
            }
        }
        let item = want.name.clone();
        Err(NoAddress { item, errors }.into())
    }

    fn fetched(&self, run: &[Address], want: Expected<'_>) -> Result<Measured, AddressError> {
        let url = |address: &Address| match address {
            Address::Web(url) => Some(url.clone()),
            Address::Folder(_) => None,
        };
        let mirrors: Vec<HttpUrl> = run.iter().filter_map(url).collect();
        let Expected { name, sha256, size, cap } = want;
        let download = Download { name: name.as_str(), mirrors: &mirrors, sha256, size, cap };
        Ok(self.fetcher.fetch(&download)?)
    }

    /// Copies a local file. A cache error is not an error of the file.
    fn copied(
        &self,
        path: &Utf8PathBuf,
        want: Expected<'_>,
    ) -> anyhow::Result<Result<Measured, AddressError>> {
        let read_error = |source| AddressError::Read { path: path.clone(), source };
        let mut reading = match Reading::open(path, want.cap) {
            Ok(reading) => reading,
            Err(error) => return Ok(Err(read_error(error))),
        };
        let transfer = self.fetcher.ui.transfer("read", want.name.as_str());
        transfer.expect(Some(reading.size()), 0);
        let mut incoming = self.incoming(want)?;
        loop {
            match reading.next() {
                Ok([]) => break,
                Ok(bytes) => {
                    incoming.add(bytes).with_context(|| uncached(want.name))?;
                    transfer.advance(bytes.len() as u64);
                }
                Err(error) => return Ok(Err(read_error(error))),
            }
        }
        match incoming.finish(want.sha256) {
            Ok(measured) => {
                transfer.done(measured.size);
                Ok(Ok(measured))
            }
            Err(source @ CacheError::Mismatch(_)) => {
                Ok(Err(AddressError::Content { path: path.clone(), source }))
            }
            Err(error) => Err(error).with_context(|| uncached(want.name)),
        }
    }
}
