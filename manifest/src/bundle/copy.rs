//! Copying a whole bundle in archive order, so that a slow medium is written once and sequentially,
//! and only with verified bytes.

use std::io::{self, Write};

use super::header::padded;
use super::layout::Member;
use super::read::{PIECE, Progress, ReadError};
use crate::{Bundle, CHUNK, Digest, Verified};

/// The reason why a bundle was not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The payload could not be read, or is damaged.
    #[error(transparent)]
    Payload(#[from] ReadError),
    /// The manifest could not be read again.
    #[error("cannot read the manifest of the bundle")]
    Read(#[source] io::Error),
    /// The manifest differs from the verified one.
    #[error("the manifest of the bundle has changed since it was verified")]
    Changed,
    /// The copy could not be written.
    #[error("cannot write the copy")]
    Write(#[source] io::Error),
}

impl Bundle<Verified> {
    /// Writes the whole archive to `out`, from start to end; each chunk is written once it is
    /// verified.
    ///
    /// `progress` is told of every byte. At most one chunk is in memory.
    pub fn copy_archive(
        &self,
        out: &mut dyn Write,
        progress: &Progress<'_>,
    ) -> Result<(), CopyError> {
        let mut out = Copy { to: out, progress, at: 0 };
        let layout = &self.state.layout;
        for (index, member) in layout.members().iter().take(3).enumerate() {
            let content = self.own_member(index, member)?;
            out.member(member)?;
            out.write(&content)?;
        }
        let mut members = layout.members()[3..].iter();
        let mut buf = vec![0; usize::try_from(CHUNK).unwrap_or_default()];
        for job in self.jobs(|_| true) {
            if job.chunk.offset == 0 {
                members.next().map_or(Ok(()), |member| out.member(member))?;
            }
            let chunk = self.prove_chunk(&job, &mut buf)?;
            chunk.chunks(PIECE).try_for_each(|piece| out.write(piece))?;
        }
        out.zeros_up_to(layout.total)
    }

    /// Returns the content of one of the archive's own three members.
    fn own_member(&self, index: usize, member: &Member) -> Result<Vec<u8>, CopyError> {
        let sums = &self.state.layout.sums;
        match index {
            0 => return Ok(self.slots().to_bytes().to_vec()),
            1 => return Ok(sums.clone()),
            _ => {}
        }
        // The serialized manifest is large, and needed only here.
        let mut content = vec![0; usize::try_from(member.size).unwrap_or_default()];
        self.parts.read_exact_at(&mut content, member.content()).map_err(CopyError::Read)?;
        let is_the_verified_one = sums.starts_with(Digest::of(&content).to_string().as_bytes());
        if is_the_verified_one { Ok(content) } else { Err(CopyError::Changed) }
    }
}

/// The output and its position.
struct Copy<'o, 'p> {
    to: &'o mut dyn Write,
    progress: &'o Progress<'p>,
    at: u64,
}

impl Copy<'_, '_> {
    /// Advances to the next member: writes the padding of the previous one, and the header.
    fn member(&mut self, member: &Member) -> Result<(), CopyError> {
        self.zeros_up_to(member.at)?;
        self.write(&member.header)
    }

    fn zeros_up_to(&mut self, at: u64) -> Result<(), CopyError> {
        debug_assert!(padded(self.at) <= at, "members follow each other");
        let gap = usize::try_from(at - self.at).unwrap_or_default();
        self.write(&vec![0; gap])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CopyError> {
        self.to.write_all(bytes).map_err(CopyError::Write)?;
        self.at += bytes.len() as u64;
        (self.progress)(bytes.len() as u64);
        Ok(())
    }
}
