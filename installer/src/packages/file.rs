use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Name, PackageName, PackageVersion};
use vgpu_manifest::package::{FieldName, FieldValue, PackageReason, PackageRecord};
use vgpu_manifest::{Digest, Item};

use crate::host::Content;

/// A package of the bundle, with the data that apt needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PackageFile {
    /// Its name.
    pub(crate) name: PackageName,
    /// Its version.
    pub(crate) version: PackageVersion,
    /// Its architecture.
    pub(crate) arch: Name,
    /// The reason why it is in the bundle.
    pub(crate) reason: PackageReason,
    /// The digest and size by which the store finds the file.
    pub(crate) content: Content,
    /// The SHA-256 of the whole file, which apt checks before using it.
    pub(crate) sha256: Digest,
    /// The fields of its stanza that declare relations to other packages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) fields: BTreeMap<FieldName, FieldValue>,
}

impl PackageFile {
    /// Returns the package that the manifest describes, with its item.
    #[must_use]
    pub fn of(record: &PackageRecord, item: &Item) -> Self {
        Self {
            name: record.name.clone(),
            version: record.version.clone(),
            arch: record.arch.clone(),
            reason: record.reason,
            content: item.into(),
            sha256: item.sha256(),
            fields: record.fields.clone(),
        }
    }

    /// Returns the name of its file in a repository. As in Debian's archive it has no epoch,
    /// because apt would read `%3a` as a colon.
    #[must_use]
    pub fn file_name(&self) -> String {
        let version = self.version.as_str();
        let version = version.split_once(':').map_or(version, |(_, rest)| rest);
        format!("{}_{version}_{}.deb", self.name.as_str(), self.arch.as_str())
    }

    /// Returns the argument for apt's command line: `dkms=3.0.10-8`.
    #[must_use]
    pub(crate) fn exact(&self) -> String {
        format!("{}={}", self.name.as_str(), self.version.as_str())
    }

    /// Returns approximately how many bytes it takes when unpacked: the installed size in its
    /// record, or four times its own size.
    #[must_use]
    pub(crate) fn unpacked(&self) -> u64 {
        let size = self.fields.iter().find(|(name, _)| is(name, "Installed-Size"));
        let size = size.and_then(|(_, value)| value.as_str().parse::<u64>().ok());
        size.map_or(self.content.size.saturating_mul(4), |kib| kib.saturating_mul(1024))
    }
}

/// Returns a flat index of these packages, as `dpkg-scanpackages` writes it.
///
/// The fields of the records come last and never repeat a field above: apt would reject a repeated
/// field, and another program might read a different file from it.
#[must_use]
pub fn index<'f>(files: impl IntoIterator<Item = &'f PackageFile>) -> String {
    let mut text = String::new();
    for file in files {
        let own = [
            ("Package", file.name.as_str().to_owned()),
            ("Version", file.version.as_str().to_owned()),
            ("Architecture", file.arch.as_str().to_owned()),
            ("Filename", format!("./{}", file.file_name())),
            ("Size", file.content.size.to_string()),
            ("SHA256", file.sha256.to_string()),
        ];
        for (name, value) in &own {
            line(&mut text, name, value);
        }
        let more = file.fields.iter().filter(|(name, _)| !own.iter().any(|(own, _)| is(name, own)));
        for (name, value) in more {
            line(&mut text, name.as_str(), value.as_str());
        }
        text.push('\n');
    }
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    text.extend([name, ": ", value, "\n"]);
}

fn is(name: &FieldName, own: &str) -> bool {
    name.as_str().eq_ignore_ascii_case(own)
}

#[cfg(test)]
mod tests {
    use vgpu_manifest::ItemId;

    use super::*;

    #[test]
    fn a_stanza_says_what_apt_needs_and_nothing_twice() {
        let sha256 = Digest::of(b"abc");
        let file = PackageFile {
            name: "dkms".parse().unwrap(),
            version: "1:3.0.10-8".parse().unwrap(),
            arch: "all".parse().unwrap(),
            reason: PackageReason::Requested,
            content: Content { id: ItemId::Whole(sha256), size: 3 },
            sha256,
            fields: [("Depends", "make, gcc"), ("filename", "/etc/shadow"), ("size", "9")]
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .into(),
        };
        let expected = format!(
            "Package: dkms\nVersion: 1:3.0.10-8\nArchitecture: all\n\
             Filename: ./dkms_3.0.10-8_all.deb\nSize: 3\nSHA256: {sha256}\n\
             Depends: make, gcc\n\n"
        );
        assert_eq!(index([&file]), expected);
        assert_eq!(file.exact(), "dkms=1:3.0.10-8");
        assert_eq!(file.unpacked(), 12);
    }
}
