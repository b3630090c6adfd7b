use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ArchitectureId, EvidenceId, ReasonId, State, is_settled, settled};
use crate::catalog::{Release, SeriesRange};
use crate::platform::words::{serde_as_text, words};
use crate::text::{is_word, text};
use crate::{Digest, ParseTextError};

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

/// An MD5, 32 lower-case hexadecimal digits. It names a file; it proves nothing about its origin.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Md5(u128);

impl Md5 {
    /// The digest with these bytes.
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
#[serde(deny_unknown_fields)]
pub struct Driver {
    /// The release.
    pub release: Release,
    /// Whether the sources agree on the host driver's version.
    #[serde(default = "settled", skip_serializing_if = "is_settled")]
    pub state: State,
    /// The host driver's version.
    pub host: DriverVersion,
    /// Its file inside NVIDIA's package for Linux KVM.
    pub file: String,
    /// Names that others give the file, never right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misnamed: Vec<String>,
    /// The file's MD5, where somebody published one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5: Option<Md5>,
    /// The version of the Linux guest driver of the same release.
    pub linux_guest: DriverVersion,
    /// The version of the Windows guest driver of the same release.
    pub windows_guest: DriverVersion,
    /// The [`Patch`] that unlocks it, by its host driver; `None` if nobody published one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<DriverVersion>,
    /// On which kernels its modules build.
    pub kernels: Vec<BuildRow>,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

words! {
    /// Which form of the host driver's file.
    DriverFile, "a form of a driver's file", {
        /// As NVIDIA made it.
        Original = "original",
        /// With its unlock patch.
        Patched = "patched",
    }
}

words! {
    /// Whether a driver's modules build, load and work on a kernel.
    Build, "a state of a build", {
        /// They are expected to.
        Builds = "builds",
        /// They are expected not to.
        Fails = "fails",
        /// The sources contradict each other, or nobody has tried.
        Unproven = "unproven",
    }
}

/// Whether a driver's modules build on some kernels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildRow {
    /// The kernels.
    pub range: SeriesRange,
    /// The form of the file that the row is about; `None` for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<DriverFile>,
    /// Whether it builds.
    pub build: Build,
    /// Why.
    pub why: ReasonId,
}

/// An unlock patch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The one host driver that it fits; the patch is called `HOST.patch`.
    pub host: DriverVersion,
    /// Whether the file itself was seen.
    #[serde(default = "settled", skip_serializing_if = "is_settled")]
    pub state: State,
    /// Its size in bytes, if it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its SHA-256, if it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// The files of the unpacked driver that it changes, if it was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

/// What all releases of one major number share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// The major number.
    pub major: u8,
    /// NVIDIA's name of the driver line.
    pub line: String,
    /// The month in which NVIDIA stops mending it: `2026-07`.
    pub end_of_life: String,
    /// Architectures that it serves without unlocking.
    pub native: Vec<ArchitectureId>,
    /// Architectures whose other cards can be unlocked on it.
    pub unlock: Vec<BranchUnlock>,
    /// The modules that the installer takes by itself for Ada and newer.
    pub flavour: Modules,
    /// Arguments that force the proprietary modules, for unlocked cards.
    pub unlock_args: Vec<String>,
    /// Whether guests must be given another licence server's root certificate.
    pub guest_root: GuestRoot,
    /// How vGPUs reach a guest.
    pub mediation: Mediation,
    /// Whether its modules need KVM to export `enable_apicv`.
    pub apicv: Apicv,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

/// How far cards of one architecture can be unlocked on a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BranchUnlock {
    /// The architecture.
    pub arch: ArchitectureId,
    /// How far.
    pub state: UnlockState,
    /// What the row rests on.
    pub evidence: Vec<EvidenceId>,
}

words! {
    /// How far unlocking works.
    UnlockState, "a state of unlocking", {
        /// It works.
        Works = "works",
        /// It works with the `vgpuConfig.xml` of a 16.x package as well.
        OldConfig = "old-config",
        /// The sources contradict each other.
        Unproven = "unproven",
    }
}

words! {
    /// Which of NVIDIA's two sets of kernel modules.
    Modules, "a set of kernel modules", {
        /// The proprietary ones.
        Proprietary = "proprietary",
        /// The open ones.
        Open = "open",
    }
}

words! {
    /// Whether guests must be given the root certificate of a licence server other than NVIDIA's.
    GuestRoot, "a need for a root certificate", {
        /// They need not.
        NotNeeded = "not-needed",
        /// They must.
        Needed = "needed",
        /// They must, as far as one can tell without having tried.
        Presumed = "presumed",
    }
}

words! {
    /// How vGPUs reach a guest.
    Mediation, "a way of mediation", {
        /// As mediated devices, listed by `mdevctl types`.
        Mdev = "mdev",
        /// Either way, by GPU and kernel.
        Either = "either",
        /// Through the vendor's VFIO, listed in sysfs at each virtual function.
        Vendor = "vendor",
    }
}

words! {
    /// Whether the host modules need KVM to export `enable_apicv`.
    Apicv, "a need for enable_apicv", {
        /// They do.
        Used = "used",
        /// Some releases of the branch do.
        Partly = "partly",
        /// They do not.
        Unused = "unused",
    }
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
