//! The signed root of an archive: its indexes, by their digests.

mod date;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod keyring;
mod openpgp;
#[cfg(test)]
mod signatures;
mod verify;

use vgpu_manifest::Digest;
use vgpu_manifest::debian::{ReleaseFile, ReleaseFiles, ReleaseFilesError};
use vgpu_manifest::package::Fingerprint;

pub(crate) use self::date::day;
pub(crate) use self::keyring::{Keyring, KeyringError};
pub(crate) use self::verify::{Evidence, INSTALL_GPGV, SignatureError, Signed, Verifier, verify};
use crate::types::{Stanza, StanzaError};

/// The signed release file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// The key that signed it.
    pub(crate) signed_by: Fingerprint,
    /// The Debian release that it is part of: its `Codename` without what follows a `-` or `/`.
    pub(crate) codename: Option<String>,
    /// The `Date` field, in seconds since 1970.
    pub(crate) dated: u64,
    /// The `Valid-Until` field, in seconds since 1970.
    pub(crate) valid_until: Option<u64>,
    /// Availability of files by their digest.
    pub(crate) by_hash: ByHash,
    /// Where packages for all architectures are listed.
    pub(crate) indexes_of_all: IndexesOfAll,
    /// The files that it lists.
    files: ReleaseFiles,
}

/// Availability of files by their digest, which keeps them consistent with their
/// release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByHash {
    Yes,
    No,
}

/// Where packages for all architectures are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexesOfAll {
    /// In indexes of their own, and possibly nowhere else.
    Apart,
    /// In the index of each architecture.
    Within,
}

/// A signed text is not a valid release file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    #[error("its signed text is not UTF-8")]
    Encoding,
    /// The text is not a paragraph of fields.
    #[error("its signed text is not a release: {0}")]
    Shape(#[from] StanzaError),
    /// A mandatory field is missing.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// A field is not a valid date.
    #[error("its `{field}` is `{}`, expected a date in UTC", .text.escape_debug())]
    Date {
        field: &'static str,
        /// The value of the field.
        text: String,
    },
    #[error(transparent)]
    Files(#[from] ReleaseFilesError),
    /// The release is for another suite.
    #[error(
        "it is the release of `{}`, expected that of `{wanted}`: the mirror serves the wrong suite", .found.escape_debug()
    )]
    OtherSuite {
        /// The suite in the recipe.
        wanted: String,
        /// The suite in the release.
        found: String,
    },
}

impl Release {
    /// Parses a signed text, which must be the release of `suite`.
    pub(crate) fn read(signed: &Signed, suite: &str) -> Result<Self, ReleaseError> {
        let text = std::str::from_utf8(&signed.text).map_err(|_| ReleaseError::Encoding)?;
        check_suite(&Stanza::parse(text)?, suite)?;
        Self::of_any_suite(signed)
    }

    /// Parses a signed text of any suite.
    pub(crate) fn of_any_suite(signed: &Signed) -> Result<Self, ReleaseError> {
        let text = std::str::from_utf8(&signed.text).map_err(|_| ReleaseError::Encoding)?;
        let stanza = Stanza::parse(text)?;
        let date = |field: &'static str| match stanza.get(field) {
            None => Ok(None),
            Some(text) => date::parse(text).map(Some).ok_or_else(|| {
                let text = text.chars().take(60).collect();
                ReleaseError::Date { field, text }
            }),
        };
        let has_word = |field, word| {
            stanza.get(field).is_some_and(|text| text.split_whitespace().any(|w| w == word))
        };
        let apart = has_word("Architectures", "all")
            && !has_word("No-Support-for-Architecture-all", "Packages");
        Ok(Self {
            signed_by: signed.by.clone(),
            codename: stanza
                .get("Codename")
                .and_then(|it| it.split(['-', '/']).next())
                .map(str::to_owned),
            dated: date("Date")?.ok_or(ReleaseError::Missing("Date"))?,
            valid_until: date("Valid-Until")?,
            by_hash: if stanza.get("Acquire-By-Hash") == Some("yes") {
                ByHash::Yes
            } else {
                ByHash::No
            },
            indexes_of_all: if apart { IndexesOfAll::Apart } else { IndexesOfAll::Within },
            files: ReleaseFiles::parse(
                stanza.get("SHA256").ok_or(ReleaseError::Missing("SHA256"))?,
            )?,
        })
    }

    /// Returns the path of the package index with these bytes, if the release lists one.
    #[must_use]
    pub(super) fn index_of(&self, sha256: Digest) -> Option<&str> {
        self.files.index_of(sha256)
    }

    /// Returns the file at this path relative to the release, if the release lists it.
    #[must_use]
    pub(crate) fn file(&self, path: &str) -> Option<ReleaseFile> {
        self.files.get(path)
    }
}

