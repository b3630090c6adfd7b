//! The only way to the bytes of a payload: in pieces whose chunk has matched.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8PathBuf;
use rustix::fs::Advice;

use super::measure::in_parallel;
use crate::item::Chunk;
use crate::{Bundle, CHUNK, Digest, Hasher, Item, ItemName, Verified};

/// The largest piece that is read, handed out or written at once, in bytes: 256 KiB.
///
/// It fits into the second-level cache of a core, so a byte is hashed while it is still near;
/// and writing larger pieces was measured to be several times slower.
pub const PIECE: usize = 256 << 10;

/// Takes the bytes of items as they are proven.
pub trait Sink: Sync {
    /// Take some bytes of `item`, at most [`PIECE`], which begin at `offset` in it.
    ///
    /// Called from several threads, and for one item in any order.
    fn piece(&self, item: &Item, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Every byte of `item` has been taken. Called once for each item, also for an empty one.
    fn complete(&self, item: &Item) -> io::Result<()>;
}

/// Told how many more bytes of the payload have been proven.
pub type Progress<'p> = dyn Fn(u64) + Sync + 'p;

/// Why the payload of a verified bundle could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The medium holds other bytes than were signed.
    #[error("{0}")]
    Damaged(Damage),
    /// A large item is intact by its chunks, but its whole digest, for people, is a wrong one.
    #[error(
        "item `{item}` has SHA-256 {actual}, but `SHA256SUMS` says {expected}; whoever made this bundle used another program"
    )]
    WholeDigest {
        /// The item.
        item: ItemName,
        /// What is signed.
        expected: Digest,
        /// What is there.
        actual: Digest,
    },
    /// The medium could not be read.
    #[error("cannot read item `{item}` at byte {offset}; the medium may be failing")]
    Medium {
        /// The item.
        item: ItemName,
        /// Where in it, in bytes.
        offset: u64,
        /// What went wrong.
        source: io::Error,
    },
    /// Proven bytes could not be put where they belong.
    #[error("cannot write item `{item}`")]
    Sink {
        /// The item.
        item: ItemName,
        /// What went wrong.
        source: io::Error,
    },
}

/// A chunk that is not the signed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The item.
    pub item: ItemName,
    /// Where the chunk begins in the item, in bytes.
    pub offset: u64,
    /// The length of the chunk in bytes.
    pub len: u64,
    /// What is wrong with the file that it lies in, if the bundle is split.
    pub part: Option<PartFault>,
}

/// What is wrong with a part of a split bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartFault {
    /// Some of it is as it should be.
    Damaged(Utf8PathBuf),
    /// It is another part of this bundle.
    Swapped(Utf8PathBuf, Utf8PathBuf),
    /// No chunk of it belongs to this bundle.
    Foreign(Utf8PathBuf),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { item, offset, len, part } = self;
        write!(f, "item `{item}` is damaged within the {len} bytes from byte {offset} on")?;
        remedy(f, part.as_ref())
    }
}

/// The end of a sentence about damage: where the fault lies, if that is known, and what to do.
pub(crate) fn remedy(
    f: &mut std::fmt::Formatter<'_>,
    part: Option<&PartFault>,
) -> std::fmt::Result {
    match part {
        None => f.write_str("; copy the bundle again"),
        Some(PartFault::Damaged(path)) => write!(f, ", in the part `{path}`; copy it again"),
        Some(PartFault::Swapped(path, other)) => {
            write!(f, ": the part `{path}` holds what belongs into `{other}`")
        }
        Some(PartFault::Foreign(path)) => {
            write!(f, ": the part `{path}` belongs to another bundle")
        }
    }
}

/// A chunk that somebody is to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'b> {
    item: &'b Item,
    /// Which of the selected items it is.
    index: usize,
    /// Where the chunk begins in the bundle.
    at: u64,
    pub(crate) chunk: Chunk,
}

impl Bundle<Verified> {
    /// Read the whole payload and check every chunk.
    pub fn check(&self, progress: &Progress<'_>) -> Result<(), ReadError> {
        let jobs = self.jobs(|_| true);
        in_parallel(8, jobs.len(), |next| {
            let mut buf = vec![0; PIECE];
            while let Some(index) = next() {
                let job = &jobs[index];
                let mut hasher = Hasher::default();
                self.read_chunk(job, &mut buf, |_, piece| hasher.update(piece))
                    .and_then(|()| self.expect(job, hasher.finish()))
                    .map_err(|error| (index, error))?;
                progress(job.chunk.len);
            }
            Ok(())
        })
    }

    /// Like [`check`](Self::check), and compare the whole SHA-256 of every item as well.
    pub fn check_deep(&self, progress: &Progress<'_>) -> Result<(), ReadError> {
        let items = &self.manifest().items;
        in_parallel(8, items.len(), |next| {
            while let Some(index) = next() {
                let item = &items[index];
                let mut whole = Hasher::default();
                self.copy_with(item, |piece| {
                    whole.update(piece);
                    progress(piece.len() as u64);
                    Ok(())
                })
                .and_then(|()| expect_whole(item, whole.finish()))
                .map_err(|error| (index, error))?;
            }
            Ok(())
        })
    }

    /// Read the items that `wanted` selects, once, and hand each chunk to `sink` when it is proven.
    ///
    /// What the medium holds is never looked at a second time, so it cannot answer differently.
    /// At most four chunks are in memory.
    pub fn stage(
        &self,
        wanted: impl Fn(&Item) -> bool,
        sink: &dyn Sink,
        progress: &Progress<'_>,
    ) -> Result<(), ReadError> {
        let jobs = self.jobs(wanted);
        let left = Countdown::new(&jobs);
        in_parallel(4, jobs.len(), |next| {
            let mut chunk = vec![0; usize::try_from(CHUNK).unwrap_or_default()];
            while let Some(index) = next() {
                let job = &jobs[index];
                self.stage_chunk(job, &mut chunk, sink)
                    .and_then(|()| left.done(job, sink))
                    .map_err(|error| (index, error))?;
                progress(job.chunk.len);
            }
            Ok(())
        })
    }

