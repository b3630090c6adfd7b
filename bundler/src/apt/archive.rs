//! The current state of an archive: its signed release and the files that verify it.

use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName, ParseTextError};

use super::release::{
    Evidence, Keyring, KeyringError, Release, ReleaseError, SignatureError, Signed, day, verify,
};
use super::{keyring, names};
use crate::cache::CacheError;
use crate::items::source::{NoAddress, Sources};
use crate::recipe::{Archive, Expired};
use crate::types::{Address, Expected, MAX_RETAINED};

/// An archive with a verified release.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) release: Release,
    /// The signed files: `InRelease`, or `Release` and `Release.gpg`.
    pub(crate) evidence: Vec<Document>,
    /// Notes for the operator.
    pub(crate) notes: Vec<String>,
}

/// A signed file of an archive.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) file: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) addresses: Vec<Address>,
}

/// The release of an archive is unavailable or not trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// The keyring cannot be read.
    #[error("cannot check the archive `{archive}`")]
    Keyring { archive: String, source: KeyringError },
    /// No keyring with the pinned keys was found or downloaded.
    #[error("no keyring of this machine has the keys of the archive `{archive}`: {}{}", .keys.join(", "), downloads(.failures))]
    NoKeyring {
        archive: String,
        /// The pinned fingerprints.
        keys: Vec<String>,
        /// The error of each download.
        failures: Vec<String>,
    },
    /// No mirror has a usable release.
    #[error("cannot get the release of the archive `{archive}`: {}", joined(.failures))]
    NoMirror {
        archive: String,
        /// The error of each mirror.
        failures: Vec<(Address, Failure)>,
    },
    /// The release recorded in the lock is no longer valid.
    #[error("cannot use the locked release of the archive `{archive}`")]
    Kept { archive: String, source: Box<Failure> },
}

fn downloads(failures: &[String]) -> String {
    if failures.is_empty() { String::new() } else { format!("; {}", failures.join("; ")) }
}

fn joined(failures: &[(Address, Failure)]) -> String {
    let each = failures.iter().map(|(mirror, failure)| format!("{mirror}: {failure}"));
    each.collect::<Vec<_>>().join("; ")
}

/// Why the release of a mirror is unusable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Source(#[from] anyhow::Error),
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Its files have no valid item names.
    #[error(transparent)]
    Name(#[from] ParseTextError),
    /// No pinned key has signed it.
    #[error("its {file} is not trusted: {source}")]
    Signature { file: &'static str, source: SignatureError },
    /// The signed text is not a valid release.
    #[error("its signed release cannot be used: {0}")]
    Release(#[from] ReleaseError),
    /// It has expired.
    #[error(
        "its release was valid until {}; a newer one may be kept from us, or this machine's clock is wrong (if the archive gets no more updates, say `expired = \"accept\"`)", day(*.0)
    )]
    Expired(u64),
}

impl Failure {
    /// Returns whether the network was disabled.
    fn is_offline(&self) -> bool {
        self.no_address().is_some_and(NoAddress::is_offline)
    }

    fn is_missing(&self) -> bool {
        self.no_address().is_some_and(NoAddress::is_missing)
    }

