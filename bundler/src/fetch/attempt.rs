//! One request to one mirror, and the handling of its answer.

use std::time::Duration;

use vgpu_manifest::{Digest, Measured, PIECE};

use super::patience::Brought;
use super::{Download, MirrorError};
use crate::cache::{CacheError, CacheLock, Cut, Partial};
use crate::net::{Client, NetError, Reply, Resume, Retry, Validator};
use crate::types::HttpUrl;
use crate::ui::Transfer;

#[derive(Debug)]
pub(super) struct Attempt<'a> {
    pub(super) client: &'a Client,
    pub(super) cache: &'a CacheLock<'a>,
    pub(super) download: &'a Download<'a>,
    pub(super) transfer: &'a Transfer<'a>,
    pub(super) url: &'a HttpUrl,
}

/// The failure of an attempt.
#[derive(Debug)]
pub(super) enum Failure {
    /// The mirror cannot serve the content.
    Final(MirrorError),
    /// The mirror may serve the content later. The received bytes are kept.
    Passing {
        error: NetError,
        brought: Brought,
        not_before: Duration,
    },
    Cache(CacheError),
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Self::Cache(error)
    }
}

impl Failure {
    fn passing(error: NetError, brought: Brought) -> Self {
        Self::Passing { error, brought, not_before: Duration::ZERO }
    }

    /// Returns the failure of a request that brought the bytes from `from` on.
    fn net(error: NetError, partial: &Partial<'_>, from: u64) -> Self {
        let brought = Brought { from, to: partial.len() };
        match error.retry() {
            Retry::Never => Self::Final(error.into()),
            Retry::FromStart => Self::passing(error, Brought::default()),
            Retry::Later(not_before) => Self::Passing { error, brought, not_before },
        }
    }
}

