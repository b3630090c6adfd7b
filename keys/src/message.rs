use std::fmt;
use std::io::{self, Read};

use sha2::{Digest, Sha512};

/// The SHA-512 of a message, which SSH signs, so that a long message is not kept in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageDigest([u8; 64]);

/// The number of bytes that are read at a time.
const PIECE: usize = 64 << 10;

impl MessageDigest {
    /// Hashes `message`.
    #[must_use]
    pub fn of(message: &[u8]) -> Self {
        Self(Sha512::digest(message).into())
    }

    /// Hashes a reader to its end.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut hash = Sha512::new();
        let mut buf = vec![0; PIECE];
        loop {
            match from.read(&mut buf) {
                Ok(0) => return Ok(Self(hash.finalize().into())),
                Ok(count) => hash.update(&buf[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MessageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageDigest({:02x?}…)", &self.0[..4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_same_in_pieces_and_whole() {
        for len in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let message = vec![7; len];
            let mut halves = message[..len / 2].chain(&message[len / 2..]);
            assert_eq!(MessageDigest::read(&mut halves).unwrap(), MessageDigest::of(&message));
            assert_ne!(MessageDigest::of(&message), MessageDigest::of(&vec![7; len + 1]));
        }
    }
}
