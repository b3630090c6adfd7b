use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::image::{ImageReference, is_registry};
use vgpu_manifest::{Digest, ParseTextError};

/// An image as a recipe asks for it: `registry.example/team/dls:2.0.3`, or with the digest of its
/// manifest, `registry.example/team/dls:2.0.3@sha256:…`. With a digest, the tag only says what it
/// is to be called, and may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct ImageName {
    text: String,
    reference: ImageReference,
    digest: Option<Digest>,
}

/// A text does not say which image is meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseImageError {
    /// It is not a name of an image.
    #[error(transparent)]
    Name(#[from] ParseTextError),
    /// It has the scheme of a web address.
    #[error("`{}` is an address: write `{}`{}", .0.escape_debug(), rest(.0).escape_debug(), transport(.0))]
    Address(String),
    /// Engines look for it in whatever registry they are configured with; we have no such list.
    #[error("`{}` does not begin with a registry; write it out, as in `docker.io/{}`", .0.escape_debug(), .0.escape_debug())]
    NoRegistry(String),
    /// Neither a tag nor a digest is given.
    #[error("`{}` names neither a tag nor a digest; say which version, as in `{}:2.0.3`", .0.escape_debug(), .0.escape_debug())]
    NoVersion(String),
    /// The text after `@` is not a supported digest.
    #[error(
        "`{}` is not the digest of an image: expected `sha256:` and 64 lower-case hex digits",
        .0.escape_debug()
    )]
    Digest(String),
}

impl ImageName {
    /// Returns the name of the image in a container engine.
    #[must_use]
    pub(crate) fn reference(&self) -> &ImageReference {
        &self.reference
    }

    /// The digest of its manifest, if that is given.
    #[must_use]
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.digest
    }
}

impl FromStr for ImageName {
    type Err = ParseImageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            return Err(ParseImageError::Address(shortened(text)));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(parse_digest(digest)?)),
            None => (text, None),
        };
        let Some((_, path)) = name.split_once('/').filter(|(registry, _)| is_registry(registry))
        else {
            return Err(ParseImageError::NoRegistry(shortened(name)));
        };
        let reference = match digest {
            _ if path.contains(':') => name.parse()?,
            // The form in which registries themselves write a digest where only a tag can stand.
            Some(digest) => format!("{name}:sha256-{digest}").parse()?,
            None => return Err(ParseImageError::NoVersion(shortened(name))),
        };
        Ok(Self { text: text.to_owned(), reference, digest })
    }
}

/// Returns an address without its scheme.
fn rest(address: &str) -> &str {
    address.split_once("://").map_or(address, |(_, rest)| rest)
}

/// Returns how to ask for a registry without TLS, if the address does.
fn transport(address: &str) -> &'static str {
    if address.starts_with("http://") { " and `transport = \"plain-http\"`" } else { "" }
}

/// The digest in `sha256:…`.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, ParseImageError> {
    let digest = text.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
    digest.ok_or_else(|| ParseImageError::Digest(shortened(text)))
}

/// Returns the beginning of `text`, to keep error messages short.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(120).collect()
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for ImageName {
    type Error = ParseImageError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_tag_a_digest_or_both_say_which_image_is_meant() {
        let digest = HEX.parse().unwrap();
        let good = [
            ("registry.example/team/dls:2.0.3", "registry.example/team/dls:2.0.3", None),
            (&*format!("a.example/dls:1@sha256:{HEX}"), "a.example/dls:1", Some(digest)),
            (
                &*format!("localhost:5000/dls@sha256:{HEX}"),
                &*format!("localhost:5000/dls:sha256-{HEX}"),
                Some(digest),
            ),
        ];
        for (text, reference, digest) in good {
            let name: ImageName = text.parse().unwrap();
            assert_eq!((name.reference.as_str(), name.digest), (reference, digest));
            assert_eq!(String::from(name), text);
        }
    }

    #[test]
    fn what_leaves_a_doubt_is_no_name() {
        let cases = [
            ("dls:1", "does not begin with a registry"),
            ("team/dls:1", "`docker.io/team/dls:1`"),
            ("https://registry.example/dls:1", "is an address: write `registry.example/dls:1`"),
            ("http://a.example/dls:1", "`a.example/dls:1` and `transport = \"plain-http\"`"),
            ("registry.example/dls", "neither a tag nor a digest"),
            ("registry.example:5000/dls", "neither a tag nor a digest"),
            ("registry.example/dls:1@sha256:00", "not the digest of an image"),
            ("registry.example/dls@sha512:00", "not the digest of an image"),
            ("registry.example/Dls:1", "is not the name of a container image"),
            ("registry.example/a/../b:1", "is not the name of a container image"),
            ("registry.example/a:1\u{1b}[2J", "is not the name of a container image"),
        ];
        for (text, word) in cases {
            let error = text.parse::<ImageName>().unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains('\u{1b}'), "{text}: {error}");
        }
    }
}
