//! Signatures of FIDO2 security keys, as OpenSSH defines them (`PROTOCOL.u2f`).

use std::fmt;

use sha2::{Digest, Sha256};

use crate::wire::Reader;
use crate::{KeyError, SignatureError};

/// The algorithm of Ed25519 keys on FIDO2 security keys.
pub(crate) const SK_ED25519: &str = "sk-ssh-ed25519@openssh.com";

/// The longest application, in bytes. A signature with a longer one might not fit into a slot.
const MAX_APPLICATION: usize = 64;

/// The application of a security key, such as `ssh:`. Its signatures are bound to it.
///
/// It begins with `ssh:`, as `ssh-keygen -O application=` requires. A web site cannot have such a
/// name, so a login there never makes a signature that counts here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Application {
    /// The text, followed by NUL bytes, which it cannot contain.
    bytes: [u8; MAX_APPLICATION],
}

impl Application {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let is_good = text.len() <= MAX_APPLICATION
            && text.starts_with(b"ssh:")
            && text.iter().all(u8::is_ascii_graphic);
        if !is_good {
            return Err(KeyError::Application);
        }
        let mut bytes = [0; MAX_APPLICATION];
        bytes[..text.len()].copy_from_slice(text);
        Ok(Self { bytes })
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(MAX_APPLICATION);
        &self.bytes[..end]
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

/// The statement of a security key that is part of each of its signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Assertion {
    flags: u8,
    /// The number of signatures that the security key has made. No decision depends on it: an
    /// offline host has no record of earlier numbers, and some security keys always send 0.
    counter: u32,
}

/// Its user has touched the security key.
const USER_PRESENT: u8 = 0x01;
/// The security key has verified its user by a PIN or a fingerprint.
const USER_VERIFIED: u8 = 0x04;

impl Assertion {
    /// Reads the fields after the raw signature: a byte of flags, and a counter.
    ///
    /// The presence of the user is required. The flags for attested keys, extensions and
    /// copies of a key in a cloud are refused, as unknown ones are.
    pub(crate) fn read(fields: &mut Reader<'_>) -> Result<Self, SignatureError> {
        let ([flags], counter) = (fields.bytes()?, fields.u32()?);
        if flags & USER_PRESENT == 0 {
            return Err(SignatureError::NotTouched(flags));
        }
        if flags & !(USER_PRESENT | USER_VERIFIED) != 0 {
            return Err(SignatureError::Flags(flags));
        }
        Ok(Self { flags, counter })
    }

    /// Returns the fields after the raw signature.
    pub(crate) fn to_wire(self) -> [u8; 5] {
        let mut wire = [self.flags; 5];
        wire[1..].copy_from_slice(&self.counter.to_be_bytes());
        wire
    }

    /// Returns the bytes that the security key signs for `message`: the digest of the application,
    /// the flags, the counter, and the digest of the message.
    pub(crate) fn signed_data(self, application: &Application, message: &[u8]) -> Vec<u8> {
        let mut data = Sha256::digest(application.as_bytes()).to_vec();
        data.extend_from_slice(&self.to_wire());
        data.extend_from_slice(&Sha256::digest(message));
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Malformed;

    #[test]
    fn an_application_is_one_of_ssh() {
        for valid in ["ssh:", "ssh:vgpu", "ssh:a.b/c#d"] {
            assert_eq!(Application::parse(valid.as_bytes()).unwrap().as_bytes(), valid.as_bytes());
        }
        let longest = format!("ssh:{}", "x".repeat(MAX_APPLICATION - 4));
        assert_eq!(Application::parse(longest.as_bytes()).unwrap().as_bytes(), longest.as_bytes());
        let longer = longest + "x";
        for bad in ["", "ssh", "SSH:", "https://a.example", "ssh:a b", "ssh:\n", "ssh:\0", &longer]
        {
            assert_eq!(Application::parse(bad.as_bytes()), Err(KeyError::Application), "{bad:?}");
        }
    }

    #[test]
    fn the_user_must_be_present_and_other_flags_are_unknown() {
        for flags in 0..=u8::MAX {
            let wire = [flags, 0, 0, 1, 2];
            let mut fields = Reader::new(&wire);
            let read = Assertion::read(&mut fields);
            match flags {
                0x01 | 0x05 => assert_eq!(read.unwrap().to_wire(), wire),
                _ if flags & 1 == 0 => assert_eq!(read, Err(SignatureError::NotTouched(flags))),
                _ => assert_eq!(read, Err(SignatureError::Flags(flags))),
            }
        }
        for cut in 0..5 {
            let read = Assertion::read(&mut Reader::new(&[1; 5][..cut]));
            assert_eq!(read, Err(Malformed::Truncated.into()));
        }
    }
}
