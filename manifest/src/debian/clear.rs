//! The cleartext signature framework (RFC 9580, section 7): the frame is checked and the signed text
//! taken out of it before anything is verified.
//!
//! The text then goes to the verifier as a file of its own, with a detached signature. So the bytes
//! that are verified are the bytes that are used, and it does not matter how a verifier reads a frame.

/// A file is not a clear-signed text and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Something precedes the text.
    #[error("it does not begin with a clear-signed text")]
    Before,
    /// The text has a header other than `Hash`.
    #[error("its clear-signed text has an unknown header; only `Hash` is allowed")]
    Header,
    /// The text has no signature.
    #[error("its signed text has no signature after it")]
    NoSignature,
    /// The signature has no end.
    #[error("its signature is cut off")]
    CutOff,
    /// Something follows the signature.
    #[error("unsigned text follows its signature")]
    After,
    /// A line looks like the beginning of another block.
    #[error("it has more than one signed text, or a line that begins with an unescaped dash")]
    Several,
}

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// Returns the text of a clear-signed file as it was signed, and its armored signature.
///
/// # Errors
///
/// The file is anything else than one clear-signed text.
pub fn split_signed(file: &[u8]) -> Result<(Vec<u8>, Vec<u8>), FrameError> {
    let mut lines =
        file.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if lines.next() != Some(BEGIN) {
        return Err(FrameError::Before);
    }
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        if !line.starts_with(b"Hash: ") {
            return Err(FrameError::Header);
        }
    }
    let mut text: Vec<&[u8]> = Vec::new();
    loop {
        match lines.next().ok_or(FrameError::NoSignature)? {
            SIGNATURE => break,
            END => return Err(FrameError::NoSignature),
            // Lines of the text that begin with a dash are escaped: RFC 9580, 7.2.
            line => match line.strip_prefix(b"- ") {
                None if line.starts_with(b"-") => return Err(FrameError::Several),
                escaped => text.push(escaped.unwrap_or(line).trim_ascii_end()),
            },
        }
    }
    let mut armor = vec![SIGNATURE];
    loop {
        let line = lines.next().ok_or(FrameError::CutOff)?;
        armor.push(line);
        match line {
            END => break,
            _ if line.starts_with(b"-") => return Err(FrameError::Several),
            _ => {}
        }
    }
    if lines.any(|line| !line.is_empty()) {
        return Err(FrameError::After);
    }
    Ok((text.join(&b'\n'), armor.join(&b'\n')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: Debian\n- -----BEGIN\n\n- - x\n\
                        -----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn a_signed_text_alone_is_split() {
        let (text, armor) = split_signed(GOOD.as_bytes()).unwrap();
        // Trailing blanks and the last line end are not signed.
        assert_eq!(text, b"Origin: Debian\n-----BEGIN\n\n- x");
        assert!(armor.starts_with(SIGNATURE) && armor.ends_with(END));
        let as_good = [
            GOOD.trim_end().to_owned(),
            GOOD.replace('\n', "\r\n"),
            format!("{GOOD}\n\n"),
            GOOD.replace("Debian", "Debian \t "),
            GOOD.replace("Hash: SHA512\n", ""),
        ];
        for file in as_good {
            assert_eq!(split_signed(file.as_bytes()), Ok((text.clone(), armor.clone())), "{file}");
        }
    }

    #[test]
    fn anything_around_it_is_refused() {
        let cases = [
            (format!("Origin: evil\n{GOOD}"), FrameError::Before),
            (format!("\n{GOOD}"), FrameError::Before),
            (format!(" {GOOD}"), FrameError::Before),
            (format!("{GOOD}Origin: evil\n"), FrameError::After),
            (format!("{GOOD}\n\nOrigin: evil"), FrameError::After),
            (format!("{GOOD}{GOOD}"), FrameError::After),
            (GOOD.replace("Origin", "-----BEGIN PGP MESSAGE-----\nOrigin"), FrameError::Several),
            (GOOD.replace("Origin", "-----BEGIN PGP SIGNED MESSAGE-----\nO"), FrameError::Several),
            (GOOD.replace("Origin", "-Origin"), FrameError::Several),
            (GOOD.replace("Hash: SHA512", "Hash: SHA512\nComment: x"), FrameError::Header),
            (GOOD.replace("Hash: SHA512", "NotDashEscaped: x"), FrameError::Header),
            (GOOD.replace("abcd", "-----BEGIN PGP SIGNATURE-----"), FrameError::Several),
            (GOOD.replace("-----END PGP SIGNATURE-----\n", ""), FrameError::CutOff),
            (GOOD.replace("-----BEGIN PGP SIGNATURE-----\n", ""), FrameError::NoSignature),
            (String::new(), FrameError::Before),
        ];
        for (text, error) in cases {
            assert_eq!(split_signed(text.as_bytes()), Err(error), "{text}");
        }
    }
}
