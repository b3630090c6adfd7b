use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vgpu_manifest::Digest;
use vgpu_manifest::image::is_registry;

use super::{ImageName, Platform};
use crate::types::url::{HttpUrl, ParseUrlError};

/// Where an image comes from: as it stands in a recipe, and again in its lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ImageSource {
    /// Which image.
    pub(crate) image: ImageName,
    /// For what.
    #[serde(default = "Platform::host", skip_serializing_if = "Platform::is_host")]
    pub(crate) platform: Platform,
    /// Other registries that have the same, asked in this order when the first one fails.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) mirror: Vec<Registry>,
    /// How to speak to them.
    #[serde(default, skip_serializing_if = "Transport::is_https")]
    pub(crate) transport: Transport,
}

/// How to speak to a registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    /// Encrypted and authenticated.
    #[default]
    Https,
    /// Open to eavesdropping and tampering, so a tag can be redirected to another image.
    PlainHttp,
}

impl Transport {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like that")]
    fn is_https(&self) -> bool {
        *self == Self::Https
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::PlainHttp => "http",
        }
    }
}

/// A registry: a host, and its port if that is not the usual one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Registry(String);

/// A text does not name a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a registry: expected a host with a dot or a port, as `registry.example`", .0.escape_debug())]
pub(crate) struct ParseRegistryError(String);

/// An object that is requested from a registry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Asked<'a> {
    /// A manifest by its tag.
    Tag(&'a str),
    /// A manifest by its digest.
    Manifest(Digest),
    /// A configuration or layer.
    Blob(Digest),
}

/// The common name of the Docker registry, and its host.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

impl ImageSource {
    /// The registry that the image is named after, and then the mirrors.
    pub(crate) fn registries(&self) -> impl Iterator<Item = Registry> + '_ {
        let first = Registry(self.image.reference().registry().to_owned());
        std::iter::once(first).chain(self.mirror.iter().cloned())
    }

    /// The path of the image in its registry.
    pub(crate) fn path(&self) -> String {
        let reference = self.image.reference();
        let (registry, path) = (reference.registry(), reference.path());
        // Names of official Docker images omit the `library/` of their path.
        let is_short = registry == DOCKER_HUB.0 && !path.contains('/');
        if is_short { format!("library/{path}") } else { path.to_owned() }
    }

    /// Where that is, in every registry.
    pub(crate) fn urls(&self, asked: Asked<'_>) -> Result<Vec<HttpUrl>, ParseUrlError> {
        let what = match asked {
            Asked::Tag(tag) => format!("manifests/{tag}"),
            Asked::Manifest(digest) => format!("manifests/sha256:{digest}"),
            Asked::Blob(digest) => format!("blobs/sha256:{digest}"),
        };
        let path = self.path();
        let url =
            |registry: Registry| format!("{}/v2/{path}/{what}", registry.base(self.transport));
        self.registries().map(|registry| url(registry).parse()).collect()
    }
}

impl Registry {
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the base URL of the registry.
    pub(crate) fn base(&self, transport: Transport) -> String {
        let host = if self.0 == DOCKER_HUB.0 { DOCKER_HUB.1 } else { &self.0 };
        format!("{}://{host}", transport.scheme())
    }
}

impl FromStr for Registry {
    type Err = ParseRegistryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if is_registry(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseRegistryError(text.chars().take(120).collect()))
        }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Registry {
    type Error = ParseRegistryError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Registry> for String {
    fn from(registry: Registry) -> Self {
        registry.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(image: &str, mirrors: &[&str], transport: Transport) -> ImageSource {
        let mirror = mirrors.iter().map(|text| text.parse().unwrap()).collect();
        let (image, platform) = (image.parse().unwrap(), Platform::host());
        ImageSource { image, platform, mirror, transport }
    }

    fn urls(source: &ImageSource, asked: Asked<'_>) -> Vec<String> {
        source.urls(asked).unwrap().into_iter().map(String::from).collect()
    }

    #[test]
    fn every_registry_has_it_at_the_same_path() {
        let source = source("a.example/team/dls:1", &["b.example:5000"], Transport::Https);
        assert_eq!(
            urls(&source, Asked::Tag("1")),
            [
                "https://a.example/v2/team/dls/manifests/1",
                "https://b.example:5000/v2/team/dls/manifests/1",
            ]
        );
        let digest = Digest::of(b"");
        let blob = urls(&source, Asked::Blob(digest));
        assert_eq!(blob[0], format!("https://a.example/v2/team/dls/blobs/sha256:{digest}"));
    }

    #[test]
    fn plain_http_is_used_only_on_request() {
        let plain = source("127.0.0.1:5000/dls:1", &[], Transport::PlainHttp);
        assert_eq!(urls(&plain, Asked::Tag("1")), ["http://127.0.0.1:5000/v2/dls/manifests/1"]);
        let safe = source("127.0.0.1:5000/dls:1", &[], Transport::Https);
        assert_eq!(urls(&safe, Asked::Tag("1")), ["https://127.0.0.1:5000/v2/dls/manifests/1"]);
    }

    #[test]
    fn docker_hub_is_known_by_another_name() {
        for (image, path) in [("docker.io/dls:1", "library/dls"), ("docker.io/a/b:1", "a/b")] {
            let source = source(image, &[], Transport::Https);
            let url = format!("https://registry-1.docker.io/v2/{path}/manifests/1");
            assert_eq!(urls(&source, Asked::Tag("1")), [url]);
        }
    }

    #[test]
    fn only_hosts_are_registries() {
        for bad in ["", "a", "a/b", "https://a.example", "user@a.example", "a.example:x"] {
            assert!(bad.parse::<Registry>().is_err(), "{bad}");
        }
    }
}
