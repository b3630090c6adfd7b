use serde::{Deserialize, Serialize};

use crate::platform::{BootLoader, BootSync, Firmware, SecureBoot};
use crate::{Digest, KernelWord};

/// How the machine starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Boot {
    /// What loads the boot loader.
    pub firmware: Firmware,
    /// The boot loader, by the strongest of the signs below; `None` if there is no sign of one.
    pub loader: Option<BootLoader>,
    /// Every sign of a boot loader, the strongest first.
    pub evidence: Vec<LoaderEvidence>,
    /// How the boot loader's files are kept where the firmware finds them.
    pub sync: BootSync,
    /// Whether only signed code is loaded.
    pub secure_boot: SecureBoot,
    /// How far the running kernel is locked down; `None` if it cannot be.
    pub lockdown: Option<Lockdown>,
    /// Certificates that the firmware or shim accepts.
    pub keys: Vec<EnrolledKey>,
    /// The certificate that DKMS signs modules for, if it has made one: SHA-256 of its DER form.
    pub dkms_key: Option<Digest>,
    /// The words of the running kernel's command line that concern devices. All others are left
    /// out: they can hold names and secrets.
    pub words: Vec<KernelWord>,
}

/// A sign of a boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoaderEvidence {
    /// Where it was seen.
    pub sign: LoaderSign,
    /// Which boot loader it speaks for.
    pub loader: BootLoader,
}

/// Where a boot loader shows, the strongest sign first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoaderSign {
    /// The EFI variable `LoaderInfo`, in which the loader that ran left its name.
    LoaderInfo,
    /// The firmware's entry that was booted, by the file that it names.
    BootEntry,
    /// A file on the EFI system partition that is mounted at `/boot/efi`.
    EspFile,
    /// Firmware that systemd-boot does not exist for.
    LegacyBios,
    /// `/boot/grub/grub.cfg`.
    GrubConfig,
}

/// How far the kernel is locked down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lockdown {
    /// Not at all.
    None,
    /// Unsigned modules are refused.
    Integrity,
    /// As before, and secrets are kept from root.
    Confidentiality,
}

/// A certificate that the firmware or shim accepts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnrolledKey {
    /// Where it is enrolled.
    pub store: KeyStore,
    /// SHA-256 of the certificate's DER form.
    pub fingerprint: Digest,
}

/// Where a certificate is enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStore {
    /// The platform key.
    Pk,
    /// Keys that may change `db`.
    Kek,
    /// The firmware's own list.
    Db,
    /// Shim's list, which `mokutil` fills.
    Mok,
}