impl Attempt<'_> {
    pub(super) fn run(&self) -> Result<Measured, Failure> {
        // If the earlier bytes do not fit, they are discarded, and the second pass downloads the
        // whole content from this mirror.
        for _ in 0..2 {
            if let Some(measured) = self.once()? {
                return Ok(measured);
            }
        }
        let why = "what came does not fit what was here";
        let error = NetError::Range { url: self.url.clone(), why };
        Err(Failure::passing(error, Brought::default()))
    }

    fn once(&self) -> Result<Option<Measured>, Failure> {
        let mut partial = self.cache.partial(self.key())?;
        if let Some(measured) = self.came_meanwhile()? {
            partial.remove();
            return Ok(Some(measured));
        }
        if !partial.is_empty() && !self.can_go_on(&partial) {
            partial.discard()?;
        }
        // A run that was killed at the very end has left the complete content.
        let is_all = self.download.size == Some(partial.len()) && self.download.sha256.is_some();
        if !is_all {
            self.request(&mut partial)?;
        }
        self.finish(partial)
    }

    /// Returns the content if another thread has fetched it meanwhile.
    fn came_meanwhile(&self) -> Result<Option<Measured>, Failure> {
        let digest = self.download.sha256.filter(|digest| self.cache.cache().has(*digest));
        Ok(digest.map(|digest| self.cache.measured(digest)).transpose()?)
    }

    /// Returns the key of the download in the cache.
    ///
    /// With a digest, all mirrors have the same content, and one resumes where another ended.
    fn key(&self) -> Digest {
        self.download
            .sha256
            .unwrap_or_else(|| Digest::of(String::from(self.url.clone()).as_bytes()))
    }

    fn can_go_on(&self, partial: &Partial<'_>) -> bool {
        self.download.sha256.is_some()
            || partial.cut().is_some_and(|cut| cut.can_go_on(&String::from(self.url.clone())))
    }

    /// Requests the missing bytes and stores them.
    fn request(&self, partial: &mut Partial<'_>) -> Result<(), Failure> {
        let note = partial.cut().and_then(|cut| cut.validator.clone());
        // Another mirror may have another validator for the same content; the digest decides.
        let same_url = partial.cut().is_some_and(|cut| cut.url == String::from(self.url.clone()));
        let validator = note.filter(|_| same_url).map(|note| Validator::from_note(&note));
        let from = partial.len();
        let total = partial.cut().and_then(|cut| cut.total).filter(|_| same_url);
        let resume = (from > 0).then_some(Resume { from, validator: validator.as_ref(), total });
        let reply = match self.client.get(self.url, resume) {
            Err(error) if error.retry() == Retry::FromStart => {
                partial.discard()?;
                self.client.get(self.url, None)
            }
            reply => reply,
        };
        let mut reply = reply.map_err(|error| Failure::net(error, partial, partial.len()))?;
        self.check(&reply)?;
        if reply.start() == 0 {
            let validator = reply.validator().map(|validator| validator.as_str().to_owned());
            let cut = Cut::new(&String::from(self.url.clone()), validator, reply.total());
            partial.restart(cut)?;
        }
        self.transfer.expect(reply.total().or(self.download.size), partial.len());
        self.take(&mut reply, partial)
    }

    /// Refuses an answer whose headers contradict the expected content.
    fn check(&self, reply: &Reply) -> Result<(), Failure> {
        let (url, limit) = (self.url, self.limit());
        match (reply.total(), self.download.size) {
            (Some(actual), Some(expected)) if actual != expected => {
                Err(Failure::Final(MirrorError::Content(format!(
                    "{url} has a content of {actual} bytes instead of {expected}"
                ))))
            }
            (Some(total), _) if total > limit => {
                Err(Failure::Final(MirrorError::too_much(url, limit)))
            }
            // The answer has neither a length nor chunks.
            (None, _) if !reply.end_is_marked() && self.download.sha256.is_none() => {
                Err(Failure::Final(MirrorError::Content(format!(
                    "{url} does not state the length of the content, so a truncated download would go unnoticed; give its `sha256`"
                ))))
            }
            _ => Ok(()),
        }
    }

    /// Returns the most bytes to accept.
    fn limit(&self) -> u64 {
        self.download.size.unwrap_or(u64::MAX).min(self.download.cap.bytes())
    }

    fn take(&self, reply: &mut Reply, partial: &mut Partial<'_>) -> Result<(), Failure> {
        let from = partial.len();
        let mut buf = vec![0; PIECE];
        loop {
            let n = reply.read(&mut buf).map_err(|error| Failure::net(error, partial, from))?;
            if n == 0 {
                return self.check_end(reply, partial, from);
            }
            let limit = self.limit();
            if partial.len() + n as u64 > limit {
                partial.discard()?;
                return Err(Failure::Final(MirrorError::too_much(self.url, limit)));
            }
            partial.add(&buf[..n])?;
            self.transfer.advance(n as u64);
        }
    }

    /// Checks that the answer had exactly its stated length.
    fn check_end(
        &self,
        reply: &Reply,
        partial: &mut Partial<'_>,
        from: u64,
    ) -> Result<(), Failure> {
        let have = partial.len();
        let Some(total) = reply.total().filter(|total| *total != have) else { return Ok(()) };
        let error = NetError::Interrupted(format!(
            "{} has sent {have} bytes of the {total} that it promised",
            self.url
        ));
        if have > total {
            // The position of the surplus bytes is unknown.
            partial.discard()?;
        }
        Err(Failure::net(error, partial, from))
    }

    /// Verifies the complete content. Returns `None` if it is wrong and some of it is from an
    /// earlier attempt, because then any byte may be wrong.
    fn finish(&self, partial: Partial<'_>) -> Result<Option<Measured>, Failure> {
        let mixed = partial.has_gone_on();
        match partial.finish(self.download.sha256) {
            Ok(measured) => Ok(Some(measured)),
            Err(CacheError::Mismatch(_)) if mixed => Ok(None),
            Err(error @ CacheError::Mismatch(_)) => {
                let what = format!("{} has another content: {error}", self.url);
                Err(Failure::Final(MirrorError::Content(what)))
            }
            Err(error) => Err(error.into()),
        }
    }
}
