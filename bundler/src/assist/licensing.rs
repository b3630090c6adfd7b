//! Guest licensing, where it concerns a bundle.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::types::ImageName;

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) enum Licensing {
    /// Not part of this bundle.
    #[default]
    Nothing,
    /// NVIDIA License System.
    NvidiaDls,
    /// FastAPI-DLS, with this image.
    FastapiDls(ImageName),
}

const WORDS: &str = "`none`, `nvidia-dls` or `fastapi-dls[=IMAGE]`";

/// The image with the digest that kars85/proxmox-vgpu-installer pins.
const IMAGE: &str = "docker.io/collinwebdesigns/fastapi-dls:2.0.3@sha256:\
                     e5078363ef86548b41c998367dfa2641015c5b7ffb7b3db280332669f8b1b5f0";

impl Licensing {
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    /// The notice for this choice, line by line.
    pub(crate) fn notice(&self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::NvidiaDls => &[
                "NVIDIA's own Delegated License Service (DLS) serves the licenses that you have from",
                "NVIDIA. Guests need its client token; the node needs nothing.",
            ],
            Self::FastapiDls(_) => &[
                "FastAPI-DLS is third-party software that replaces the NVIDIA license server for guests.",
                "It grants no right to use NVIDIA software: check whether your agreement with NVIDIA",
                "allows it. It is licensed under the AGPL, version 3, which applies to anyone who",
                "distributes a bundle that contains it.",
            ],
        }
    }
}

impl FromStr for Licensing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            None if text == "none" => Ok(Self::Nothing),
            None if text == "nvidia-dls" => Ok(Self::NvidiaDls),
            None if text == "fastapi-dls" => image(IMAGE),
            Some(("fastapi-dls", name)) => image(name),
            _ => Err(format!("`{}` is not one of {WORDS}", text.escape_debug())),
        }
    }
}

fn image(name: &str) -> Result<Licensing, String> {
    name.parse()
        .map(Licensing::FastapiDls)
        .map_err(|error: <ImageName as FromStr>::Err| error.to_string())
}

impl TryFrom<String> for Licensing {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Licensing> for String {
    fn from(choice: Licensing) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for Licensing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("none"),
            Self::NvidiaDls => f.write_str("nvidia-dls"),
            Self::FastapiDls(image) if image.to_string() == IMAGE => f.write_str("fastapi-dls"),
            Self::FastapiDls(image) => write!(f, "fastapi-dls={image}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_reads_back_and_only_one_has_an_image() {
        for text in ["none", "nvidia-dls", "fastapi-dls", "fastapi-dls=registry.example/dls:1"] {
            let choice: Licensing = text.parse().unwrap();
            assert_eq!(choice.to_string().parse(), Ok(choice.clone()));
            assert_eq!(matches!(choice, Licensing::FastapiDls(_)), text.starts_with("fast"));
        }
        for text in ["none", "nvidia-dls", "fastapi-dls"] {
            assert_eq!(text.parse::<Licensing>().unwrap().to_string(), text);
        }
        assert_eq!(Licensing::default().to_string(), "none");
        for bad in ["", "yes", "nvidia-dls=x", "fastapi-dls=", "fastapi-dls=dls"] {
            assert!(bad.parse::<Licensing>().is_err(), "{bad}");
        }
    }
}
