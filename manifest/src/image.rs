//! What is known of the container images in a bundle.

use serde::{Deserialize, Serialize};

use crate::text::text;
use crate::{Digest, ItemName};

/// What a bundle says of a container image in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ImageRecord {
    /// The item that is the image: an uncompressed tar archive in OCI's image layout, of one
    /// platform, which Docker loads as well.
    pub item: ItemName,
    /// What it was asked for by, and what a container engine shall call it.
    pub reference: ImageReference,
    /// The digest of the image's manifest, as it stands in the archive.
    pub digest: Digest,
    /// The digest of the manifest that the registry gave for this platform, if that was another:
    /// Docker's own form is rewritten as OCI's, with the same layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Digest>,
}

text! {
    /// What an image is called, with its registry: `registry.example/team/dls:2.0.3`.
    ImageReference,
    "the name of a container image",
    "a registry, a path and a tag, as `registry.example/team/dls:2.0.3`, at most 255 bytes",
    is_reference
}

fn is_reference(text: &str) -> bool {
    let Some((registry, rest)) = text.split_once('/') else { return false };
    let Some((path, tag)) = rest.rsplit_once(':') else { return false };
    let host = |b: u8| b.is_ascii_alphanumeric() || b".-:".contains(&b);
    let part = |part: &str| {
        let ends = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        ends(part.bytes().next())
            && ends(part.bytes().last())
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
    };
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= 255
        && registry.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && registry.bytes().all(host)
        && path.split('/').all(part)
        && tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b".-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_registry_path_and_tag() {
        for good in ["registry.example/dls:2.0.3", "127.0.0.1:5000/a/b-c:latest"] {
            assert!(good.parse::<ImageReference>().is_ok(), "{good}");
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
            "/a:1",
        ] {
            assert!(bad.parse::<ImageReference>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_record_has_one_spelling_in_json_and_in_toml() {
        let record = ImageRecord {
            item: "licensing/dls.tar".parse().unwrap(),
            reference: "registry.example/dls:2.0.3".parse().unwrap(),
            digest: Digest::of(b"a"),
            original: None,
        };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<ImageRecord>(&json).unwrap(), record);
        let toml = toml::to_string(&record).unwrap();
        assert_eq!(toml::from_str::<ImageRecord>(&toml).unwrap(), record);
    }
}
