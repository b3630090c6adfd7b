//! Downloads into the cache from unreliable servers.
//!
//! A download tries its mirrors in turn. Received bytes survive resets, stalls and `kill -9`. With a
//! known digest, a download resumes at any mirror, because a wrong beginning is detected; without
//! one, only if the server confirms that its content is unchanged. Nothing enters the cache unless
//! its digest is the expected one.

mod attempt;
mod patience;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, Measured};

use self::attempt::Failure;
use self::patience::Brought;
pub(crate) use self::patience::Patience;
use crate::cache::{CacheError, CacheLock};
use crate::net::{Client, NetError, Retry};
use crate::types::HttpUrl;
use crate::ui::{Transfer, Ui};

/// A content to download.
#[derive(Debug, Clone)]
pub(crate) struct Download<'d> {
    /// The name for output.
    pub(crate) name: &'d str,
    /// The addresses, in the order of attempts.
    pub(crate) mirrors: &'d [HttpUrl],
    /// The SHA-256, if known.
    pub(crate) sha256: Option<Digest>,
    /// The length in bytes, if known.
    pub(crate) size: Option<u64>,
    /// The most bytes.
    pub(crate) cap: ByteSize,
}

/// The resources for downloads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetcher<'f> {
    /// The network; `None` with `--offline`.
    pub(crate) client: Option<&'f Client>,
    pub(crate) cache: &'f CacheLock<'f>,
    pub(crate) patience: Patience,
    pub(crate) ui: &'f Ui,
}

/// A download that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FetchError {
    #[error("`{name}` is not in the cache, and `--offline` forbids fetching it")]
    Offline { name: String },
    #[error("cannot fetch `{name}`: {}", joined(.failures))]
    Failed {
        name: String,
        /// The last error of each mirror.
        failures: Vec<MirrorError>,
    },
    /// The stated size contradicts the stated digest.
    #[error("`{name}` is stated to have {stated} bytes, but the content with its digest has {is}")]
    Size { name: String, stated: u64, is: u64 },
    /// A failure of the cache, which no other mirror fixes.
    #[error("cannot fetch `{name}`")]
    Cache { name: String, source: CacheError },
}

impl FetchError {
    /// Checks whether every mirror has answered that the content does not exist.
    #[must_use]
    pub(crate) fn is_missing(&self) -> bool {
        let is_missing = |failure: &MirrorError| {
            matches!(failure, MirrorError::Net(NetError::Status { code: 403 | 404 | 410, .. }))
        };
        matches!(self, Self::Failed { failures, .. } if failures.iter().all(is_missing))
    }
}

fn joined(failures: &[MirrorError]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The failure of one mirror.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MirrorError {
    #[error(transparent)]
    Net(#[from] NetError),
    /// The content, or what the server states about it, is not the expected one.
    #[error("{0}")]
    Content(String),
}

impl MirrorError {
    fn too_much(url: &HttpUrl, limit: u64) -> Self {
        Self::Content(format!("{url} sends more than {}", ByteSize::new(limit)))
    }
}

impl Fetcher<'_> {
    /// Downloads the content into the cache.
    pub(crate) fn fetch(&self, download: &Download<'_>) -> Result<Measured, FetchError> {
        let name = || download.name.to_owned();
        let cache_error = |source| FetchError::Cache { name: name(), source };
        if let Some(digest) = download.sha256.filter(|digest| self.cache.cache().has(*digest)) {
            self.cache.touch(digest, SystemTime::now());
            let measured = self.cache.measured(digest).map_err(cache_error)?;
            // A wrong size would otherwise be found only where the cache lacks the content.
            return match download.size {
                Some(stated) if stated != measured.size => {
                    Err(FetchError::Size { name: name(), stated, is: measured.size })
                }
                _ => Ok(measured),
            };
        }
        let client = self.client.ok_or_else(|| FetchError::Offline { name: name() })?;
        let transfer = self.ui.transfer("fetch", download.name);
        let measured = self.try_mirrors(client, download, &transfer)?;
        transfer.done(measured.size);
        Ok(measured)
    }

    fn try_mirrors(
        &self,
        client: &Client,
        download: &Download<'_>,
        transfer: &Transfer<'_>,
    ) -> Result<Measured, FetchError> {
        let name = || download.name.to_owned();
        let mut failures = Vec::new();
        let mut mirrors: Vec<&HttpUrl> = download.mirrors.iter().collect();
        let mut waits = self.patience.begin();
        let mut turn = 0;
        while !mirrors.is_empty() {
            let index = turn % mirrors.len();
            let attempt = attempt::Attempt {
                client,
                cache: self.cache,
                download,
                transfer,
                url: mirrors[index],
            };
            match attempt.run() {
                Ok(measured) => return Ok(measured),
                Err(Failure::Cache(source)) => {
                    return Err(FetchError::Cache { name: name(), source });
                }
                Err(Failure::Final(error)) => {
                    transfer.note(&error);
                    failures.push(error);
                    mirrors.remove(index);
                }
                Err(Failure::Passing { error, brought, not_before }) => {
                    turn += 1;
                    let Some(wait) = waits.after(brought, not_before) else {
                        failures.push(error.into());
                        break;
                    };
                    transfer.note(format_args!("{error}; trying again"));
                    // Try the next mirror instead of waiting for this one.
                    if turn % mirrors.len() == 0 {
                        std::thread::sleep(wait);
                    }
                }
            }
        }
        Err(FetchError::Failed { name: name(), failures })
    }

    /// Fetches a small document of at most `cap` bytes. It is not cached, because the next answer
    /// may differ.
    pub(crate) fn document(
        &self,
        name: &str,
        url: &HttpUrl,
        cap: ByteSize,
    ) -> Result<Vec<u8>, FetchError> {
        let client = self.client.ok_or_else(|| FetchError::Offline { name: name.to_owned() })?;
        let mut waits = self.patience.begin();
        loop {
            let error = match read(client, url, cap) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            let wait = match &error {
                MirrorError::Net(error) => match error.retry() {
                    Retry::Later(not_before) => waits.after(Brought::default(), not_before),
                    Retry::FromStart | Retry::Never => None,
                },
                MirrorError::Content(_) => None,
            };
            let Some(wait) = wait else {
                return Err(FetchError::Failed { name: name.to_owned(), failures: vec![error] });
            };
            self.ui.note(format_args!("{name}: {error}; trying again"));
            std::thread::sleep(wait);
        }
    }
}

fn read(client: &Client, url: &HttpUrl, cap: ByteSize) -> Result<Vec<u8>, MirrorError> {
    let mut reply = client.get(url, None)?;
    let (mut bytes, mut buf) = (Vec::new(), [0; 16 << 10]);
    loop {
        match reply.read(&mut buf)? {
            0 => return Ok(bytes),
            n if (bytes.len() + n) as u64 > cap.bytes() => {
                return Err(MirrorError::too_much(url, cap.bytes()));
            }
            n => bytes.extend_from_slice(&buf[..n]),
        }
    }
}
