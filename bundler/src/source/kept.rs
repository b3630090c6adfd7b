//! Bytes that a lock keeps itself, because nobody else keeps them for long.

use std::fmt;
use std::io::{self, Read as _};

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

/// Some bytes, packed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Kept(Vec<u8>);

/// A text does not hold bytes that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the lock keeps of an archive is not Base64")]
pub(crate) struct ParseKeptError;

/// The most that may be kept, in bytes: 8 MiB. What Debian's archives sign has 150 KiB.
pub(crate) const MAX_KEPT: u64 = 8 << 20;

/// How hard zstd tries. It is done once for each lock.
const LEVEL: i32 = 19;

impl Kept {
    /// Keep `bytes`.
    pub(crate) fn new(bytes: &[u8]) -> io::Result<Self> {
        // Not as a stream: without the size, this level sets 86 MB aside, and with it 8.
        zstd::bulk::compress(bytes, LEVEL).map(Self)
    }

    /// The bytes.
    pub(crate) fn unpack(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut decoder = zstd::Decoder::new(&*self.0)?;
        decoder.window_log_max(23)?;
        decoder.take(MAX_KEPT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_KEPT {
            return Err(io::Error::other("it unpacks to more than it may have"));
        }
        Ok(bytes)
    }
}

/// Thousands of letters tell nobody anything.
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
