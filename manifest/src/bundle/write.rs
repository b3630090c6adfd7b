//! Writing a bundle: durably, all or nothing, and only with bytes that match their digests.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::Advice;
use vgpu_keys::{Role, SignError, Signer, Slots, SlotsError};

use super::layout::{Layout, SIGNATURES_AT};
use super::measure::in_parallel;
use super::parts::{Part, PartSize, Parts, part_path};
use super::read::{PIECE, Progress};
use crate::item::Chunk;
use crate::limits::MAX_PARTS;
use crate::{CHUNK, Digest, Hasher, Item, ItemName, Manifest, ManifestError, TooLarge};

/// The source of the items' bytes.
pub trait Source: Sync {
    /// Opens the bytes of `item`. It may be called several times for one item.
    fn open(&self, item: &Item) -> io::Result<File>;
}

/// The destination of a bundle.
#[derive(Debug, Clone, Copy)]
pub struct Target<'t> {
    /// The path. A number is appended for each part.
    pub path: &'t Utf8Path,
    /// The length of the parts, if the bundle is split.
    pub split: Option<PartSize>,
}

/// The reason why a bundle was not written. No partial file is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The manifest contradicts itself.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The bundle would be too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The bundle would have too many parts.
    #[error("the bundle would have {0} parts, more than {MAX_PARTS}; choose larger ones")]
    Parts(u64),
    /// A signer failed.
    #[error("cannot sign the bundle")]
    Sign(#[from] SignError),
    /// The signatures do not fit into the slots.
    #[error("cannot sign the bundle")]
    Slots(#[from] SlotsError),
    /// The bytes of an item could not be read.
    #[error("cannot read the bytes of item `{item}`")]
    Source {
        /// The item.
        item: ItemName,
        /// The cause.
        source: io::Error,
    },
    /// The bytes of an item do not match the manifest.
    #[error(
        "item `{item}`: digest mismatch at byte {offset}: the file has changed since it was locked; fetch it again"
    )]
    Changed {
        /// The item.
        item: ItemName,
        /// The offset of the first wrong chunk.
        offset: u64,
    },
    /// The bundle could not be written.
    #[error("cannot write `{path}`")]
    Output {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Writes the bundle of `manifest` to `target`, signed by `signers`.
///
/// The files get their final names only when all data is written and synced. Returns the digest of
/// the signed root.
pub fn write_bundle(
    manifest: &Manifest,
    source: &dyn Source,
    signers: &[&dyn Signer],
    target: Target<'_>,
    progress: &Progress<'_>,
) -> Result<Digest, WriteError> {
    let bytes = manifest.to_bytes()?;
    let layout = Layout::new(manifest, &bytes)?;
    let mut slots = Slots::default();
    for signer in signers {
        slots.add(signer.sign(Role::Bundle, &layout.sums)?)?;
    }

    let output = Output::create(target, layout.total)?;
    for member in layout.members() {
        output.write(&member.header, member.at)?;
    }
    output.write(&slots.to_bytes()[..], SIGNATURES_AT)?;
    output.write(&layout.sums, layout.sums_member().content())?;
    output.write(&bytes, layout.manifest_member().content())?;
    copy_items(manifest, &layout, source, &output, progress)?;
    output.finish(layout.total)?;
    Ok(Digest::of(&layout.sums))
}

/// Copies the payload, chunk by chunk on all cores, and checks each chunk against its digest.
fn copy_items(
    manifest: &Manifest,
    layout: &Layout,
    source: &dyn Source,
    output: &Output,
    progress: &Progress<'_>,
) -> Result<(), WriteError> {
    let jobs: Vec<(&Item, u64, Chunk)> = layout
        .items(manifest)
        .flat_map(|(item, at)| item.chunks().map(move |chunk| (item, at + chunk.offset, chunk)))
        .collect();
    in_parallel(4, jobs.len(), |next| {
        let mut buf = vec![0; PIECE];
        while let Some(index) = next() {
            let (item, at, chunk) = jobs[index];
            copy_chunk(item, at, chunk, source, output, &mut buf)
                .map_err(|error| (index, error))?;
            progress(chunk.len);
        }
        Ok(())
    })
}

fn copy_chunk(
    item: &Item,
    at: u64,
    chunk: Chunk,
    source: &dyn Source,
    output: &Output,
    buf: &mut [u8],
) -> Result<(), WriteError> {
    let error = |source| WriteError::Source { item: item.name().clone(), source };
    let file = source.open(item).map_err(error)?;
    let mut hasher = Hasher::default();
    let mut done = 0;
    while done < chunk.len {
        let len = usize::try_from((chunk.len - done).min(PIECE as u64)).unwrap_or(PIECE);
        let piece = &mut buf[..len];
        file.read_exact_at(piece, chunk.offset + done).map_err(error)?;
        hasher.update(piece);
        // A hole reads as zeros, and takes no time and no space on file systems with sparse files.
        if piece.iter().any(|&byte| byte != 0) {
            output.write(piece, at + done)?;
        }
        done += len as u64;
    }
    if hasher.finish() != chunk.digest {
        return Err(WriteError::Changed { item: item.name().clone(), offset: chunk.offset });
    }
    output.parts.advise(at, CHUNK, Advice::DontNeed);
    Ok(())
}

/// The files of a bundle that is being written, under temporary names.
///
/// Unless completed, they are removed on drop.
#[derive(Debug)]
struct Output {
    parts: Parts,
    /// The final names of the files, and whether they are renamed already.
    names: Vec<Utf8PathBuf>,
    finished: bool,
}

impl Output {
    fn create(target: Target<'_>, total: u64) -> Result<Self, WriteError> {
        let names = part_names(target, total)?;
        let mut output =
            Self { parts: Parts::new(target.split), names: names.clone(), finished: false };
        for name in names {
            let path = temporary(&name);
            let error = |source| WriteError::Output { path: path.clone(), source };
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)
                .map_err(error)?;
            output.parts.push(Part { path, file, len: 0 });
        }
        Ok(output)
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), WriteError> {
        self.parts.write_all_at(bytes, at).map_err(|source| {
            let (index, _) = self.parts.locate(at);
            WriteError::Output { path: self.names[index.min(self.names.len() - 1)].clone(), source }
        })
    }

    /// Extends the files to their full length, syncs them, and renames them to their final names.
    fn finish(mut self, total: u64) -> Result<(), WriteError> {
        for (index, (part, name)) in self.parts.parts().iter().zip(&self.names).enumerate() {
            let error = |source| WriteError::Output { path: name.clone(), source };
            let len = self.parts.len_of(index, total);
            part.file.set_len(len).and_then(|()| part.file.sync_all()).map_err(error)?;
        }
        for (part, name) in self.parts.parts().iter().zip(&self.names) {
            let error = |source| WriteError::Output { path: name.clone(), source };
            fs::rename(&part.path, name).map_err(error)?;
        }
        let folder = match self.names[0].parent() {
            Some(parent) if !parent.as_str().is_empty() => parent,
            _ => Utf8Path::new("."),
        };
        let error = |source| WriteError::Output { path: folder.to_owned(), source };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(error)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.finished {
            for part in self.parts.parts() {
                // An error here cannot be reported; the temporary name tells that the file is
                // incomplete.
                let _ = fs::remove_file(&part.path);
            }
        }
    }
}

fn part_names(target: Target<'_>, total: u64) -> Result<Vec<Utf8PathBuf>, WriteError> {
    let Some(size) = target.split else { return Ok(vec![target.path.to_owned()]) };
    let count = total.div_ceil(size.bytes());
    if count > MAX_PARTS as u64 {
        return Err(WriteError::Parts(count));
    }
    Ok((1..)
        .take(usize::try_from(count).unwrap_or_default())
        .map(|n| part_path(target.path.as_str(), n))
        .collect())
}

fn temporary(name: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{name}.partial"))
}
