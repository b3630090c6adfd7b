/// The lines of a patch, and where in it one is.
#[derive(Debug)]
pub(super) struct Lines<'p> {
    rest: &'p [u8],
    /// The number of the line that comes next, from 1.
    number: usize,
}

impl<'p> Lines<'p> {
    pub(super) fn new(bytes: &'p [u8]) -> Self {
        Self { rest: bytes, number: 1 }
    }

    /// The number of the line that comes next, from 1.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The next line with its newline, which only the last line can lack.
    pub(super) fn peek(&self) -> Option<&'p [u8]> {
        self.rest.split_inclusive(|b| *b == b'\n').next()
    }

    /// The line after the next one.
    pub(super) fn peek_second(&self) -> Option<&'p [u8]> {
        self.rest.split_inclusive(|b| *b == b'\n').nth(1)
    }

    pub(super) fn next(&mut self) -> Option<&'p [u8]> {
        let line = self.peek()?;
        self.rest = &self.rest[line.len()..];
        self.number += 1;
        Some(line)
    }
}
