//! Bytes that the lock itself contains, because their sources replace them soon.

use std::fmt;
use std::io::{self, Read as _};

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

/// Compressed bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Kept(Vec<u8>);

/// A text is not a valid encoding of compressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lock's copy of an archive file is not Base64")]
pub(crate) struct ParseKeptError;

/// The size limit in bytes: 8 MiB. The signed files of Debian's archives have 150 KiB.
pub(crate) const MAX_KEPT: u64 = 8 << 20;

/// The compression level of zstd. Each lock is compressed once.
const LEVEL: i32 = 19;

impl Kept {
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
        decoder.take(MAX_KEPT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_KEPT {
            return Err(io::Error::other("it unpacks to more than its size limit"));
        }
        Ok(bytes)
    }
}

/// Debug output omits the contents.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({} bytes)", self.0.len())
    }
}

impl TryFrom<String> for Kept {
    type Error = ParseKeptError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Base64::decode_vec(&text).map(Self).map_err(|_| ParseKeptError)
    }
}

impl From<Kept> for String {
    fn from(kept: Kept) -> Self {
        Base64::encode_string(&kept.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let bytes = b"Origin: Debian\n".repeat(1000);
        let kept = Kept::new(&bytes).unwrap();
        let text = String::from(kept.clone());
        assert!(text.len() < 200, "{text}");
        assert_eq!(Kept::try_from(text).unwrap().unpack().unwrap(), bytes);
        assert_eq!(Kept::try_from("a b".to_owned()), Err(ParseKeptError));
        assert!(Kept(b"no zstd".to_vec()).unpack().is_err());
        let bomb = Kept::new(&vec![0; 9 << 20]).unwrap();
        assert!(bomb.unpack().unwrap_err().to_string().contains("more than"));
    }
}
