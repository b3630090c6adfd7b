//! Records of the Debian packages in a bundle, from their archives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::headers::HeadersRecord;
use crate::ItemName;
use crate::inventory::{Name, PackageName, PackageVersion};
use crate::text;
use crate::types::object::some_object;
use crate::types::text::is_word;
use crate::words;

/// The record of a Debian package in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PackageRecord {
    /// Its name.
    pub name: PackageName,
    /// Its architecture: `amd64`, `all`.
    pub arch: Name,
    /// Its version.
    pub version: PackageVersion,
    /// The reason for its inclusion.
    pub reason: PackageReason,
    /// The version that is installed on the node for which the bundle was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<PackageVersion>,
    /// The archive that it came from, by the name of its [`ArchiveRecord`].
    pub archive: ArchiveName,
    /// The fields that apt needs before unpacking: those that declare relations to other packages,
    /// verbatim from its stanza in the archive's index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldName, FieldValue>,
    /// The kernel headers in it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub headers: Option<HeadersRecord>,
}

words! {
    /// The reason for a package in a bundle.
    PackageReason, "a reason for a package", {
        /// The recipe requests it.
        Requested = "requested",
        /// Another package depends on it.
        Needed = "needed",
        /// A node has an older version, which conflicts with another package.
        Upgrade = "upgrade",
        /// The version that an upgrade replaces, so that the upgrade can be reverted.
        Return = "return",
    }
}

/// The record of an archive that is the source of packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ArchiveRecord {
    /// The name by which its packages refer to it.
    pub name: ArchiveName,
    /// The codename of the nodes' release that its packages are for: `bookworm`.
    pub codename: ArchiveName,
    /// The item with its signed `InRelease`, as evidence; or with its `Release`, if the signature
    /// is a separate item.
    pub release: ItemName,
    /// The item with the signature, `Release.gpg`, of an archive without `InRelease`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<ItemName>,
    /// The fingerprint of the OpenPGP key that has signed it.
    pub signed_by: Fingerprint,
    /// Its own date, in seconds since 1970. Informational: a node ignores it.
    pub dated: u64,
    /// The items with its complete indexes, if they are included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<ItemName>,
}

impl ArchiveRecord {
    /// Returns the items that it names.
    pub fn items(&self) -> impl Iterator<Item = &ItemName> {
        std::iter::once(&self.release).chain(&self.signature).chain(&self.indexes)
    }
}

text! {
    /// The name of an archive, or of a distribution release: `bookworm`, `bookworm-security`.
    ArchiveName,
    "the name of an archive",
    "letters, digits and `._-`, at most 100 bytes",
    |text| {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        is_word(text, 100, |b| b.is_ascii_alphanumeric(), rest)
    }
}

text! {
    /// The fingerprint of an OpenPGP key, version 4 or 6, in upper-case hex without blanks.
    Fingerprint,
    "the fingerprint of an OpenPGP key",
    "40 or 64 upper-case hex digits",
    |text| {
        let hex = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
        [40, 64].contains(&text.len()) && text.bytes().all(hex)
    }
}

text! {
    /// The name of a field of a package: `Pre-Depends`.
    FieldName,
    "the name of a field of a package",
    "letters, digits and `-`, at most 64 bytes",
    |text| {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        is_word(text, 64, |b| b.is_ascii_alphabetic(), rest)
    }
}

text! {
    /// The value of a field of a package, on one line.
    FieldValue,
    "the value of a field of a package",
    "one line without control characters, at most 32 KiB",
    |text| text.len() <= 32 << 10 && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::one_spelling;

    #[test]
    fn a_record_has_one_spelling_in_json_and_in_toml() {
        let record = PackageRecord {
            name: "dkms".parse().unwrap(),
            arch: "all".parse().unwrap(),
            version: "3.0.10-8+deb12u1".parse().unwrap(),
            reason: PackageReason::Requested,
            installed: Some("3.0.10-8".parse().unwrap()),
            archive: "bookworm".parse().unwrap(),
            fields: BTreeMap::from([(
                "Depends".parse().unwrap(),
                "kmod | kldutils, gcc | c-compiler, make".parse().unwrap(),
            )]),
            headers: None,
        };
        one_spelling(
            &record,
            &[
                ("\"requested\"", "\"wanted\""),
                ("Depends", "Depends:"),
                ("kmod |", "kmod\\n|"),
                ("bookworm", "book/worm"),
                ("\"all\"", "\"a b\""),
            ],
        );
    }

    #[test]
    fn a_fingerprint_is_a_whole_one() {
        let whole = "4CB50190207B4758A3F73A796ED0E7B82643E131";
        assert!(whole.parse::<Fingerprint>().is_ok());
        for bad in ["", &whole[32..], &whole.to_lowercase(), &format!("{whole}0")] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
