//! The file or files of a bundle.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{Mode, OFlags};

use crate::CHUNK;
use crate::limits::MAX_PARTS;

/// The length of all parts of a split bundle except the last: a multiple of [`CHUNK`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartSize(u64);

impl PartSize {
    /// 4 GiB − 4 MiB: the largest number of whole chunks that fits on FAT32.
    pub const FAT32: Self = Self((4 << 30) - CHUNK);

    /// Returns a size of `bytes`; `None` if that is zero or not a multiple of [`CHUNK`].
    #[must_use]
    pub fn new(bytes: u64) -> Option<Self> {
        (bytes > 0 && bytes.is_multiple_of(CHUNK)).then_some(Self(bytes))
    }

    /// Returns the size in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

/// The parts of a bundle, as one sequence of bytes. A bundle that is not split has one part.
#[derive(Debug)]
pub(crate) struct Parts {
    parts: Vec<Part>,
    /// The offset of each part, as a multiple. For one part: a size that it will not reach.
    stride: u64,
}

/// One file of a bundle.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) path: Utf8PathBuf,
    pub(crate) file: File,
    /// Its length in bytes when it was opened.
    pub(crate) len: u64,
}

/// The parts of a bundle do not make up a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PartsError {
    /// A file could not be opened or read.
    #[error("cannot open `{path}`")]
    Open {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A folder, device or socket instead of a file.
    #[error("`{0}` is not a regular file")]
    NotAFile(Utf8PathBuf),
    /// A later part was named instead of the first one.
    #[error("`{path}` is a later part of a bundle; name the first one, `{first}`")]
    NotFirst {
        /// The given part.
        path: Utf8PathBuf,
        /// The expected part.
        first: Utf8PathBuf,
    },
    /// A part is missing.
    #[error("the part `{path}` is missing: the bundle has {total} bytes, but only {have} are here")]
    Missing {
        /// The part.
        path: Utf8PathBuf,
        /// The length of the whole bundle.
        total: u64,
        /// The available length.
        have: u64,
    },
    /// A part has the wrong length.
    #[error("`{path}` has {actual} bytes instead of {expected}: {}", if .actual < .expected { "it is truncated; copy it again" } else { "it has more bytes than the bundle" })]
    Length {
        /// The part.
        path: Utf8PathBuf,
        /// The expected length.
        expected: u64,
        /// The actual length.
        actual: u64,
    },
    /// An extra part that the bundle does not have.
    #[error("the part `{0}` does not belong to the bundle, which ends before it")]
    Surplus(Utf8PathBuf),
}

