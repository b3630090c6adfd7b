use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EvidenceId, State, is_name, is_settled, settled};
use crate::catalog::{Release, SeriesRange};
use crate::platform::{KernelRelease, KernelSeries, PveSeries};
use crate::text;
use crate::types::text::is_word;
use crate::{Digest, ParseTextError};
use crate::{serde_as_text, words};

text! {
    /// The version of a driver: `535.230.02`.
    DriverVersion,
    "the version of a driver",
    "digits and dots, at most 20 bytes: `535.230.02`",
    |text| {
        let part = |part: &str| is_word(part, 4, |b| b.is_ascii_digit(), |b| b.is_ascii_digit());
        text.len() <= 20 && text.contains('.') && text.split('.').all(part)
    }
}

/// An MD5 digest in 32 lower-case hex digits. It names a file, but does not authenticate it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[0-9a-f]{32}$"))
)]
pub struct Md5(u128);

impl Md5 {
    /// Returns the digest with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl FromStr for Md5 {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16)
            .ok()
            .map(Self)
            .filter(|md5| md5.to_string() == text)
            .ok_or_else(|| ParseTextError::new(text, "an MD5", "32 lower-case hex digits"))
    }
}

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

serde_as_text!(Md5);

/// The host driver of one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Driver {
    /// The release of NVIDIA vGPU.
    pub release: Release,
    /// Whether the sources agree on the host driver's version.
    #[serde(default = "settled", skip_serializing_if = "is_settled")]
    pub state: State,
    /// The host driver's version.
    pub host: DriverVersion,
    /// The name of its file in NVIDIA's package for Linux KVM.
    pub file: String,
    /// Wrong names of the file in other sources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misnamed: Vec<String>,
    /// The file's published MD5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5>,
    /// The version of the Linux guest driver of the same release.
    pub linux_guest: DriverVersion,
    /// The version of the Windows guest driver of the same release.
    pub windows_guest: DriverVersion,
    /// The [`Patch`] that unlocks it, by its host driver; `None` if none exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<DriverVersion>,
    /// The kernels that its modules build on.
    pub kernels: Vec<BuildRow>,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
    /// Whether the row stands for a driver that is newer than the catalog. It has the guests and
    /// kernels of the newest recorded release of its branch.
    #[serde(skip)]
    pub newer: bool,
}

impl Driver {
    /// Returns the name of the host driver of NVIDIA AI Enterprise of the same release.
    #[must_use]
    pub fn enterprise_file(&self) -> String {
        format!("NVIDIA-Linux-x86_64-{}-vgpu-kvm-aie.run", self.host)
    }
}

words! {
    /// A form of the host driver's file.
    DriverFile, "a form of a driver's file", {
        /// As NVIDIA published it.
        Original = "original",
        /// With its unlock patch.
        Patched = "patched",
    }
}

words! {
    /// Whether a driver's modules build, load and work on a kernel.
    Build, "a state of a build", {
        /// They should.
        Builds = "builds",
        /// They should not.
        Fails = "fails",
        /// The sources contradict each other, or no test is recorded.
        Unproven = "unproven",
    }
}

/// Whether a driver's modules build on some kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BuildRow {
    /// The kernels.
    pub range: SeriesRange,
    /// The form of the file that the row applies to; `None` for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<DriverFile>,
    /// Whether the driver builds.
    pub build: Build,
    /// The reason.
    pub why: ReasonId,
}

/// An unlock patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The only host driver that it applies to. The patch is called `HOST.patch`.
    pub host: DriverVersion,
    /// Whether the file itself was available for review.
    #[serde(default = "settled", skip_serializing_if = "is_settled")]
    pub state: State,
    /// Its size in bytes, if it was available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its SHA-256, if it was available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// The files of the unpacked driver that it changes, if it was available.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

/// A kernel series of a release of Proxmox VE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The release of Proxmox VE.
    pub pve: PveSeries,
    /// The series.
    pub series: KernelSeries,
    /// The newest recorded kernel of the series.
    pub newest: KernelRelease,
    /// The purpose of the series.
    pub role: Role,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

words! {
    /// The purpose of a kernel series.
    Role, "a role of a kernel", {
        /// The newest point release boots it by default.
        Default = "default",
        /// It is maintained and optional.
        OptIn = "opt-in",
        /// It is no longer maintained.
        Stale = "stale",
    }
}

text! {
    /// The id of a [`BuildReason`].
    ReasonId,
    "the name of a reason",
    "lower-case letters, digits, `-` and `.`, at most 60 bytes",
    is_name
}

/// Why a driver does or does not build on a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildReason {
    /// The id by which drivers name it.
    pub id: ReasonId,
    /// The reason, as the end of a sentence.
    pub says: String,
    /// The evidence.
    pub evidence: Vec<EvidenceId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_md5_has_32_digits() {
        let good = "18627628e749f893cd2c3635452006a4";
        assert_eq!(good.parse::<Md5>().unwrap().to_string(), good);
        assert_eq!(Md5::new([0; 16]).to_string(), "0".repeat(32));
        let long = format!("{good}6");
        for bad in ["", "0", &good[1..], &*long, &good.to_uppercase(), &good.replace('1', "+")] {
            assert!(bad.parse::<Md5>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_is_numbers_and_dots() {
        for good in ["535.230.02", "536.25"] {
            assert!(good.parse::<DriverVersion>().is_ok(), "{good}");
        }
        for bad in ["", "535", "535.", ".230", "535..02", "535.230.02-vgpu-kvm", "53500.1"] {
            assert!(bad.parse::<DriverVersion>().is_err(), "{bad}");
        }
    }
}
