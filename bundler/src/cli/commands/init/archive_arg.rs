//! Package archives and their keys on the command line.

use std::fmt;
use std::str::FromStr;

use vgpu_manifest::package::Fingerprint;

use crate::assist::expansion::Preset;
use crate::types::{Address, LocalPath};

/// The mirror of a known archive: `ARCHIVE=ADDRESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MirrorArg {
    pub(super) archive: Preset,
    pub(super) mirror: Address,
}

/// The keys of a mirror that signs an archive again: `ARCHIVE=FILE=FINGERPRINT[,FINGERPRINT…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeysArg {
    pub(super) archive: Preset,
    pub(super) keyring: LocalPath,
    /// The fingerprints that count.
    pub(super) signed_by: Vec<Fingerprint>,
}

impl FromStr for MirrorArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (archive, mirror) = text.split_once('=').ok_or("expected ARCHIVE=ADDRESS")?;
        Ok(Self { archive: parse(archive)?, mirror: parse(mirror)? })
    }
}

impl fmt::Display for MirrorArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.archive, String::from(self.mirror.clone()))
    }
}

impl FromStr for KeysArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('=').and_then(|(archive, rest)| {
            let (keyring, signed_by) = rest.rsplit_once('=')?;
            Some((archive, keyring, signed_by))
        });
        let (archive, keyring, signed_by) = parts.ok_or("expected ARCHIVE=FILE=FINGERPRINT")?;
        Ok(Self {
            archive: parse(archive)?,
            keyring: parse(keyring)?,
            signed_by: signed_by.split(',').map(parse).collect::<Result<_, _>>()?,
        })
    }
}

impl fmt::Display for KeysArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.signed_by.iter().map(Fingerprint::as_str).collect();
        write!(f, "{}={}={}", self.archive, self.keyring, keys.join(","))
    }
}

fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_an_archive_and_an_address() {
        for text in ["debian=https://mirror.example/debian", "pve-enterprise=file:/media/pve"] {
            let arg: MirrorArg = text.parse().unwrap();
            assert_eq!(arg.to_string(), text);
        }
        for bad in ["", "a", "debian=", "a=https://a.example/", "debian=ftp://a.example/"] {
            assert!(bad.parse::<MirrorArg>().is_err(), "{bad}");
        }
        let secret = "debian=https://me:secret@a.example/".parse::<MirrorArg>().unwrap_err();
        assert!(secret.contains("netrc") && !secret.contains("secret"), "{secret}");
    }

    #[test]
    fn keys_are_a_file_and_the_fingerprints_that_count() {
        let [one, two] = ["A", "0"].map(|digit| digit.repeat(40));
        let text = format!("debian=keys/a=b.gpg={one},{two}");
        let keys: KeysArg = text.parse().unwrap();
        assert_eq!((keys.keyring.to_string().as_str(), keys.signed_by.len()), ("keys/a=b.gpg", 2));
        assert_eq!(keys.to_string(), text);
        for bad in ["", "debian", "debian=b", "debian=b=", "debian=b=xyz", &format!("a=b={one}")] {
            assert!(bad.parse::<KeysArg>().is_err(), "{bad}");
        }
    }
}