impl Parts {
    /// Opens the bundle that begins with the file `first`, and every part in the same folder.
    pub(crate) fn open(first: &Utf8Path) -> Result<Self, PartsError> {
        let mut parts = vec![Part::open(first)?];
        let Some((stem, number)) = part_number(first) else {
            return Ok(Self { parts, stride: u64::MAX });
        };
        if number != 1 {
            let first_path = Utf8PathBuf::from(format!("{stem}.001"));
            return Err(PartsError::NotFirst { path: first.to_owned(), first: first_path });
        }
        for number in 2..=MAX_PARTS {
            match Part::open(&part_path(stem, number)) {
                Ok(part) => parts.push(part),
                Err(PartsError::Open { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        // Every part except the last is as long as the longest, in whole chunks.
        let longest = parts.iter().map(|part| part.len).max().unwrap_or(0).max(1);
        Ok(Self { parts, stride: longest.next_multiple_of(CHUNK) })
    }

    /// Returns an empty list of parts with this length.
    pub(crate) fn new(split: Option<PartSize>) -> Self {
        Self { parts: Vec::new(), stride: split.map_or(u64::MAX, PartSize::bytes) }
    }

    /// Appends a part.
    pub(crate) fn push(&mut self, part: Part) {
        self.parts.push(part);
    }

    /// Returns the length of part `index` of a bundle of `total` bytes.
    pub(crate) fn len_of(&self, index: usize, total: u64) -> u64 {
        total.saturating_sub(self.start(index)).min(self.stride)
    }

    /// Checks that the parts have exactly the lengths that a bundle of `total` bytes needs.
    pub(crate) fn check_lengths(&self, total: u64) -> Result<(), PartsError> {
        let mut left = total;
        for part in &self.parts {
            if left == 0 {
                return Err(PartsError::Surplus(part.path.clone()));
            }
            let expected = left.min(self.stride);
            if part.len != expected {
                let (path, actual) = (part.path.clone(), part.len);
                return Err(PartsError::Length { path, expected, actual });
            }
            left -= expected;
        }
        if left > 0 {
            return Err(self.short(total, left));
        }
        Ok(())
    }

    fn short(&self, total: u64, left: u64) -> PartsError {
        let first = &self.parts[0];
        if let Some((stem, _)) = part_number(&first.path) {
            let path = part_path(stem, self.parts.len() + 1);
            return PartsError::Missing { path, total, have: total - left };
        }
        PartsError::Length { path: first.path.clone(), expected: total, actual: first.len }
    }

    /// Fills `buf` from `offset`.
    pub(crate) fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.each_piece(buf.len(), offset, |part, at, range| {
            part.file.read_exact_at(&mut buf[range], at)
        })
    }

    /// Writes `bytes` at `offset`.
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.each_piece(bytes.len(), offset, |part, at, range| {
            part.file.write_all_at(&bytes[range], at)
        })
    }

    fn each_piece(
        &self,
        len: usize,
        offset: u64,
        mut act: impl FnMut(&Part, u64, std::ops::Range<usize>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut done = 0;
        while done < len {
            let (index, at) = self.locate(offset + done as u64);
            let part = self.parts.get(index).ok_or(io::ErrorKind::UnexpectedEof)?;
            let room = usize::try_from(self.stride - at).unwrap_or(usize::MAX);
            let piece = room.min(len - done);
            act(part, at, done..done + piece)?;
            done += piece;
        }
        Ok(())
    }

    /// Returns the part that contains the byte at `offset`, and the position in it.
    pub(crate) fn locate(&self, offset: u64) -> (usize, u64) {
        let index = usize::try_from(offset / self.stride).unwrap_or(usize::MAX);
        (index, offset % self.stride)
    }

    /// Returns the parts, in order.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the offset of part `index` in the bundle.
    pub(crate) fn start(&self, index: usize) -> u64 {
        self.stride.saturating_mul(index as u64)
    }

    /// Asks the kernel to read ahead, or to write back and drop its cache. Only a hint: errors are
    /// ignored.
    pub(crate) fn advise(&self, offset: u64, len: u64, advice: rustix::fs::Advice) {
        let (index, at) = self.locate(offset);
        if let Some(part) = self.parts.get(index) {
            let _ = rustix::fs::fadvise(&part.file, at, std::num::NonZeroU64::new(len), advice);
        }
    }
}

impl Part {
    fn open(path: &Utf8Path) -> Result<Self, PartsError> {
        let error = |source| PartsError::Open { path: path.to_owned(), source };
        // Without NONBLOCK, opening a FIFO on the medium would block forever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = rustix::fs::open(path.as_std_path(), flags, Mode::empty())
            .map_err(|errno| error(errno.into()))?;
        let file = File::from(fd);
        let metadata = file.metadata().map_err(error)?;
        if !metadata.is_file() {
            return Err(PartsError::NotAFile(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), file, len: metadata.len() })
    }
}

/// Returns the name without its number, and the number, if `path` is named like a part:
/// `B.vgpu.tar.002`.
fn part_number(path: &Utf8Path) -> Option<(&str, usize)> {
    let (stem, digits) = path.as_str().rsplit_once('.')?;
    let is_number = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().ok().map(|number| (stem, number)))?
}

/// Returns the path of the part with this number, counted from one.
pub(crate) fn part_path(stem: &str, number: usize) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{stem}.{number:03}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_part_has_three_digits() {
        assert_eq!(part_number(Utf8Path::new("/x/a.vgpu.tar.002")), Some(("/x/a.vgpu.tar", 2)));
        for other in ["a.vgpu.tar", "a.01", "a.0001", "a.00x", "a", "a.+01"] {
            assert_eq!(part_number(Utf8Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn a_part_size_is_in_whole_chunks() {
        assert_eq!(PartSize::FAT32.bytes(), 4_290_772_992);
        for bad in [0, 1, CHUNK - 1, CHUNK + 1] {
            assert_eq!(PartSize::new(bad), None);
        }
        assert!(PartSize::new(CHUNK).is_some());
    }
}
