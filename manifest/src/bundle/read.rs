//! The only access to the bytes of a payload: in pieces whose chunk has matched.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8PathBuf;
use rustix::fs::Advice;

use super::measure::in_parallel;
use crate::item::Chunk;
use crate::{Base, Bundle, CHUNK, Digest, Hasher, Item, ItemName, Verified};

/// The largest piece that is read, passed on or written at once, in bytes: 256 KiB.
///
/// It fits into the second-level cache of a core, so a byte is hashed while it is still cached.
/// Writing larger pieces was measured to be several times slower.
pub const PIECE: usize = 256 << 10;

/// A consumer of the verified bytes of items.
pub trait Sink: Sync {
    /// Consumes some bytes of `item`, at most [`PIECE`], which begin at `offset` in it.
    ///
    /// Called from several threads, and for one item in any order.
    fn piece(&self, item: &Item, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Reports that every byte of `item` has been consumed. Called once for each item, also for an
    /// empty one.
    fn complete(&self, item: &Item) -> io::Result<()>;
}

/// A callback that gets the number of newly verified bytes of the payload.
pub type Progress<'p> = dyn Fn(u64) + Sync + 'p;

/// The reason why the payload of a verified bundle could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes on the medium are not the signed ones.
    #[error("{0}")]
    Damaged(Damage),
    /// All chunks of a large item match, but the whole digest in the manifest is wrong.
    #[error(
        "item `{item}` has SHA-256 {actual}, but `SHA256SUMS` has {expected}; the bundle was made with another program"
    )]
    WholeDigest {
        /// The item.
        item: ItemName,
        /// The signed digest.
        expected: Digest,
        /// The actual digest.
        actual: Digest,
    },
    /// The bundle leaves out the payload of an item.
    #[error("item `{item}` is not in this bundle, but in {base}")]
    LeftOut {
        /// The item.
        item: ItemName,
        /// The bundle that has it.
        base: Base,
    },
    /// The medium could not be read.
    #[error("cannot read item `{item}` at byte {offset}; the medium may be failing")]
    Medium {
        /// The item.
        item: ItemName,
        /// The offset on the medium in bytes.
        offset: u64,
        /// The cause.
        source: io::Error,
    },
    /// Verified bytes could not be written to their destination.
    #[error("cannot write item `{item}`")]
    Sink {
        /// The item.
        item: ItemName,
        /// The cause.
        source: io::Error,
    },
}

/// A chunk that does not match its signed digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The item.
    pub item: ItemName,
    /// The offset of the chunk in the item, in bytes.
    pub offset: u64,
    /// The length of the chunk in bytes.
    pub len: u64,
    /// The damage of the part that contains the place, if the bundle is split.
    pub part: Option<PartFault>,
}

/// The damage of a part of a split bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartFault {
    /// Some of its chunks match.
    Damaged(Utf8PathBuf),
    /// It is another part of this bundle.
    Swapped(Utf8PathBuf, Utf8PathBuf),
    /// None of its chunks belongs to this bundle.
    Foreign(Utf8PathBuf),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { item, offset, len, part } = self;
        let last = offset.saturating_add(*len).saturating_sub(1);
        write!(f, "item `{item}` is damaged (bytes {offset}–{last})")?;
        remedy(f, part.as_ref())
    }
}

/// The end of a message about damage: the faulty part, if known, and the fix.
pub(crate) fn remedy(
    f: &mut std::fmt::Formatter<'_>,
    part: Option<&PartFault>,
) -> std::fmt::Result {
    match part {
        None => f.write_str("; copy the bundle again"),
        Some(PartFault::Damaged(path)) => write!(f, ", in the part `{path}`; copy it again"),
        Some(PartFault::Swapped(path, other)) => {
            write!(f, ": the part `{path}` has the content of `{other}`")
        }
        Some(PartFault::Foreign(path)) => {
            write!(f, ": the part `{path}` belongs to another bundle")
        }
    }
}

/// A chunk to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job<'b> {
    item: &'b Item,
    /// The index of the selected item.
    index: usize,
    /// The offset of the chunk in the bundle.
    at: u64,
    pub(crate) chunk: Chunk,
}

impl Bundle<Verified> {
    /// Reads the whole payload in the bundle and checks every chunk.
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

    /// Like [`check`](Self::check); also compares the whole SHA-256 of every item.
    pub fn check_deep(&self, progress: &Progress<'_>) -> Result<(), ReadError> {
        self.check_whole(&Item::is_carried, progress)
    }

    /// Reads the items that `wanted` selects, and checks every chunk and the whole SHA-256 of each.
    ///
    /// A file signed elsewhere has a whole digest and no chunks, so only this check ties the
    /// chunks of an item to it.
    ///
    /// # Errors
    ///
    /// Among others, an item whose payload is left out.
    pub fn check_whole(
        &self,
        wanted: &dyn Fn(&Item) -> bool,
        progress: &Progress<'_>,
    ) -> Result<(), ReadError> {
        let items: Vec<&Item> = self.manifest().items.iter().filter(|item| wanted(item)).collect();
        in_parallel(8, items.len(), |next| {
            while let Some(index) = next() {
                let item = items[index];
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

    /// Reads the items that `wanted` selects, once, and passes each chunk to `sink` after it is
    /// verified.
    ///
    /// Items whose payload is left out are not among them. No byte is read from the medium a second time, so the medium cannot return other bytes
    /// later. At most four chunks are in memory.
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

    /// Writes the content of one item to `out`, in order, each chunk after it is verified.
    pub fn copy_item(&self, item: &Item, out: &mut dyn Write) -> Result<(), ReadError> {
        self.copy_with(item, |piece| out.write_all(piece))
    }

    fn copy_with(
        &self,
        item: &Item,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), ReadError> {
        if let Some(base) = item.base() {
            let (item, base) = (item.name().clone(), base.clone());
            return Err(ReadError::LeftOut { item, base });
        }
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

    /// Reads a chunk into `buf` and returns its bytes if they match the signed digest.
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

    /// Reads a chunk piece by piece through `buf`, which is overwritten by each.
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

    /// Returns the chunks of the selected items, in the order of the medium.
    pub(crate) fn jobs(&self, wanted: impl Fn(&Item) -> bool) -> Vec<Job<'_>> {
        let selected = self.state.layout.items(self.manifest()).filter(|(item, _)| wanted(item));
        let jobs = selected.enumerate().flat_map(|(index, (item, at))| {
            item.chunks().map(move |chunk| Job { item, index, at: at + chunk.offset, chunk })
        });
        jobs.collect()
    }

    /// Returns the offset of each chunk of the payload, to diagnose a damaged part.
    pub(crate) fn chunk_places(&self) -> impl Iterator<Item = (u64, Chunk)> + '_ {
        let items = self.state.layout.items(self.manifest());
        items.flat_map(|(item, at)| item.chunks().map(move |chunk| (at + chunk.offset, chunk)))
    }
}

/// The number of remaining chunks of each selected item.
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
