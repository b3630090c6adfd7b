use std::io::{self, Read, Write};

use super::error::{ApplyError, ApplyFault};
use super::{Change, FilePatch, Hunk};
use crate::{Digest, Hasher, PIECE};

/// What a file was and what it has become; `None` where it is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The SHA-256 of what was read.
    pub before: Option<Digest>,
    /// The SHA-256 of what was written.
    pub after: Option<Digest>,
}

impl FilePatch {
    /// Apply it: read the `old` file, which is `None` if it is not there, and write the new one.
    ///
    /// Memory does not depend on the size of the file, nor on the length of its lines. After an
    /// error the part that has been written is worthless. For a deleted file, nothing is written.
    pub fn apply(
        &self,
        old: Option<&mut dyn Read>,
        new: &mut dyn Write,
    ) -> Result<Applied, ApplyError> {
        let applied = match old {
            Some(old) => self.pass(old, new),
            None if self.change == Change::Created => self.create(new),
            None => Err(ApplyFault::Missing),
        };
        applied.map_err(|fault| ApplyError { path: self.path.clone(), fault })
    }

    fn create(&self, new: &mut dyn Write) -> Result<Applied, ApplyFault> {
        let mut output = Output::new(new);
        for hunk in &self.hunks {
            output.write(&hunk.new)?;
        }
        Ok(Applied { before: None, after: Some(output.digest.finish()) })
    }

    fn pass(&self, old: &mut dyn Read, new: &mut dyn Write) -> Result<Applied, ApplyFault> {
        let mut pass = Pass { input: Input::new(old), output: Output::new(new), line: 0 };
        if self.change == Change::Created && !pass.input.fill()?.is_empty() {
            return Err(ApplyFault::Exists);
        }
        for (hunk, number) in self.hunks.iter().zip(1..) {
            pass.up_to(hunk, number)?;
            pass.replace(hunk, number)?;
        }
        if self.change == Change::Deleted && !pass.input.fill()?.is_empty() {
            return Err(ApplyFault::TooLong { hunk: self.hunks.len() });
        }
        pass.rest()?;
        let before = Some(pass.input.digest.finish());
        let after = (self.change != Change::Deleted).then(|| pass.output.digest.finish());
        Ok(Applied { before, after })
    }
}

/// A file on its way from old to new.
struct Pass<'f> {
    input: Input<'f>,
    output: Output<'f>,
    /// How many lines of the old file have gone by.
    line: u64,
}

impl Pass<'_> {
    /// Copy what comes before the hunk.
    fn up_to(&mut self, hunk: &Hunk, number: usize) -> Result<(), ApplyFault> {
        while self.line < hunk.at {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                return Err(ApplyFault::TooShort { hunk: number, line: self.line });
            }
            let (len, lines) = lines_up_to(bytes, hunk.at - self.line);
            self.output.write(&bytes[..len])?;
            self.input.consume(len);
            self.line += lines;
        }
        Ok(())
    }

    /// Compare every byte that the hunk expects, and write what comes in their place.
    fn replace(&mut self, hunk: &Hunk, number: usize) -> Result<(), ApplyFault> {
        let mut expected = &hunk.old[..];
        while !expected.is_empty() {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                return Err(ApplyFault::TooShort { hunk: number, line: self.line });
            }
            let len = bytes.len().min(expected.len());
            let same = bytes.iter().zip(expected).take_while(|(a, b)| a == b).count();
            if same < len {
                let line = self.line + newlines(&bytes[..same]) + 1;
                return Err(ApplyFault::Mismatch { hunk: number, line });
            }
            self.line += newlines(&bytes[..len]);
            self.input.consume(len);
            expected = &expected[len..];
        }
        if hunk.ends_file && !self.input.fill()?.is_empty() {
            return Err(ApplyFault::TooLong { hunk: number });
        }
        self.output.write(&hunk.new)
    }

    /// Copy what comes after the last hunk.
    fn rest(&mut self) -> Result<(), ApplyFault> {
        loop {
            let bytes = self.input.fill()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let len = bytes.len();
            self.output.write(bytes)?;
            self.input.consume(len);
        }
    }
}

/// How many bytes the first `wanted` lines take, and how many lines that is: fewer if the last of
/// them goes on behind these bytes.
fn lines_up_to(bytes: &[u8], wanted: u64) -> (usize, u64) {
    let mut lines = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' {
            lines += 1;
            if lines == wanted {
                return (at + 1, lines);
            }
        }
    }
    (bytes.len(), lines)
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

struct Input<'f> {
    file: &'f mut dyn Read,
    buf: Vec<u8>,
    start: usize,
    end: usize,
    digest: Hasher,
}

impl<'f> Input<'f> {
    fn new(file: &'f mut dyn Read) -> Self {
        Self { file, buf: vec![0; PIECE], start: 0, end: 0, digest: Hasher::default() }
    }

    /// The bytes that come next; none at the end.
    fn fill(&mut self) -> Result<&[u8], ApplyFault> {
        while self.start == self.end {
            match self.file.read(&mut self.buf) {
                Ok(0) => break,
                Ok(n) => (self.start, self.end) = (0, n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ApplyFault::Read(error)),
            }
        }
        Ok(&self.buf[self.start..self.end])
    }

    fn consume(&mut self, len: usize) {
        self.digest.update(&self.buf[self.start..self.start + len]);
        self.start += len;
    }
}

struct Output<'f> {
    file: &'f mut dyn Write,
    digest: Hasher,
}

impl<'f> Output<'f> {
    fn new(file: &'f mut dyn Write) -> Self {
        Self { file, digest: Hasher::default() }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ApplyFault> {
        self.digest.update(bytes);
        self.file.write_all(bytes).map_err(ApplyFault::Write)
    }
}
