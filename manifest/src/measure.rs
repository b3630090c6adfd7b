use std::io::{self, Read};

use crate::read::PIECE;
use crate::{CHUNK, Digest, Hasher};

/// The size and the digests of some bytes, all taken in the same pass.
///
/// Because one pass yields both, a chunk list can never belong to other bytes than the whole
/// digest beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// How many bytes there are.
    pub size: u64,
    /// The SHA-256 of all of them.
    pub sha256: Digest,
    /// The SHA-256 of each chunk; empty if all bytes fit into one.
    pub chunks: Vec<Digest>,
}

/// Measures bytes as they go by.
#[derive(Debug, Clone, Default)]
pub struct Measure {
    size: u64,
    whole: Hasher,
    chunk: Hasher,
    chunks: Vec<Digest>,
}

impl Measure {
    /// Add some bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.whole.update(bytes);
        while !bytes.is_empty() {
            let room = CHUNK - self.size % CHUNK;
            let len = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
            let (now, later) = bytes.split_at(len);
            self.chunk.update(now);
            self.size += len as u64;
            if self.size.is_multiple_of(CHUNK) {
                self.chunks.push(std::mem::take(&mut self.chunk).finish());
            }
            bytes = later;
        }
    }

    /// What all bytes added so far amount to.
    #[must_use]
    pub fn finish(mut self) -> Measured {
        if !self.size.is_multiple_of(CHUNK) {
            self.chunks.push(self.chunk.finish());
        }
        if self.size <= CHUNK {
            self.chunks.clear();
        }
        Measured { size: self.size, sha256: self.whole.finish(), chunks: self.chunks }
    }

    /// Measure all that `reader` yields.
    pub fn of(reader: &mut dyn Read) -> io::Result<Measured> {
        let mut measure = Self::default();
        let mut buf = vec![0; PIECE];
        loop {
            match reader.read(&mut buf) {
                Ok(0) => return Ok(measure.finish()),
                Ok(n) => measure.update(&buf[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_begin_where_they_should_whatever_the_pieces() {
        let chunk = usize::try_from(CHUNK).unwrap();
        for (size, chunks) in
            [(0, 0), (1, 0), (chunk, 0), (chunk + 1, 2), (2 * chunk, 2), (2 * chunk + 1, 3)]
        {
            let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
            let at_once = Measure::of(&mut &*bytes).unwrap();
            assert_eq!(at_once.chunks.len(), chunks, "{size}");
            assert_eq!(at_once.sha256, Digest::of(&bytes));
            if chunks > 0 {
                let expected: Vec<_> = bytes.chunks(chunk).map(Digest::of).collect();
                assert_eq!(at_once.chunks, expected, "{size}");
            }
            let mut slowly = Measure::default();
            bytes.chunks(777_777).for_each(|piece| slowly.update(piece));
            assert_eq!(slowly.finish(), at_once, "{size}");
        }
    }
}
