//! The folder or the archive with an image.

use std::fs::{self, File};
use std::io::{self, Read, Seek as _};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use flate2::read::MultiGzDecoder;
use vgpu_manifest::PIECE;
use vgpu_manifest::ui::ByteSize;

use super::MAX_DOCUMENT;
use super::members::Members;
use crate::items::source::Sources;
use crate::types::Expected;

/// A folder or an archive, whose files are found by name.
#[derive(Debug)]
pub(super) enum Place {
    Folder(Utf8PathBuf),
    Archive(Members),
}

/// A file at a place.
pub(in crate::items::image) struct Part<'p> {
    /// The length in bytes.
    pub(in crate::items::image) size: u64,
    pub(in crate::items::image) content: Box<dyn Read + 'p>,
}

const GZIP: &[u8] = &[0x1f, 0x8b];

/// The other programs that compress archives, by the first bytes of what they write.
const PACKERS: [(&[u8], &str); 3] =
    [(b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh", "bzip2")];

impl Place {
    /// Opens `path`. An archive in gzip is decompressed into the cache first.
    pub(super) fn open(
        sources: &Sources<'_>,
        path: &Utf8Path,
        want: Expected<'_>,
    ) -> anyhow::Result<Self> {
        // A pipe would block when it is opened.
        let meta = fs::metadata(path)?;
        if meta.is_dir() {
            return Ok(Self::Folder(path.to_owned()));
        }
        if !meta.is_file() {
            bail!("it is neither a file nor a folder");
        }
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        (&mut file).take(6).read_to_end(&mut magic)?;
        file.rewind()?;
        if let Some((_, packer)) = PACKERS.iter().find(|(bytes, _)| magic.starts_with(bytes)) {
            bail!("it is packed with {packer}; unpack it with `{packer} -d`");
        }
        if magic.starts_with(GZIP) {
            file = decompressed(sources, file, want)?;
        }
        Ok(Self::Archive(Members::scan(file)?))
    }

    /// Returns a file, if there is one of this name.
    ///
    /// In a folder, links are followed: a file counts only by its digest, so a link cannot smuggle
    /// anything in, and build systems make layouts of links.
    pub(super) fn part(&self, name: &str) -> io::Result<Option<Part<'_>>> {
        let folder = match self {
            Self::Archive(members) => return Ok(members.part(name)),
            Self::Folder(folder) => folder,
        };
        let path = folder.join(name);
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !meta.is_file() {
            return Err(io::Error::other(format!("`{name}` is not a regular file")));
        }
        Ok(Some(Part { size: meta.len(), content: Box::new(File::open(&path)?) }))
    }

    /// Returns the bytes of a document, if there is one of this name.
    pub(super) fn document(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.part(name)?.map(|part| document(name, part)).transpose()
    }
}

/// Reads a document.
pub(super) fn document(name: &str, Part { size, content }: Part<'_>) -> anyhow::Result<Vec<u8>> {
    if size > MAX_DOCUMENT {
        let (size, max) = (ByteSize::new(size), ByteSize::new(MAX_DOCUMENT));
        bail!("`{}` has {size}, more than the {max} of any document", name.escape_debug());
    }
    let mut bytes = Vec::new();
    content.take(MAX_DOCUMENT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Decompresses an archive into the cache. It can be as large as the item.
fn decompressed(sources: &Sources<'_>, file: File, want: Expected<'_>) -> anyhow::Result<File> {
    let cache = sources.fetcher.cache;
    let transfer = sources.fetcher.ui.transfer("unpack", want.name.as_str());
    let mut incoming = cache.incoming()?;
    let mut decoder = MultiGzDecoder::new(io::BufReader::with_capacity(PIECE, file));
    let mut piece = vec![0; PIECE];
    loop {
        let n = match decoder.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("it cannot be decompressed"),
        };
        if incoming.len() + n as u64 > want.cap.bytes() {
            bail!("it has more than the {} allowed when it is decompressed", want.cap);
        }
        incoming.add(&piece[..n])?;
        transfer.advance(n as u64);
    }
    let measured = incoming.finish(None)?;
    transfer.done(measured.size);
    Ok(cache.cache().open_content(measured.sha256)?)
}
