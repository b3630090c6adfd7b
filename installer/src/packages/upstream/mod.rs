//! The chain from the key of a package archive to each of its packages in a bundle.
//!
//! The node decides by its own means: `gpgv` or `sqv` and the keyrings of its distribution, which apt
//! trusts too. So the packages of Debian and Proxmox need no trust in the builder of a bundle.
//! The evidence is in bundles made with `carry-index`: the signed release lists the indexes by digest,
//! and each index lists the packages by digest.

mod verifier;

use std::fmt;
use std::io::{self, Write as _};

use serde::{Deserialize, Serialize};
use vgpu_manifest::debian::{
    FrameError, IndexSearch, ReleaseFiles, ReleaseFilesError, Stanza, StanzaError, split_signed,
};
use vgpu_manifest::package::{ArchiveName, ArchiveRecord, Fingerprint};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{
    Bundle, Item, ItemId, ItemName, Measured, Progress, ReadError, Verified, tree_digest,
};

use self::verifier::Keyrings;
use crate::host::real::Lent;
use crate::host::{Command, HostError, Look};
use crate::state;

/// The size limit of a release in bytes: 8 MiB. Debian's has 200 KB.
const MAX_RELEASE: u64 = 8 << 20;

/// The number of packages whose archive has signed them, of all packages in a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Vouched {
    pub(crate) packages: usize,
    pub(crate) of: usize,
}

impl fmt::Display for Vouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} packages are signed by their archives", self.packages, self.of)
    }
}

/// The result of [`check_upstream`], by archive.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) archives: Vec<(ArchiveName, Result<Followed, UpstreamError>)>,
    pub(crate) vouched: Vouched,
}

/// An archive that has signed all of its packages in a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    /// The primary key of the certificate that signed its release.
    pub(crate) signed_by: Fingerprint,
    pub(crate) packages: usize,
}

/// The chain of an archive is broken, or cannot be followed here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error("the bundle was made without `carry-index`, so it has no index of the archive `{0}`")]
    NoIndexes(ArchiveName),
    #[error("commands are not run in this folder, so signatures of archives cannot be checked")]
    NoCommands,
    #[error("neither `gpgv` nor `sqv` is installed")]
    NoVerifier,
    #[error("neither `debian-archive-keyring` nor `proxmox-archive-keyring` is installed intact")]
    NoKeyring,
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the release of the archive `{archive}` is not signed by a key of this node: {why}")]
    Signature { archive: ArchiveName, why: String },
    #[error("the signed release of the archive `{0}` has no readable list of files")]
    Release(ArchiveName),
    #[error(transparent)]
    Files(#[from] ReleaseFilesError),
    #[error(transparent)]
    Fields(#[from] StanzaError),
    #[error("the release of the archive `{archive}` does not list the index `{item}`")]
    Index { archive: ArchiveName, item: ItemName },
    #[error("cannot unpack the index `{item}`: {why}")]
    Unpack { item: ItemName, why: String },
    #[error("no index of the archive `{archive}` lists the package `{item}`")]
    Package { archive: ArchiveName, item: ItemName },
    #[error(transparent)]
    Item(#[from] ReadError),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("there is no memory for an index: {0}")]
    Memory(#[from] io::Error),
}

impl Explain for UpstreamError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Item(error) => error.exit(),
            Self::Host(_) | Self::Memory(_) => None,
            Self::NoVerifier | Self::NoCommands | Self::Unpack { .. } => Some(Exit::Failed),
            _ => Some(Exit::Untrusted),
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::NoIndexes(_) => Some("build the bundle with `carry-index = true`"),
            Self::NoVerifier => Some("install `gpgv` or `sqv`; apt needs one of them too"),
            Self::NoKeyring => {
                Some("check with `dpkg --verify debian-archive-keyring proxmox-archive-keyring`")
            }
            Self::Unpack { .. } => Some("install `xz-utils`"),
            _ => None,
        }
    }
}

/// Follows the chain of every archive of a bundle.
///
/// # Errors
///
/// The bundle or the store cannot be read, or a package does not have its signed digest. A broken
/// chain is not an error here, but the result for its archive.
pub(crate) fn check_upstream(
    look: &dyn Look,
    bundle: &Bundle<Verified>,
    progress: &Progress<'_>,
) -> Result<Upstream, UpstreamError> {
    let manifest = bundle.manifest();
    // Archives sign whole digests, but reading a bundle checks those of chunks.
    let is_package = |item: &Item| item.kind().package().is_some();
    bundle.check_whole(&|item| is_package(item) && item.is_carried(), progress)?;
    for (item, _) in manifest.left_out().filter(|(item, _)| is_package(item)) {
        check_stored(look, item)?;
    }
    let mut keyrings = None;
    let mut archives = Vec::new();
    for archive in &manifest.archives {
        let followed = follow(look, bundle, archive, &mut keyrings);
        archives.push((archive.name.clone(), followed));
    }
    let packages = archives.iter().filter_map(|(_, followed)| followed.as_ref().ok());
    let packages = packages.map(|followed| followed.packages).sum();
    let of = manifest.items.iter().filter(|item| is_package(item)).count();
    Ok(Upstream { archives, vouched: Vouched { packages, of } })
}