    fn no_address(&self) -> Option<&NoAddress> {
        match self {
            Self::Source(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl ArchiveError {
    /// Returns whether only the network is missing.
    #[must_use]
    pub(crate) fn is_offline(&self) -> bool {
        matches!(self, Self::NoMirror { failures, .. } if failures.iter().all(|(_, one)| one.is_offline()))
    }

    /// Returns whether this machine has no program to verify signatures.
    pub(super) fn lacks_verifier(&self) -> bool {
        matches!(self, Self::Keyring { source: KeyringError::NoVerifier, .. })
    }

    /// Returns whether no keyring with the pinned keys was found.
    pub(super) fn lacks_keyring(&self) -> bool {
        matches!(self, Self::NoKeyring { .. })
    }

    /// Returns whether a mirror served a release that is not trusted.
    #[must_use]
    pub(crate) fn is_distrust(&self) -> bool {
        let is = |failure: &Failure| matches!(failure, Failure::Signature { source, .. } if source.is_distrust());
        match self {
            Self::NoMirror { failures, .. } => failures.iter().any(|(_, failure)| is(failure)),
            Self::Kept { source, .. } => is(source),
            Self::Keyring { .. } | Self::NoKeyring { .. } => false,
        }
    }
}

/// Asks the mirrors of an archive for its release, and returns the first good one.
pub(crate) fn open(
    sources: &Sources<'_>,
    archive: &Archive,
    release: &ArchiveName,
) -> Result<Opened, ArchiveError> {
    let keyring = keyring::of(sources, archive, release)?;
    let mut failures = Vec::new();
    for mirror in &archive.mirrors {
        match from_mirror(sources, archive, release, mirror, &keyring) {
            Ok(mut opened) => {
                for (mirror, failure) in failures {
                    opened.notes.push(format!("cannot use {mirror}: {failure}"));
                }
                return Ok(opened);
            }
            Err(failure) => failures.push((mirror.clone(), failure)),
        }
    }
    Err(ArchiveError::NoMirror { archive: archive.name.to_string(), failures })
}

/// Returns the release of the archive recorded in an earlier lock.
pub(crate) fn reopen(
    sources: &Sources<'_>,
    archive: &Archive,
    release: &ArchiveName,
    evidence: Vec<Document>,
) -> Result<Opened, ArchiveError> {
    let keyring = keyring::of(sources, archive, release)?;
    // Its age was checked when it was downloaded.
    judge(archive, &keyring, evidence, Expired::Accept).map_err(|failure| ArchiveError::Kept {
        archive: archive.name.to_string(),
        source: Box::new(failure),
    })
}

fn from_mirror(
    sources: &Sources<'_>,
    archive: &Archive,
    release: &ArchiveName,
    mirror: &Address,
    keyring: &Keyring,
) -> Result<Opened, Failure> {
    let document = |file: &'static str| {
        let path = format!("dists/{}/{file}", archive.suite);
        // A bundle has the file once per archive, whichever mirror served it.
        let addresses: Vec<Address> = mirror.join(&path).into_iter().collect();
        let item = names::of_archive(release, &archive.name, file)?;
        let bytes = load(sources, &addresses, &item)?;
        let all = archive.mirrors.iter().filter_map(|mirror| mirror.join(&path)).collect();
        Ok(Document { file, bytes, addresses: all })
    };
    let evidence = match document("InRelease") {
        Ok(inline) => vec![inline],
        Err(error @ Failure::Source(_)) if error.is_missing() => {
            let signature = document("Release.gpg")?;
            vec![document("Release")?, signature]
        }
        Err(error) => return Err(error),
    };
    judge(archive, keyring, evidence, archive.expired)
}

/// Returns the current bytes of a small file of an archive.
pub(super) fn load(
    sources: &Sources<'_>,
    addresses: &[Address],
    item: &ItemName,
) -> Result<Vec<u8>, Failure> {
    let cap = ByteSize::new(MAX_RETAINED);
    let want = Expected { name: item, sha256: None, size: None, cap };
    let sha256 = sources.archived(addresses, want)?.sha256;
    let mut bytes = Vec::new();
    let file = sources.fetcher.cache.cache().open_content(sha256)?;
    let read = file.take(MAX_RETAINED).read_to_end(&mut bytes);
    // The cache wrote this file a moment ago; it can differ only if another process changed it.
    if read.is_err() || Digest::of(&bytes) != sha256 {
        return Err(CacheError::Damaged(sha256).into());
    }
    Ok(bytes)
}

fn judge(
    archive: &Archive,
    keyring: &Keyring,
    evidence: Vec<Document>,
    expired: Expired,
) -> Result<Opened, Failure> {
    let signed = match &evidence[..] {
        [text, signature] => {
            verify(Evidence::Detached { text: &text.bytes, signature: &signature.bytes }, keyring)
        }
        all => verify(Evidence::Inline(all.first().map_or(&[], |it| &it.bytes)), keyring),
    };
    let file = evidence.first().map_or("InRelease", |document| document.file);
    let signed: Signed = signed.map_err(|source| Failure::Signature { file, source })?;
    let release = Release::read(&signed, archive.suite.as_str())?;
    let mut notes: Vec<String> = signed.notes;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    match release.valid_until.filter(|until| *until < now) {
        Some(until) if expired == Expired::Refuse => return Err(Failure::Expired(until)),
        Some(until) if archive.expired == Expired::Accept => {
            notes.push(format!("its release was valid until {}", day(until)));
        }
        _ => {}
    }
    if release.dated > now.saturating_add(86_400) {
        notes.push(format!(
            "its release is of {}, which is in the future by this machine's clock",
            day(release.dated)
        ));
    }
    Ok(Opened { release, evidence, notes })
}
