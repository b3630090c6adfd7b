//! The text form around binary data that OpenSSH writes: a line before, base64, a line after.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// Far more than any signature or Ed25519 key file needs.
const MAX_LEN: usize = 64 * 1024;

/// How many characters of base64 OpenSSH puts on a line.
const COLUMNS: usize = 70;

/// What stands in the lines before and after the base64.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label(pub(crate) &'static str);

/// A text has no armor that could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// The first line is another one.
    #[error("the line `-----BEGIN {0}-----` is missing at its beginning")]
    Begin(&'static str),
    /// The last line is another one: the text was cut, or something follows it.
    #[error("the line `-----END {0}-----` is missing at its end")]
    End(&'static str),
    /// What stands between is not base64.
    #[error("what stands between its first and last line is not base64")]
    Base64,
    /// It is longer than anything of its kind.
    #[error("it is longer than {MAX_LEN} bytes")]
    TooLong,
}

/// Write `bytes` exactly as OpenSSH does.
pub(crate) fn encode(Label(label): Label, bytes: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(Base64::encode_string(bytes));
    // Enough in advance, so that no copy of a secret stays behind when the text grows.
    let mut out = Zeroizing::new(String::with_capacity(base64.len() * 2 + 128));
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    for (i, character) in base64.chars().enumerate() {
        if i > 0 && i % COLUMNS == 0 {
            out.push('\n');
        }
        out.push(character);
    }
    out.push_str("\n-----END ");
    out.push_str(label);
    out.push_str("-----\n");
    out
}

/// Take the armor off, however its lines are broken.
///
/// Where only one text per value may be accepted, compare with [`encode`] afterwards.
pub(crate) fn decode(Label(label): Label, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, ArmorError> {
    if text.len() > MAX_LEN {
        return Err(ArmorError::TooLong);
    }
    let begin = format!("-----BEGIN {label}-----");
    let end = format!("-----END {label}-----");
    let text = text.trim_ascii();
    let body = text.strip_prefix(begin.as_bytes()).ok_or(ArmorError::Begin(label))?;
    let body = body.strip_suffix(end.as_bytes()).ok_or(ArmorError::End(label))?;

    let mut base64 = Zeroizing::new(Vec::with_capacity(body.len()));
    base64.extend(body.iter().filter(|byte| !byte.is_ascii_whitespace()));
    let mut bytes = Zeroizing::new(vec![0; base64.len() / 4 * 3]);
    let len = Base64::decode(&*base64, &mut bytes).map_err(|_| ArmorError::Base64)?.len();
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label("TEST");

    #[test]
    fn reads_back_what_it_wrote_at_every_length_around_a_line() {
        for len in 0..220 {
            let bytes: Vec<u8> = (0..len).collect();
            let text = encode(LABEL, &bytes);
            assert!(text.lines().all(|line| line.len() <= COLUMNS && !line.ends_with(' ')));
            assert_eq!(*decode(LABEL, text.as_bytes()).unwrap(), bytes);
        }
    }

    #[test]
    fn says_what_is_missing() {
        let text = encode(LABEL, b"hello");
        assert_eq!(decode(Label("OTHER"), text.as_bytes()), Err(ArmorError::Begin("OTHER")));
        assert_eq!(decode(LABEL, text[..30].as_bytes()), Err(ArmorError::End("TEST")));
        assert_eq!(decode(LABEL, b"-----BEGIN TEST----------END TEST-----").unwrap().len(), 0);
        assert_eq!(
            decode(LABEL, b"-----BEGIN TEST-----\n!\n-----END TEST-----\n"),
            Err(ArmorError::Base64)
        );
        assert_eq!(decode(LABEL, &vec![b' '; MAX_LEN + 1]), Err(ArmorError::TooLong));
    }
}
