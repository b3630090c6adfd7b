//! OpenSSH's text form of binary data: a first line, base64, a last line.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// The longest text, in bytes: more than any signature or Ed25519 key file needs.
const MAX_LEN: usize = 64 * 1024;

/// The number of base64 characters on a line of OpenSSH.
const COLUMNS: usize = 70;

/// The label in the first and last line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label(pub(crate) &'static str);

/// A text is not valid armor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// The first line is wrong.
    #[error("the first line is not `-----BEGIN {0}-----`")]
    Begin(&'static str),
    /// The last line is wrong: the text is truncated, or other text follows.
    #[error("the last line is not `-----END {0}-----`")]
    End(&'static str),
    /// The text between these lines is not base64.
    #[error("the text between the first and the last line is not base64")]
    Base64,
    /// It is too long.
    #[error("the text is longer than {MAX_LEN} bytes")]
    TooLong,
}

/// Encodes `bytes` exactly as OpenSSH does.
pub(crate) fn encode(Label(label): Label, bytes: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(Base64::encode_string(bytes));
    // Reserve enough memory, so that growing leaves no copy of a secret behind.
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

/// Decodes armor with any line breaks.
///
/// Callers that accept one text per value compare with [`encode`] afterwards.
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
    fn errors_name_the_fault() {
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
