use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Name;
use crate::HostPath;
use crate::text::text;

/// One line of a `.list` file or one stanza of a `.sources` file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AptSource {
    /// The file it stands in.
    pub file: HostPath,
    /// Which of the file's sources it is, counted from 0.
    pub index: u32,
    /// Whether apt uses it.
    pub state: SourceState,
    /// What it offers.
    pub kinds: BTreeSet<SourceKind>,
    /// Where.
    pub uris: Vec<AptUri>,
    /// `bookworm`, `bookworm-security`, or a path that ends in `/`.
    pub suites: Vec<Name>,
    /// `main`, `contrib`.
    pub components: Vec<Name>,
    /// The keys that it must be signed with, if it says so.
    pub signed_by: Option<SignedBy>,
}

/// Whether apt uses a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceState {
    /// It does.
    Enabled,
    /// It has `Enabled: no`.
    Disabled,
}

/// What a source offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Packages.
    Deb,
    /// Sources.
    DebSrc,
}

/// Which keys a source must be signed with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedBy {
    /// Those in this file.
    File(HostPath),
    /// One that stands in the stanza itself, or is named by its fingerprint.
    Inline,
}

text! {
    /// The address of a package repository. It cannot hold a user name, a password or a query.
    AptUri,
    "the address of a package repository",
    "a scheme, a colon and printable ASCII without `@`, `?`, `#` and quotes, at most 500 bytes",
    |text| {
        let safe = |b: u8| b.is_ascii_graphic() && !b"@?#\"'`<>\\".contains(&b);
        let scheme = text.split_once(':').is_some_and(|(scheme, _)| {
            !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_lowercase() || b == b'+')
        });
        scheme && text.len() <= 500 && text.bytes().all(safe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_cannot_carry_credentials() {
        for good in ["http://mirror.example/debian", "file:/srv/debs", "cdrom:[Debian]/"] {
            assert!(good.parse::<AptUri>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/srv",
            "http://me:pw@mirror.example/",
            "https://mirror.example/?token=1",
            "http://a b/",
            "HTTP://a/",
            "http://é/",
        ] {
            assert!(bad.parse::<AptUri>().is_err(), "{bad}");
        }
    }
}