    /// Write the content of one item to `out`, in order, each chunk when it is proven.
    pub fn copy_item(&self, item: &Item, out: &mut dyn Write) -> Result<(), ReadError> {
        self.copy_with(item, |piece| out.write_all(piece))
    }

    fn copy_with(
        &self,
        item: &Item,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        let mut buf = vec![0; usize::try_from(item.size().min(CHUNK)).unwrap_or_default()];
        for job in self.jobs(|other| std::ptr::eq(other, item) || other.name() == item.name()) {
            let chunk = self.prove_chunk(&job, &mut buf)?;
            let sink_error = |source| ReadError::Sink { item: item.name().clone(), source };
            chunk.chunks(PIECE).try_for_each(&mut take).map_err(sink_error)?;
        }
        Ok(())
    }

    fn stage_chunk(&self, job: &Job<'_>, buf: &mut [u8], sink: &dyn Sink) -> Result<(), ReadError> {
        let chunk = self.prove_chunk(job, buf)?;
        for (i, piece) in chunk.chunks(PIECE).enumerate() {
            sink.piece(job.item, job.chunk.offset + (i * PIECE) as u64, piece)
                .map_err(|source| ReadError::Sink { item: job.item.name().clone(), source })?;
        }
        Ok(())
    }

    /// Read a chunk into `buf` and return its bytes if they are the signed ones.
    pub(crate) fn prove_chunk<'a>(
        &self,
        job: &Job<'_>,
        buf: &'a mut [u8],
    ) -> Result<&'a [u8], ReadError> {
        let len = usize::try_from(job.chunk.len).unwrap_or_default();
        let mut hasher = Hasher::default();
        for (i, piece) in buf[..len].chunks_mut(PIECE).enumerate() {
            let offset = (i * PIECE) as u64;
            if i == 0 {
                self.parts.advise(job.at, 2 * CHUNK, Advice::WillNeed);
            }
            self.read_at(job, offset, piece)?;
            hasher.update(piece);
        }
        self.expect(job, hasher.finish())?;
        Ok(&buf[..len])
    }

    /// Read a chunk piece by piece through `buf`, which is overwritten by each.
    fn read_chunk(
        &self,
        job: &Job<'_>,
        buf: &mut [u8],
        mut take: impl FnMut(u64, &[u8]),
    ) -> Result<(), ReadError> {
        self.parts.advise(job.at, 2 * CHUNK, Advice::WillNeed);
        let mut offset = 0;
        while offset < job.chunk.len {
            let len = (job.chunk.len - offset).min(buf.len() as u64);
            let piece = &mut buf[..usize::try_from(len).unwrap_or_default()];
            self.read_at(job, offset, piece)?;
            take(offset, piece);
            offset += len;
        }
        Ok(())
    }

    fn read_at(&self, job: &Job<'_>, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        self.parts.read_exact_at(buf, job.at + offset).map_err(|source| ReadError::Medium {
            item: job.item.name().clone(),
            offset: job.chunk.offset + offset,
            source,
        })
    }

    fn expect(&self, job: &Job<'_>, actual: Digest) -> Result<(), ReadError> {
        if actual == job.chunk.digest {
            return Ok(());
        }
        let Chunk { offset, len, .. } = job.chunk;
        let part = self.part_fault(job.at, len);
        Err(ReadError::Damaged(Damage { item: job.item.name().clone(), offset, len, part }))
    }

    /// The chunks of the selected items, in the order in which they lie on the medium.
    pub(crate) fn jobs(&self, wanted: impl Fn(&Item) -> bool) -> Vec<Job<'_>> {
        let selected = self.state.layout.items(self.manifest()).filter(|(item, _)| wanted(item));
        let jobs = selected.enumerate().flat_map(|(index, (item, at))| {
            item.chunks().map(move |chunk| Job { item, index, at: at + chunk.offset, chunk })
        });
        jobs.collect()
    }

    /// Where each chunk of the payload lies, for finding out what is wrong with a part.
    pub(crate) fn chunk_places(&self) -> impl Iterator<Item = (u64, Chunk)> + '_ {
        let items = self.state.layout.items(self.manifest());
        items.flat_map(|(item, at)| item.chunks().map(move |chunk| (at + chunk.offset, chunk)))
    }
}

/// How many chunks of each selected item are still to come.
struct Countdown(Vec<AtomicU64>);

impl Countdown {
    fn new(jobs: &[Job<'_>]) -> Self {
        let items = jobs.last().map_or(0, |job| job.index + 1);
        let counts: Vec<_> = (0..items).map(|_| AtomicU64::new(0)).collect();
        for job in jobs {
            counts[job.index].fetch_add(1, Ordering::Relaxed);
        }
        Self(counts)
    }

    fn done(&self, job: &Job<'_>, sink: &dyn Sink) -> Result<(), ReadError> {
        if self.0[job.index].fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        sink.complete(job.item)
            .map_err(|source| ReadError::Sink { item: job.item.name().clone(), source })
    }
}

fn expect_whole(item: &Item, actual: Digest) -> Result<(), ReadError> {
    let expected = item.sha256();
    if actual == expected {
        return Ok(());
    }
    Err(ReadError::WholeDigest { item: item.name().clone(), expected, actual })
}
