//! Records of the container images in a bundle.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::text;

/// The record of a container image.
///
/// The item is an uncompressed tar archive in the OCI image layout, for one platform. Docker can
/// load it, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageRecord {
    /// The reference by which it was requested, and its name in a container engine.
    pub reference: ImageReference,
    /// The digest of the image's manifest in the archive.
    pub digest: Digest,
    /// The digest of its configuration, which is its ID in every engine.
    pub id: Digest,
    /// The digest of the registry's manifest for this platform, if it differs: Docker's own format
    /// is rewritten as OCI's, with the same layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Digest>,
}

impl ImageRecord {
    /// Returns the digest by which the registry identifies the manifest.
    #[must_use]
    pub fn in_registry(&self) -> Digest {
        self.original.unwrap_or(self.digest)
    }
}

text! {
    /// The reference of an image, with its registry: `registry.example/team/dls:2.0.3`.
    ImageReference,
    "the name of a container image",
    "a registry, a path and a tag, as `registry.example/team/dls:2.0.3`, at most 255 bytes",
    |text| text.len() <= 255 && split(text).is_some_and(|parts| parts.follow_the_grammar())
}

impl ImageReference {
    /// Returns the registry, with its port if there is one: `registry.example`.
    #[must_use]
    pub fn registry(&self) -> &str {
        split(self.as_str()).map_or("", |parts| parts.registry)
    }

    /// Returns the path in the registry: `team/dls`.
    #[must_use]
    pub fn path(&self) -> &str {
        split(self.as_str()).map_or("", |parts| parts.path)
    }

    /// Returns the tag: `2.0.3`.
    #[must_use]
    pub fn tag(&self) -> &str {
        split(self.as_str()).map_or("", |parts| parts.tag)
    }
}

struct Parts<'t> {
    registry: &'t str,
    path: &'t str,
    tag: &'t str,
}

fn split(text: &str) -> Option<Parts<'_>> {
    let (registry, rest) = text.split_once('/')?;
    let (path, tag) = rest.rsplit_once(':')?;
    Some(Parts { registry, path, tag })
}

impl Parts<'_> {
    fn follow_the_grammar(&self) -> bool {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        is_registry(self.registry)
            && self.path.split('/').all(is_part)
            && self.tag.len() <= 128
            && self.tag.bytes().next().is_some_and(word)
            && self.tag.bytes().all(|b| word(b) || b".-".contains(&b))
    }
}

/// Checks whether a text is a registry: a host with a dot or a port, or `localhost`.
///
/// Engines treat anything else before the first `/` as a part of the path, and use their default
/// registry.
#[must_use]
pub fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
    host.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b))
        && port.is_none_or(is_port)
        && (port.is_some() || host.contains('.') || host == "localhost")
}

fn is_part(part: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    part.bytes().next().is_some_and(inner)
        && part.bytes().last().is_some_and(inner)
        && part.bytes().all(|b| inner(b) || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::tests::one_spelling;

    #[test]
    fn a_reference_names_registry_path_and_tag() {
        let good = [
            ("registry.example/dls:2.0.3", ["registry.example", "dls", "2.0.3"]),
            ("127.0.0.1:5000/a/b-c:latest", ["127.0.0.1:5000", "a/b-c", "latest"]),
            ("localhost/a:_1", ["localhost", "a", "_1"]),
        ];
        for (text, parts) in good {
            let reference: ImageReference = text.parse().unwrap();
            assert_eq!([reference.registry(), reference.path(), reference.tag()], parts);
        }
        for bad in [
            "",
            "dls",
            "registry.example/dls",
            "registry.example/Dls:1",
            "registry.example/:1",
            "registry.example/a//b:1",
            "registry.example/a:-1",
            "registry.example/../a:1",
            "registry.example/a:1\n",
            "registry.example:/a:1",
            "registry.example:70000/a:1",
            "registry.example:5000:5000/a:1",
            "user@registry.example/a:1",
            "team/dls:1",
            "/a:1",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_record_has_one_spelling_in_json_and_in_toml() {
        let [digest, other] = [Digest::of(b"a"), Digest::of(b"b")];
        let record = ImageRecord {
            reference: "registry.example/dls:2.0.3".parse().unwrap(),
            digest,
            id: Digest::of(b"configuration"),
            original: None,
        };
        let rewritten = ImageRecord { original: Some(other), ..record.clone() };
        assert_eq!([record.in_registry(), rewritten.in_registry()], [digest, other]);
        for record in [record, rewritten] {
            one_spelling(&record, &[("dls:2.0.3", "dls")]);
        }
    }
}
