//! An image as one file: the OCI layout in an uncompressed tar archive, which Docker reads too.
//!
//! It has only files, sorted by name, without dates and owners, so it depends only on the image and
//! its name. Nothing is decompressed or compressed.

use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::Context as _;
use tar::{EntryType, Header};
use vgpu_manifest::image::{ImageRecord, ImageReference};
use vgpu_manifest::{Digest, Hasher};

use super::document::{Blob, Manifest};
use super::written::{self, Index, LAYOUT, docker_manifest, member};
use crate::cache::{Cache, CacheError};

/// An image whose parts except for the manifest are elsewhere, ready to be packed.
#[derive(Debug)]
pub(super) struct Archive {
    members: Vec<(String, Body)>,
}

#[derive(Debug)]
enum Body {
    Bytes(Vec<u8>),
    Part(Blob),
}

/// A place with configurations and layers, such as the cache.
pub(super) trait Blobs {
    /// Opens the content with this digest.
    fn open(&self, digest: Digest) -> anyhow::Result<Box<dyn Read + '_>>;

    /// Returns the error for a content that does not have its digest or its size.
    fn damaged(&self, digest: Digest) -> anyhow::Error;
}

impl Blobs for Cache {
    fn open(&self, digest: Digest) -> anyhow::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.open_content(digest)?))
    }

    fn damaged(&self, digest: Digest) -> anyhow::Error {
        CacheError::Damaged(digest).into()
    }
}

const CANNOT_PACK: &str = "cannot pack the image";

const BLOCK: u64 = 512;

impl Archive {
    /// Returns the archive of the image with this `manifest`, whose OCI form is `bytes`.
    ///
    /// `original` is the digest of the manifest in the registry, if it was rewritten.
    pub(super) fn new(
        manifest: &Manifest,
        bytes: Vec<u8>,
        blobs: &[Blob],
        reference: &ImageReference,
        original: Option<Digest>,
    ) -> serde_json::Result<Self> {
        let own = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        let mut members = vec![
            ("oci-layout".to_owned(), Body::Bytes(LAYOUT.to_vec())),
            (INDEX.to_owned(), Body::Bytes(Index::new(own, reference, original).to_bytes()?)),
            ("manifest.json".to_owned(), Body::Bytes(docker_manifest(manifest, reference)?)),
            (member(own.digest), Body::Bytes(bytes)),
        ];
        let others = blobs.iter().filter(|blob| blob.digest != own.digest);
        members.extend(others.map(|blob| (member(blob.digest), Body::Part(*blob))));
        members.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Self { members })
    }

    /// Returns the length in bytes; `u64::MAX` on overflow.
    pub(super) fn len(&self) -> u64 {
        let end = 2 * BLOCK;
        self.members.iter().fold(end, |len, (_, body)| {
            let padded = body.len().checked_next_multiple_of(BLOCK);
            padded.and_then(|padded| len.checked_add(padded + BLOCK)).unwrap_or(u64::MAX)
        })
    }

    /// Writes the archive. `progress` is called with the bytes read since the last call.
    pub(super) fn write(
        &self,
        parts: &dyn Blobs,
        out: &mut dyn Write,
        progress: &dyn Fn(u64),
    ) -> anyhow::Result<()> {
        let mut tar = tar::Builder::new(out);
        for (name, body) in &self.members {
            let mut header = header(body.len());
            match body {
                Body::Bytes(bytes) => {
                    tar.append_data(&mut header, name, &**bytes).context(CANNOT_PACK)?;
                }
                Body::Part(Blob { digest, size }) => {
                    let mut content = Content::new(parts.open(*digest)?, *size, progress);
                    tar.append_data(&mut header, name, &mut content).context(CANNOT_PACK)?;
                    // A header that states more bytes than the content has would be filled up.
                    if content.bytes.limit() != 0 || content.hasher.finish() != *digest {
                        return Err(parts.damaged(*digest));
                    }
                }
            }
        }
        tar.into_inner().context(CANNOT_PACK)?;
        Ok(())
    }
}

impl Body {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Part(blob) => blob.size,
        }
    }
}

fn header(size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// A content that is verified while it is copied, because the digest of the archive is not known
/// yet.
struct Content<'p> {
    bytes: io::Take<Box<dyn Read + 'p>>,
    hasher: Hasher,
    progress: &'p dyn Fn(u64),
}

impl<'p> Content<'p> {
    /// Reads at most `size` bytes; a longer content has another digest.
    fn new(bytes: Box<dyn Read + 'p>, size: u64, progress: &'p dyn Fn(u64)) -> Self {
        Self { bytes: bytes.take(size), hasher: Hasher::default(), progress }
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(buf)?;
        self.hasher.update(&buf[..n]);
        (self.progress)(n as u64);
        Ok(n)
    }
}

const INDEX: &str = "index.json";
const DOCKER: &str = "manifest.json";

/// The largest document in an archive, with the most layers.
const MAX_DOCUMENT: u64 = 64 << 10;

/// Reads the record of an image from an archive that this program wrote.
pub(super) fn read_record(file: File) -> io::Result<ImageRecord> {
    let mut archive = tar::Archive::new(file);
    let (mut index, mut id) = (None, None);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let is_index = entry.path_bytes() == INDEX.as_bytes();
        if !is_index && entry.path_bytes() != DOCKER.as_bytes() {
            continue;
        }
        let mut bytes = Vec::new();
        entry.take(MAX_DOCUMENT).read_to_end(&mut bytes)?;
        if is_index {
            index = serde_json::from_slice::<Index>(&bytes)?.image();
        } else {
            id = written::configuration(&bytes)?;
        }
    }
    match (index, id) {
        (Some((reference, digest, original)), Some(id)) => {
            Ok(ImageRecord { reference, digest, id, original })
        }
        (None, _) => Err(io::Error::other(format!("it has no `{INDEX}` with a name and a digest"))),
        (_, None) => Err(io::Error::other(format!("it has no `{DOCKER}` with a configuration"))),
    }
}
