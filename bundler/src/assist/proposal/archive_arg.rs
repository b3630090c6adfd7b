//! Package archives and their keys on the command line.

use std::fmt;
use std::str::FromStr;

use vgpu_manifest::package::{ArchiveName, Fingerprint};

use crate::types::{Address, LocalPath, Suite};

/// An archive, `NAME=ADDRESS [SUITE [COMPONENT…]]`, in the order of apt's `sources.list`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArchiveArg {
    pub(crate) name: ArchiveName,
    /// The mirrors in order of preference. Only an inventory has several.
    pub(crate) mirrors: Vec<Address>,
    /// The suite. Default: the archive's name.
    pub(crate) suite: Suite,
    /// The components. Default: `main`.
    pub(crate) components: Vec<Suite>,
}

/// The keys of an archive: `ARCHIVE=FILE=FINGERPRINT[,FINGERPRINT…]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeysArg {
    pub(crate) archive: ArchiveName,
    pub(crate) keyring: LocalPath,
    /// The fingerprints that count.
    pub(crate) signed_by: Vec<Fingerprint>,
}

impl FromStr for ArchiveArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, rest) = text.split_once('=').ok_or("expected NAME=ADDRESS")?;
        let mut words = rest.split_ascii_whitespace();
        let address = parse(words.next().ok_or("expected NAME=ADDRESS")?)?;
        let suite = parse(words.next().unwrap_or(name))?;
        let mut components = words.map(parse).collect::<Result<Vec<Suite>, _>>()?;
        if components.is_empty() {
            components.push(parse("main")?);
        }
        Ok(Self { name: parse(name)?, mirrors: vec![address], suite, components })
    }
}

impl fmt::Display for ArchiveArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name)?;
        for mirror in &self.mirrors {
            write!(f, "{} ", String::from(mirror.clone()))?;
        }
        write!(f, "{}", self.suite)?;
        self.components.iter().try_for_each(|component| write!(f, " {component}"))
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
    fn an_archive_is_named_as_in_a_list_of_sources() {
        let short: ArchiveArg = "bookworm=https://mirror.example/debian".parse().unwrap();
        assert_eq!((short.suite.as_str(), short.components.len()), ("bookworm", 1));
        let whole = "pve=file:/media/pve bookworm pve-no-subscription other";
        let long: ArchiveArg = whole.parse().unwrap();
        assert_eq!((long.suite.as_str(), long.components.len()), ("bookworm", 2));
        for arg in [short, long] {
            assert_eq!(arg.to_string().parse(), Ok(arg));
        }
        for bad in ["", "a", "a=", "a b=https://a.example/", "a=ftp://a.example/", "a=file:/x ../y"]
        {
            assert!(bad.parse::<ArchiveArg>().is_err(), "{bad}");
        }
        let secret = "a=https://me:secret@a.example/".parse::<ArchiveArg>().unwrap_err();
        assert!(secret.contains("netrc") && !secret.contains("secret"), "{secret}");
    }

    #[test]
    fn keys_are_a_file_and_the_fingerprints_that_count() {
        let [one, two] = ["A", "0"].map(|digit| digit.repeat(40));
        let text = format!("bookworm=keys/a=b.gpg={one},{two}");
        let keys: KeysArg = text.parse().unwrap();
        assert_eq!((keys.keyring.to_string().as_str(), keys.signed_by.len()), ("keys/a=b.gpg", 2));
        assert_eq!(keys.to_string(), text);
        for bad in ["", "a", "a=b", "a=b=", "a=b=xyz", &format!("a={one}"), &format!("a==={one},")]
        {
            assert!(bad.parse::<KeysArg>().is_err(), "{bad}");
        }
    }
}
