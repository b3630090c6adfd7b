//! The frame of a clear-signed text, checked before anything in it is believed.
//!
//! OpenPGP libraries skip what stands around a message, and a person who looks at the file takes it
//! for part of what was signed. So the file must be one message and nothing else.

/// A file is not one clear-signed text and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// It begins with something else.
    #[error("it does not begin with a clear-signed text")]
    Before,
    /// The text does not end with a signature.
    #[error("its signed text has no signature after it")]
    NoSignature,
    /// The signature does not end.
    #[error("its signature is cut off")]
    CutOff,
    /// Something follows.
    #[error("something follows its signature, which nobody has signed")]
    After,
    /// There is a second message in it.
    #[error("there is more than one signed text in it")]
    Several,
}

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";

/// The armored signature of `file`, if the file is one clear-signed text and nothing else.
pub(super) fn signature_of(file: &[u8]) -> Result<&[u8], FrameError> {
    let mut lines = Lines { rest: file, at: 0 };
    if lines.next().map(|(_, line)| line) != Some(BEGIN) {
        return Err(FrameError::Before);
    }
    let mut begun = None;
    let mut ended = None;
    for (at, line) in lines {
        // Lines of the text that begin with a dash are escaped by `- `, so these are none of them.
        match line {
            _ if ended.is_some() && !line.is_empty() => return Err(FrameError::After),
            BEGIN => return Err(FrameError::Several),
            SIGNATURE if begun.is_some() => return Err(FrameError::Several),
            SIGNATURE => begun = Some(at),
            END if begun.is_none() => return Err(FrameError::NoSignature),
            END => ended = Some(at + END.len()),
            // Any other armor would be a message of its own.
            _ if line.starts_with(b"-----") => return Err(FrameError::Several),
            _ => {}
        }
    }
    let begun = begun.ok_or(FrameError::NoSignature)?;
    let ended = ended.ok_or(FrameError::CutOff)?;
    Ok(&file[begun..ended])
}

/// Lines with their offsets, without line ends.
struct Lines<'f> {
    rest: &'f [u8],
    at: usize,
}

impl<'f> Iterator for Lines<'f> {
    type Item = (usize, &'f [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&b| b == b'\n');
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        let at = self.at;
        self.at += self.rest.len() - rest.len();
        self.rest = rest;
        Some((at, line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: Debian\n- -----BEGIN\n\
                        -----BEGIN PGP SIGNATURE-----\n\nabcd\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn a_signed_text_alone_has_one_signature() {
        let armor = signature_of(GOOD.as_bytes()).unwrap();
        assert!(armor.starts_with(SIGNATURE) && armor.ends_with(END));
        assert!(signature_of(GOOD.trim_end().as_bytes()).is_ok());
        assert!(signature_of(GOOD.replace('\n', "\r\n").as_bytes()).is_ok());
        assert!(signature_of(format!("{GOOD}\n\n").as_bytes()).is_ok());
    }

    #[test]
    fn whatever_stands_around_it_is_refused() {
        let cases = [
            (format!("Origin: evil\n{GOOD}"), FrameError::Before),
            (format!("\n{GOOD}"), FrameError::Before),
            (format!(" {GOOD}"), FrameError::Before),
            (format!("{GOOD}Origin: evil\n"), FrameError::After),
            (format!("{GOOD}\n\nOrigin: evil"), FrameError::After),
            (format!("{GOOD}{GOOD}"), FrameError::After),
            (GOOD.replace("Origin", "-----BEGIN PGP MESSAGE-----\nOrigin"), FrameError::Several),
            (GOOD.replace("Origin", "-----BEGIN PGP SIGNED MESSAGE-----\nO"), FrameError::Several),
            (GOOD.replace("abcd", "-----BEGIN PGP SIGNATURE-----"), FrameError::Several),
            (GOOD.replace("-----END PGP SIGNATURE-----\n", ""), FrameError::CutOff),
            (GOOD.replace("-----BEGIN PGP SIGNATURE-----\n", ""), FrameError::NoSignature),
            (String::new(), FrameError::Before),
        ];
        for (text, error) in cases {
            assert_eq!(signature_of(text.as_bytes()), Err(error), "{text}");
        }
    }
}
