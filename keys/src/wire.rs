//! The binary encoding of SSH: numbers, and strings with their length (RFC 4251).

/// Binary data does not have the length that it announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The data ends in the middle of a field.
    #[error("is truncated")]
    Truncated,
    /// Other bytes follow the last field.
    #[error("is followed by bytes that do not belong to it")]
    Trailing,
}

/// A reader of fields from the front of a byte slice.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.bytes().map(u32::from_be_bytes)
    }

    /// Reads a fixed number of bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(*bytes)
    }

    /// Reads a string: its length as a `u32`, then its bytes.
    pub(crate) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.u32()?).map_err(|_| Malformed::Truncated)?;
        let (string, rest) = self.0.split_at_checked(len).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(string)
    }

    /// Returns the remaining bytes.
    #[cfg(feature = "sign")]
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Checks that no bytes remain.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Trailing) }
    }
}

/// Appends a string: its length as a `u32`, then its bytes.
///
/// # Panics
///
/// If it is 4 GiB or longer. Messages are hashed first, so no string is.
pub(crate) fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    let len = u32::try_from(string.len()).expect("a field is far shorter than 4 GiB");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(string);
}

/// Returns bytes from outside as a short text without control characters.
pub(crate) fn show(bytes: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(bytes).chars().take(64).collect();
    shown.escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_wrote_and_nothing_else() {
        let mut bytes = Vec::new();
        put_string(&mut bytes, b"one");
        put_string(&mut bytes, b"");
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.string(), Ok(&b"one"[..]));
        assert_eq!(reader.string(), Ok(&b""[..]));
        assert_eq!(reader.end(), Ok(()));

        for cut in 0..7 {
            let error = Reader::new(&bytes[..cut]).string().unwrap_err();
            assert_eq!(error, Malformed::Truncated, "cut at {cut}");
        }
        assert_eq!(Reader::new(&[0xff; 8]).string(), Err(Malformed::Truncated));
        assert_eq!(Reader::new(&[0]).end(), Err(Malformed::Trailing));
    }

    #[test]
    fn what_is_shown_is_short_and_has_no_control_characters() {
        assert_eq!(show(b"ssh\x1b[2J\xff"), "ssh\\u{1b}[2J\u{fffd}");
        assert_eq!(show(&[b'a'; 1000]).len(), 64);
    }
}