impl Upstream {
    /// Returns the same if every package is signed.
    ///
    /// # Errors
    ///
    /// The first archive whose chain is broken.
    pub(crate) fn require(mut self) -> Result<Self, UpstreamError> {
        match self.archives.iter().position(|(_, followed)| followed.is_err()) {
            Some(at) => self.archives.swap_remove(at).1.map(|_| self),
            None => Ok(self),
        }
    }

    /// Returns a line for each archive.
    pub(crate) fn archives(&self) -> impl Iterator<Item = String> {
        self.archives.iter().map(|(name, followed)| match followed {
            Ok(Followed { signed_by, packages: 1 }) => {
                format!("archive {name}: 1 package, signed by {signed_by}")
            }
            Ok(Followed { signed_by, packages }) => {
                format!("archive {name}: {packages} packages, signed by {signed_by}")
            }
            Err(why) => format!("archive {name}: not confirmed: {why}"),
        })
    }
}

fn follow(
    look: &dyn Look,
    bundle: &Bundle<Verified>,
    archive: &ArchiveRecord,
    keyrings: &mut Option<Keyrings>,
) -> Result<Followed, UpstreamError> {
    let name = || archive.name.clone();
    if archive.indexes.is_empty() {
        return Err(UpstreamError::NoIndexes(name()));
    }
    let keyrings = match keyrings {
        Some(keyrings) => keyrings,
        none => none.insert(Keyrings::find(look)?),
    };
    let release = small(bundle, &archive.release)?;
    let (text, signature) = match &archive.signature {
        None => split_signed(&release)?,
        Some(signature) => (release, small(bundle, signature)?),
    };
    let signed_by = keyrings
        .verify(look, &text, &signature)?
        .map_err(|why| UpstreamError::Signature { archive: name(), why })?;

    let text = std::str::from_utf8(&text).map_err(|_| UpstreamError::Release(name()))?;
    let stanza = Stanza::parse(text)?;
    let list = stanza.get("SHA256").ok_or_else(|| UpstreamError::Release(name()))?;
    let files = ReleaseFiles::parse(list)?;
    let manifest = bundle.manifest();
    let mut search = IndexSearch::new(manifest, &archive.name);
    for item in archive.indexes.iter().filter_map(|item| manifest.item(item)) {
        let path = files
            .index_of(item.sha256())
            .ok_or_else(|| UpstreamError::Index { archive: name(), item: item.name().clone() })?;
        // The release signs the whole digest; the item was read by its chunks.
        bundle.check_whole(&|other| other.name() == item.name(), &|_| {})?;
        read_index(look, bundle, item, path, &mut search)?;
        search.end();
    }
    match search.missing() {
        Some(item) => Err(UpstreamError::Package { archive: name(), item: item.clone() }),
        None => Ok(Followed { signed_by, packages: search.found() }),
    }
}

/// Checks both digests of a left-out item, which is in the store.
fn check_stored(look: &dyn Look, item: &Item) -> Result<(), UpstreamError> {
    let path = state::stored(item.id());
    let Some(Measured { size, sha256, chunks }) = look.measure(&path)? else {
        return Err(HostError::Damaged { stored: path.into() }.into());
    };
    let id = if chunks.is_empty() {
        ItemId::Whole(sha256)
    } else {
        ItemId::Tree(tree_digest(size, &chunks))
    };
    if id != item.id() {
        return Err(HostError::Damaged { stored: path.into() }.into());
    }
    let (item, expected, actual) = (item.name().clone(), item.sha256(), sha256);
    if actual == expected {
        return Ok(());
    }
    Err(ReadError::WholeDigest { item, expected, actual }.into())
}

/// Returns the bytes of a release or a signature; none of an item that is too large to be one.
fn small(bundle: &Bundle<Verified>, item: &ItemName) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    if let Some(item) = bundle.manifest().item(item).filter(|item| item.size() <= MAX_RELEASE) {
        bundle.copy_item(item, &mut bytes)?;
    }
    Ok(bytes)
}

/// Searches an index, which is unpacked by the name under which the release lists it.
fn read_index(
    look: &dyn Look,
    bundle: &Bundle<Verified>,
    item: &Item,
    path: &str,
    search: &mut IndexSearch<'_>,
) -> Result<(), UpstreamError> {
    let command = match path.rsplit_once('.').map(|(_, suffix)| suffix) {
        // As much as the largest preset of `xz` takes for a file of the size of an index.
        Some("xz") => Command::new("xz", &["--decompress", "--stdout", "--memlimit=128MiB"]),
        Some("gz") => Command::new("gzip", &["--decompress", "--stdout"]),
        _ => return Ok(bundle.copy_item(item, search)?),
    };
    let mut packed = Lent::new()?;
    bundle.copy_item(item, &mut packed)?;
    packed.flush()?;
    let output = look.stream(&command, packed.input()?, search)?;
    let output = output.ok_or(UpstreamError::NoCommands)?;
    if output.succeeded() {
        return Ok(());
    }
    let why = verifier::last_line(&output.stderr);
    Err(UpstreamError::Unpack { item: item.name().clone(), why })
}
