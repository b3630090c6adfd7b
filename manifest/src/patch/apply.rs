use std::io::{self, Read, Write};

use super::error::{ApplyError, ApplyFault};
use super::{Change, FilePatch, Hunk};
use crate::{Digest, Hasher, PIECE};

/// The digests of a file before and after; `None` where the file does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// The SHA-256 of the old file.
    pub before: Option<Digest>,
    /// The SHA-256 of the new file.
    pub after: Option<Digest>,
}

impl FilePatch {
    /// Applies the diff: reads the `old` file, which is `None` if it does not exist, and writes the
    /// new one.
    ///
    /// Memory use does not depend on the size of the file or the length of its lines. After an
    /// error, the partial output must be discarded. For a deleted file, nothing is written.
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

/// A file that is being converted from old to new.
struct Pass<'f> {
    input: Input<'f>,
    output: Output<'f>,
    /// The number of lines of the old file that have been read.
    line: u64,
}

impl Pass<'_> {
    /// Copies the bytes before the hunk.
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

    /// Compares every byte that the hunk expects, and writes the replacement.
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

    /// Copies the bytes after the last hunk.
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

/// Returns the number of bytes of the first `wanted` lines, and the number of those lines: fewer if
/// the last one continues after these bytes.
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

    /// Returns the next bytes; none at the end.
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
