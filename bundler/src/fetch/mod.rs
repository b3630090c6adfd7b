//! Getting one content into the cache, however badly the servers behave.
//!
//! A download is tried at its mirrors in turn. What has come stays through resets, stalls and
//! `kill -9`, and goes on where it was: with a digest anywhere, because a wrong beginning will be
//! found out; without one only where the server vouches that its content is still the same. No
//! byte gets into the cache unless the digest of all of them is the expected one.

mod attempt;
mod document;
mod patience;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, Measured};

use self::attempt::Failure;
pub(crate) use self::patience::Patience;
use crate::cache::{CacheError, CacheLock};
use crate::net::{Client, HttpUrl, NetError};
use crate::ui::{Transfer, Ui};

/// A content that is to be downloaded.
#[derive(Debug, Clone)]
pub(crate) struct Download<'d> {
    /// What to call it.
    pub(crate) name: &'d str,
    /// Where it is, in the order in which to try.
    pub(crate) mirrors: &'d [HttpUrl],
    /// Its SHA-256, if that is known.
    pub(crate) sha256: Option<Digest>,
    /// Its length, if that is known.
    pub(crate) size: Option<u64>,
    /// The most bytes that it may have.
    pub(crate) cap: ByteSize,
}

/// What downloads need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetcher<'f> {
    /// The network; `None` to stay away from it.
    pub(crate) client: Option<&'f Client>,
    /// Where the content goes.
    pub(crate) cache: &'f CacheLock<'f>,
    /// When to give up.
    pub(crate) patience: Patience,
    /// Who shows how far it is.
    pub(crate) ui: &'f Ui,
}

/// A download did not succeed, at any mirror.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FetchError {
    /// The network is not to be used.
    #[error("`{name}` is not in the cache, and `--offline` forbids fetching it")]
    Offline {
        /// What was wanted.
        name: String,
    },
    /// Every mirror failed.
    #[error("cannot fetch `{name}`: {}", tell(.failures))]
    Failed {
        /// What was wanted.
        name: String,
        /// The last word of each mirror.
        failures: Vec<MirrorError>,
    },
    /// The cache failed, which another mirror does not mend.
    #[error("cannot fetch `{name}`")]
    Cache {
        /// What was wanted.
        name: String,
        /// What went wrong.
        source: CacheError,
    },
}

impl FetchError {
    /// Whether every mirror has answered that there is no such thing.
    #[must_use]
    pub(crate) fn is_missing(&self) -> bool {
        let is_missing = |failure: &MirrorError| {
            matches!(failure, MirrorError::Net(NetError::Status { code: 403 | 404 | 410, .. }))
        };
        matches!(self, Self::Failed { failures, .. } if failures.iter().all(is_missing))
    }
}

fn tell(failures: &[MirrorError]) -> String {
    let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
    told.join("; ")
}

/// Why a mirror is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum MirrorError {
    /// The network, or the server.
    #[error(transparent)]
    Net(#[from] NetError),
    /// It has another content.
    #[error("{url} has another content: {source}")]
    Content {
        /// The address.
        url: HttpUrl,
        /// What it should have been and what it was.
        source: CacheError,
    },
    /// It has more than may be.
    #[error("{url} sends more than {}", ByteSize::new(*.limit))]
    TooMuch {
        /// The address.
        url: HttpUrl,
        /// The most that it may send, in bytes.
        limit: u64,
    },
    /// It has a content of another length.
    #[error("{url} has a content of {actual} bytes instead of {expected}")]
    Size {
        /// The address.
        url: HttpUrl,
        /// How long it should be.
        expected: u64,
        /// How long it is.
        actual: u64,
    },
    /// Nobody could tell whether all of it came.
    #[error(
        "{url} does not say how long the content is, so nobody can tell whether all of it came; give its `sha256`"
    )]
    NoEnd {
        /// The address.
        url: HttpUrl,
    },
}

impl Fetcher<'_> {
    /// Get the content into the cache.
    pub(crate) fn fetch(&self, download: &Download<'_>) -> Result<Measured, FetchError> {
        let name = || download.name.to_owned();
        let cache_error = |source| FetchError::Cache { name: name(), source };
        if let Some(digest) = download.sha256.filter(|digest| self.cache.cache().has(*digest)) {
            self.cache.touch(digest, SystemTime::now());
            return self.cache.measured(digest).map_err(cache_error);
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
                    // With another mirror at hand, there is no need to wait for this one.
                    if turn % mirrors.len() == 0 {
                        std::thread::sleep(wait);
                    }
                }
            }
        }
        Err(FetchError::Failed { name: name(), failures })
    }
}
