//! Firmware, boot loader and kernels.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Label, Name};
use crate::platform::{BootLoader, BootSync, Firmware, KernelRelease, SecureBoot};
use crate::{Digest, HostPath, KernelWord};

/// The boot configuration of a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Boot {
    /// The kind of firmware.
    pub firmware: Firmware,
    /// The boot loader, by the strongest sign in `evidence`; `None` if there is no sign.
    pub loader: Option<BootLoader>,
    /// Every sign of a boot loader, the strongest first.
    pub evidence: Vec<LoaderEvidence>,
    /// The way in which the boot loader's files reach the firmware.
    pub sync: BootSync,
    /// The state of Secure Boot.
    pub secure_boot: SecureBoot,
    /// The lockdown of the running kernel; `None` if the kernel does not support it.
    pub lockdown: Option<Lockdown>,
    /// The certificates that the firmware or shim accepts.
    pub keys: Vec<EnrolledKey>,
    /// The certificate of DKMS's signing key, if it has one: SHA-256 of its DER form.
    pub dkms_key: Option<Digest>,
    /// The parameters of the running kernel that concern devices. All others are left out because
    /// they can contain names and secrets.
    pub words: Vec<KernelWord>,
}

/// A sign of a boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoaderEvidence {
    /// The place of the sign.
    pub sign: LoaderSign,
    /// The boot loader that it indicates.
    pub loader: BootLoader,
}

/// The place of a sign of a boot loader, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LoaderSign {
    /// The EFI variable `LoaderInfo`, in which a boot loader writes its name.
    LoaderInfo,
    /// The file of the firmware's boot entry that was booted.
    BootEntry,
    /// A file on the EFI system partition that is mounted at `/boot/efi`.
    EspFile,
    /// Legacy BIOS, which systemd-boot does not support.
    LegacyBios,
    /// `/boot/grub/grub.cfg`.
    GrubConfig,
}

/// A lockdown mode of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Lockdown {
    /// No lockdown.
    None,
    /// Unsigned modules are refused.
    Integrity,
    /// As `Integrity`; in addition, secrets are hidden from root.
    Confidentiality,
}

/// A certificate that the firmware or shim accepts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnrolledKey {
    /// The list that it is enrolled in.
    pub store: KeyStore,
    /// SHA-256 of the certificate's DER form.
    pub fingerprint: Digest,
}

/// A list of enrolled certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum KeyStore {
    /// The platform key.
    Pk,
    /// The key exchange keys, which may change `db`.
    Kek,
    /// The firmware's own list.
    Db,
    /// Shim's list, which `mokutil` manages.
    Mok,
}

/// Kernels, running and installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Kernels {
    /// The running kernel.
    pub running: Option<KernelRelease>,
    /// The kernel that `proxmox-boot-tool kernel pin` has set for every boot.
    pub pinned: Option<KernelRelease>,
    /// The kernel that is set for the next boot only.
    pub pinned_next: Option<KernelRelease>,
    /// The kernel of the next boot; `None` if it is unknown, or if an older program wrote the
    /// inventory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boots: Option<BootsNext>,
    /// All installed kernels, the oldest first.
    pub installed: Vec<Kernel>,
    /// The loaded modules that concern a vGPU host.
    pub modules: Vec<LoadedModule>,
}

impl Kernels {
    /// Returns the newest kernel with an image.
    #[must_use]
    pub fn newest(&self) -> Option<&KernelRelease> {
        let boots = |kernel: &&Kernel| kernel.has.contains(&KernelPart::Image);
        self.installed.iter().rfind(boots).map(|kernel| &kernel.release)
    }

    /// Checks whether the host has the image of this kernel.
    #[must_use]
    pub fn can_boot(&self, kernel: &KernelRelease) -> bool {
        let known = self.installed.iter().find(|known| known.release == *kernel);
        known.is_some_and(|known| known.has.contains(&KernelPart::Image))
    }

    /// Returns the kernel of the next boot. Where it is unknown, that is the pinned kernel, or else
    /// the newest one.
    #[must_use]
    pub fn next_boot(&self) -> Option<&KernelRelease> {
        let known = self.boots.as_ref().map(|boots| &boots.kernel);
        known.or(self.pinned_next.as_ref()).or(self.pinned.as_ref()).or_else(|| self.newest())
    }
}

/// The kernel of the next boot, and the setting that selects it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BootsNext {
    /// The kernel.
    pub kernel: KernelRelease,
    /// The kind of setting.
    pub because: BootReason,
    /// The file or EFI variable with the setting; `None` for the default, the newest kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_in: Option<HostPath>,
    /// Whether the setting takes effect even if `proxmox-boot-tool kernel pin` selects another
    /// kernel.
    pub beats_pin: bool,
}

/// The kind of setting that selects the kernel of the next boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BootReason {
    /// `proxmox-boot-tool kernel pin --next-boot`.
    NextBootPin,
    /// `proxmox-boot-tool kernel pin`.
    Pin,
    /// `GRUB_DEFAULT` in `/etc/default/grub` or `/etc/default/grub.d`.
    GrubDefault,
    /// `next_entry` in GRUB's environment block, which `grub-reboot` sets for one boot.
    GrubNextEntry,
    /// `saved_entry` in GRUB's environment block, where `GRUB_DEFAULT` is `saved`.
    GrubSaved,
    /// `default` in `loader.conf` of systemd-boot.
    LoaderConf,
    /// The EFI variable of `bootctl set-default`.
    LoaderDefault,
    /// The EFI variable of `bootctl set-oneshot`.
    LoaderOneshot,
    /// Nothing: the boot loader's default is the newest kernel.
    Newest,
}

impl BootReason {
    /// Checks whether the setting applies to one boot only.
    #[must_use]
    pub const fn is_once(self) -> bool {
        matches!(self, Self::NextBootPin | Self::GrubNextEntry | Self::LoaderOneshot)
    }
}

/// A kernel of which at least one part is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Kernel {
    /// Its release.
    pub release: KernelRelease,
    /// Its installed parts.
    pub has: BTreeSet<KernelPart>,
}

/// A part of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum KernelPart {
    /// `/boot/vmlinuz-RELEASE`.
    Image,
    /// `/lib/modules/RELEASE/kernel`.
    Modules,
    /// `/lib/modules/RELEASE/build` with a makefile, which building modules requires.
    Headers,
    /// An NVIDIA module in `/lib/modules/RELEASE`, from DKMS or from NVIDIA's installer.
    NvidiaModule,
}

/// A loaded module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoadedModule {
    /// Its name, with underscores.
    pub name: Name,
    /// The version that it reports, if any.
    pub version: Option<Label>,
}