/// Checks the suite: a mirror could serve the signed release of another one.
fn check_suite(stanza: &Stanza<'_>, wanted: &str) -> Result<(), ReleaseError> {
    // Some archives nest their suites in folders: `dists/bookworm/updates`.
    let names = || ["Codename", "Suite"].into_iter().filter_map(|field| stanza.get(field));
    let is_it = |name: &str| name == wanted || wanted.split('/').next() == Some(name);
    if names().any(is_it) {
        return Ok(());
    }
    let found: String = names().next().unwrap_or_default().chars().take(60).collect();
    Err(ReleaseError::OtherSuite { wanted: wanted.to_owned(), found })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Origin: Debian
Suite: oldstable
Codename: bookworm
Date: Sat, 10 Jan 2026 10:31:22 UTC
Valid-Until: Sat, 17 Jan 2026 10:31:22 UTC
Acquire-By-Hash: yes
Architectures: all amd64
Components: main
MD5Sum:
 0123456789abcdef0123456789abcdef 5 main/binary-amd64/Packages
SHA256:
 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855        0 main/binary-amd64/Packages
";

    fn read(text: &str, suite: &str) -> Result<Release, ReleaseError> {
        let by = "A".repeat(40).parse().unwrap();
        let signed = Signed { text: text.as_bytes().to_vec(), by, notes: Vec::new() };
        Release::read(&signed, suite)
    }

    #[test]
    fn a_release_vouches_for_files_by_sha256() {
        let release = read(TEXT, "bookworm").unwrap();
        assert_eq!(release.dated, 1_768_041_082);
        assert_eq!(release.codename.as_deref(), Some("bookworm"));
        let security = TEXT.replace("Codename: bookworm", "Codename: bookworm-security");
        let security = read(&security, "oldstable").unwrap();
        assert_eq!(security.codename.as_deref(), Some("bookworm"));
        assert_eq!(release.valid_until, Some(1_768_041_082 + 7 * 86_400));
        assert_eq!(release.by_hash, ByHash::Yes);
        assert_eq!(release.indexes_of_all, IndexesOfAll::Apart);
        let file = release.file("main/binary-amd64/Packages").unwrap();
        assert_eq!((file.size, file.sha256), (0, Digest::of(b"")));
        assert_eq!(release.file("main/binary-i386/Packages"), None);
        let within = TEXT.replace("Comp", "No-Support-for-Architecture-all: Packages\nComp");
        assert_eq!(read(&within, "oldstable").unwrap().indexes_of_all, IndexesOfAll::Within);
    }

    #[test]
    fn what_is_no_release_is_refused_in_its_own_words() {
        let message = |text: &str, suite: &str| read(text, suite).unwrap_err().to_string();
        assert!(
            message(TEXT, "trixie")
                .contains("the release of `bookworm`, expected that of `trixie`")
        );
        assert!(message(&TEXT.replace("SHA256:", "SHA1:"), "bookworm").contains("no `SHA256`"));
        assert!(message(&TEXT.replace("Date: ", "X: "), "bookworm").contains("no `Date`"));
        assert!(message(&TEXT.replace("10 Jan", "10 Foo"), "bookworm").contains("expected a date"));
        assert!(
            message(&TEXT.replace("        0 main", " -1 main"), "bookworm")
                .contains("an invalid line")
        );
        assert!(message(&TEXT.replace("e3b0", "E3b0"), "bookworm").contains("an invalid line"));
        let twice = format!("{TEXT}SHA256:\n");
        assert!(message(&twice, "bookworm").contains("repeats a field"));
        let line = TEXT.lines().last().unwrap();
        assert!(read(&format!("{TEXT}{line}\n"), "bookworm").is_ok());
        let other = line.replace("       0", "       1");
        assert!(message(&format!("{TEXT}{other}\n"), "bookworm").contains("an invalid line"));
        assert!(message("<html>\n", "bookworm").contains("is not a release"));
    }
}
