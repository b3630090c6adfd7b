//! The content of a file for a stick: a page in memory, or a program on the laptop.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write};
use std::sync::Arc;

use vgpu_keys::MessageDigest;

/// The bytes of a file for the stick, other than the bundle.
#[derive(Debug)]
pub(crate) enum Content {
    Text(Vec<u8>),
    Signed(SignedFile),
}

/// An open file, with its length and digest at the time of signing.
#[derive(Debug, Clone)]
pub(crate) struct SignedFile {
    pub(crate) file: Arc<File>,
    pub(crate) len: u64,
    pub(crate) digest: MessageDigest,
}

/// The size of the copy buffer, in bytes.
const PIECE: usize = 64 << 10;

impl Content {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Text(bytes) => bytes.len() as u64,
            Self::Signed(signed) => signed.len,
        }
    }

    /// Writes the content to `to`.
    ///
    /// A file that has changed since it was signed is detected by [`Self::is`] only.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Text(bytes) => to.write_all(bytes),
            Self::Signed(signed) => {
                let mut file = &*signed.file;
                file.rewind()?;
                io::copy(&mut file.take(signed.len), to).map(drop)
            }
        }
    }

    /// Checks whether `there` has exactly this content.
    pub(crate) fn is(&self, there: impl Read) -> io::Result<bool> {
        let mut there = Counted { from: there.take(self.size() + 1), count: 0 };
        let same = match self {
            Self::Text(bytes) => is(&mut there, bytes)?,
            Self::Signed(signed) => MessageDigest::read(&mut there)? == signed.digest,
        };
        Ok(same && there.count == self.size())
    }
}

/// Checks whether `there` has exactly these bytes.
fn is(there: &mut impl Read, bytes: &[u8]) -> io::Result<bool> {
    let (mut buf, mut left) = (vec![0; PIECE], bytes);
    loop {
        let count = match there.read(&mut buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        match left.strip_prefix(&buf[..count]) {
            Some([]) if count == 0 => return Ok(true),
            Some(rest) if count > 0 => left = rest,
            _ => return Ok(false),
        }
    }
}

struct Counted<R> {
    from: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buf)?;
        self.count += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(bytes: &[u8]) -> Content {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let (len, digest) = (bytes.len() as u64, MessageDigest::of(bytes));
        Content::Signed(SignedFile { file: file.into(), len, digest })
    }

    #[test]
    fn only_the_same_bytes_are_the_same() {
        let long = vec![7; 3 * PIECE + 1];
        for bytes in [&long, &b"some"[..], b""] {
            for content in [signed(bytes), Content::Text(bytes.to_vec())] {
                assert!(content.is(bytes).unwrap());
                assert!(!content.is([bytes, b"x"].concat().as_slice()).unwrap());
                let mut written = Vec::new();
                content.write(&mut written).unwrap();
                assert!(written == bytes);
                if let Some((last, rest)) = bytes.split_last() {
                    assert!(!content.is(rest).unwrap());
                    assert!(!content.is([rest, &[last ^ 1]].concat().as_slice()).unwrap());
                }
            }
        }
    }
}
