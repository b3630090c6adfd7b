//! What is wrong with a part of a split bundle, as far as digests can tell.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use super::read::{PIECE, PartFault};
use crate::item::Chunk;
use crate::{Bundle, Digest, Hasher, Verified};

/// How many chunks of a part are compared before it is called foreign.
const SAMPLES: usize = 16;

/// What a part is, as far as the chunks that lie wholly in it can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// Some of them match.
    Some,
    /// None of them does.
    None,
    /// There is no such chunk.
    Unknown,
}

impl Bundle<Verified> {
    /// What is wrong with the part in which the `len` bytes from `at` on lie; `None` if the bundle
    /// is not split. Bytes across a border are laid to the part that is not itself at all.
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

    /// Whether the file of part `file` holds some of what belongs into part `place`.
    fn holds(&self, file: usize, place: usize) -> Evidence {
        let start = self.parts.start(place);
        let end = self.parts.start(place + 1);
        let whole = |(at, chunk): &(u64, Chunk)| *at >= start && at + chunk.len <= end;
        // A chunk that occurs twice, such as one of zeros, says nothing about where it belongs.
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

    /// The digest of `len` bytes from byte `at` of the file of part `file` on.
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
