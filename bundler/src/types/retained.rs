//! Bytes that the lock itself contains, because their sources replace them soon.

use std::fmt;
use std::io::{self, Read as _};

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

/// Compressed bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Retained(Vec<u8>);

/// A text is not a valid encoding of compressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lock's copy of an archive file is not Base64")]
pub(crate) struct ParseRetainedError;

/// The size limit in bytes: 8 MiB. The signed files of Debian's archives have 150 KiB.
pub(crate) const MAX_RETAINED: u64 = 8 << 20;

/// The compression level of zstd. Each lock is compressed once.
const LEVEL: i32 = 19;

impl Retained {
    /// Compresses `bytes`.
    pub(crate) fn new(bytes: &[u8]) -> io::Result<Self> {
        // Streaming without a known size, this level would allocate 86 MB instead of 8.
        zstd::bulk::compress(bytes, LEVEL).map(Self)
    }

    /// Returns the bytes.
    pub(crate) fn unpack(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut decoder = zstd::Decoder::new(&*self.0)?;
        decoder.window_log_max(23)?;
        decoder.take(MAX_RETAINED + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_RETAINED {
            return Err(io::Error::other("it unpacks to more than its size limit"));
        }
        Ok(bytes)
    }
}

/// Debug output omits the contents.
impl fmt::Debug for Retained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Retained({} bytes)", self.0.len())
    }
}

impl TryFrom<String> for Retained {
    type Error = ParseRetainedError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Base64::decode_vec(&text).map(Self).map_err(|_| ParseRetainedError)
    }
}

impl From<Retained> for String {
    fn from(retained: Retained) -> Self {
        Base64::encode_string(&retained.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retained_bytes_are_restored() {
        let bytes = b"Origin: Debian\n".repeat(1000);
        let retained = Retained::new(&bytes).unwrap();
        let text = String::from(retained.clone());
        assert!(text.len() < 200, "{text}");
        assert_eq!(Retained::try_from(text).unwrap().unpack().unwrap(), bytes);
        assert_eq!(Retained::try_from("a b".to_owned()), Err(ParseRetainedError));
        assert!(Retained(b"no zstd".to_vec()).unpack().is_err());
        let bomb = Retained::new(&vec![0; 9 << 20]).unwrap();
        assert!(bomb.unpack().unwrap_err().to_string().contains("more than"));
    }
}
