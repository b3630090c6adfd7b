//! Diagnosis of a damaged part of a split bundle, from chunk digests.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use super::read::{PIECE, PartFault};
use crate::item::Chunk;
use crate::{Bundle, Digest, Hasher, Verified};

/// The number of chunks of a part that are compared before it is called foreign.
const SAMPLES: usize = 16;

/// The state of a part, judged by the chunks that are entirely within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// Some of them match.
    Some,
    /// None of them matches.
    None,
    /// There is no such chunk.
    Unknown,
}

impl Bundle<Verified> {
    /// Returns the damage of the part that contains the `len` bytes at `at`; `None` if the bundle
    /// is not split. If the bytes span two parts, the part without any matching chunk is blamed.
    pub(crate) fn part_fault(&self, at: u64, len: u64) -> Option<PartFault> {
        let parts = self.parts.parts();
        if parts.len() < 2 {
            return None;
        }
        let first = self.parts.locate(at).0;
        let last = self.parts.locate(at + len.max(1) - 1).0.min(parts.len() - 1);
        let path = |part: usize| parts[part].path.clone();
        let Some(wrong) = (first..=last).find(|&part| self.holds(part, part) == Evidence::None)
        else {
            return Some(PartFault::Damaged(path(first)));
        };
        let mut others = (0..parts.len()).filter(|&other| other != wrong);
        let real = others.find(|&other| self.holds(wrong, other) == Evidence::Some);
        Some(match real {
            Some(other) => PartFault::Swapped(path(wrong), path(other)),
            None => PartFault::Foreign(path(wrong)),
        })
    }

    /// Checks whether the file of part `file` contains chunks of part `place`.
    fn holds(&self, file: usize, place: usize) -> Evidence {
        let start = self.parts.start(place);
        let end = self.parts.start(place + 1);
        let whole = |(at, chunk): &(u64, Chunk)| *at >= start && at + chunk.len <= end;
        // A chunk that occurs twice, such as one of zeros, does not identify its place.
        let mut counts: BTreeMap<Digest, usize> = BTreeMap::new();
        self.chunk_places().for_each(|(_, chunk)| *counts.entry(chunk.digest).or_default() += 1);
        let unique = |(_, chunk): &(u64, Chunk)| counts[&chunk.digest] == 1;
        let chunks: Vec<_> = self.chunk_places().filter(whole).filter(unique).collect();
        let step = chunks.len().div_ceil(SAMPLES).max(1);
        let mut samples = chunks.iter().step_by(step);
        if samples.len() == 0 {
            return Evidence::Unknown;
        }
        let same = |&(at, chunk): &(u64, Chunk)| {
            self.digest_in(file, at - start, chunk.len) == Some(chunk.digest)
        };
        if samples.any(same) { Evidence::Some } else { Evidence::None }
    }

    /// Returns the digest of `len` bytes from byte `at` of the file of part `file`.
    fn digest_in(&self, file: usize, at: u64, len: u64) -> Option<Digest> {
        let file = &self.parts.parts().get(file)?.file;
        let mut hasher = Hasher::default();
        let mut buf = vec![0; PIECE];
        let mut done = 0;
        while done < len {
            let piece = usize::try_from((len - done).min(PIECE as u64)).ok()?;
            file.read_exact_at(&mut buf[..piece], at + done).ok()?;
            hasher.update(&buf[..piece]);
            done += piece as u64;
        }
        Some(hasher.finish())
    }
}
