//! Downloads an index into the cache as plain text, verified by the digests of a release.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use vgpu_manifest::debian::{MAX_INDEX, ReleaseFile};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName, PIECE};

use super::scan::ScanError;
use crate::apt::release::{ByHash, Release};
use crate::cache::CacheError;
use crate::items::source::Sources;
use crate::recipe::Archive;
use crate::types::{Address, Expected, Suite};

/// A cached index.
#[derive(Debug)]
pub(crate) struct Obtained {
    pub(crate) text: File,
    /// Its smallest form; cached only on request.
    pub(crate) packed: Packed,
}

/// One form of an index in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The suffix of `Packages`: `.xz`, `.gz` or none.
    pub(crate) suffix: &'static str,
    pub(crate) file: ReleaseFile,
    /// Its paths, in the order in which to try them.
    pub(crate) addresses: Vec<Address>,
}

/// An index is unavailable or invalid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    /// The release lists no such index.
    #[error("the archive `{archive}` has no component `{component}` for {arch}")]
    NoIndex { archive: String, component: String, arch: String },
    /// The index exceeds the size limit.
    #[error("an index of `{archive}` has {}, more than the {} allowed", ByteSize::new(*.size), ByteSize::new(MAX_INDEX))]
    TooLarge {
        archive: String,
        /// In bytes.
        size: u64,
    },
    #[error(transparent)]
    Source(#[from] anyhow::Error),
    /// The index cannot be unpacked, or does not match its release.
    #[error("cannot unpack the index of `{archive}`")]
    Unpack { archive: String, source: io::Error },
    /// The cache failed, or the unpacked text does not match.
    #[error("cannot cache the index of `{archive}`")]
    Cache { archive: String, source: CacheError },
    /// The text is not a package index.
    #[error("`{archive}` did not serve a package index")]
    Scan { archive: String, source: ScanError },
}

impl IndexError {
    /// Returns whether the release lists no such index.
    #[must_use]
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::NoIndex { .. })
    }
}

/// The memory limit of the xz decoder in KiB. Debian's indexes need 9 MiB.
const XZ_MEMORY: u32 = 24 << 10;

/// The form of an index to cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    Text,
    Both,
}

/// Returns the index of a component for one architecture.
pub(crate) fn obtain(
    sources: &Sources<'_>,
    archive: &Archive,
    release: &Release,
    (component, arch): (&Suite, &str),
    keep: Keep,
) -> Result<Obtained, IndexError> {
    let name = || archive.name.to_string();
    let path = format!("{component}/binary-{arch}/Packages");
    let forms = [".xz", ".gz", ""].into_iter();
    let mut forms = forms.filter_map(|suffix| {
        let file = release.file(&format!("{path}{suffix}"))?;
        Some(Packed { suffix, file, addresses: addresses(archive, release, &path, suffix, file) })
    });
    let packed = forms.next().ok_or_else(|| IndexError::NoIndex {
        archive: name(),
        component: component.to_string(),
        arch: arch.to_owned(),
    })?;
    let plain = release.file(&path);
    let largest = plain.map_or(packed.file.size, |plain| plain.size.max(packed.file.size));
    if largest > MAX_INDEX {
        return Err(IndexError::TooLarge { archive: name(), size: largest });
    }
    let cache = sources.fetcher.cache;
    let is_here = plain.filter(|plain| cache.cache().has(plain.sha256));
    if is_here.is_none() || keep == Keep::Both {
        fetch(sources, archive, component, &packed)?;
    }
    let digest = match is_here {
        Some(plain) => {
            cache.touch(plain.sha256, std::time::SystemTime::now());
            plain.sha256
        }
        None if packed.suffix.is_empty() => packed.file.sha256,
        None => unpack(sources, archive, &packed, plain)?,
    };
    let cache_error = |source| IndexError::Cache { archive: name(), source };
    let text = cache.cache().open_content(digest).map_err(cache_error)?;
    Ok(Obtained { text, packed })
}

/// Returns the paths of a file of an archive. The path by digest comes first, because during an
/// update a mirror may still have the old file at the path by name.
fn addresses(
    archive: &Archive,
    release: &Release,
    path: &str,
    suffix: &str,
    file: ReleaseFile,
) -> Vec<Address> {
    let suite = archive.suite.as_str();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let by_hash = (release.by_hash == ByHash::Yes)
        .then(|| format!("dists/{suite}/{folder}/by-hash/SHA256/{}", file.sha256));
    let by_name = format!("dists/{suite}/{path}{suffix}");
    let paths = by_hash.into_iter().chain([by_name]);
    paths
        .flat_map(|path| archive.mirrors.iter().filter_map(move |mirror| mirror.join(&path)))
        .collect()
}

fn fetch(
    sources: &Sources<'_>,
    archive: &Archive,
    component: &Suite,
    packed: &Packed,
) -> Result<(), IndexError> {
    let ReleaseFile { sha256, size } = packed.file;
    let label = format!("{}/{component}/Packages{}", archive.name, packed.suffix);
    let cap = ByteSize::new(size);
    let name: Result<ItemName, _> = label.parse();
    // Archive and component names are valid in item names, except for their length.
    let name = name
        .or_else(|_| "Packages".parse())
        .map_err(|_| IndexError::TooLarge { archive: archive.name.to_string(), size })?;
    let want = Expected { name: &name, sha256: Some(sha256), size: Some(size), cap };
    sources.archived(&packed.addresses, want)?;
    Ok(())
}

/// Writes the text of a packed index to the cache.
fn unpack(
    sources: &Sources<'_>,
    archive: &Archive,
    packed: &Packed,
    plain: Option<ReleaseFile>,
) -> Result<Digest, IndexError> {
    let name = || archive.name.to_string();
    let cache_error = |source| IndexError::Cache { archive: name(), source };
    let cache = sources.fetcher.cache;
    let file = cache.cache().open_content(packed.file.sha256).map_err(cache_error)?;
    let limit = plain.map_or(MAX_INDEX, |plain| plain.size);
    let mut text = unpacking(file, packed.suffix).take(limit + 1);
    let transfer = sources.fetcher.ui.transfer("unpack", &format!("index of {}", archive.name));
    transfer.expect(plain.map(|plain| plain.size), 0);
    let mut incoming = cache.incoming().map_err(cache_error)?;
    let mut buf = vec![0; PIECE];
    loop {
        let n = match text.read(&mut buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            n => n.map_err(|source| IndexError::Unpack { archive: name(), source })?,
        };
        if n == 0 {
            break;
        }
        incoming.add(&buf[..n]).map_err(cache_error)?;
        transfer.advance(n as u64);
        if incoming.len() > limit {
            let source =
                io::Error::other(format!("it has more than the {limit} bytes that it should have"));
            return Err(IndexError::Unpack { archive: name(), source });
        }
    }
    let measured = incoming.finish(plain.map(|plain| plain.sha256)).map_err(cache_error)?;
    transfer.done(measured.size);
    Ok(measured.sha256)
}

/// Returns a reader of the unpacked text, chosen by the suffix.
pub(crate) fn unpacking(file: File, suffix: &str) -> Box<dyn Read> {
    let reader = BufReader::with_capacity(PIECE, file);
    match suffix {
        ".xz" => Box::new(XzReader::new_mem_limit(reader, true, XZ_MEMORY)),
        ".gz" => Box::new(MultiGzDecoder::new(reader)),
        _ => Box::new(reader),
    }
}
