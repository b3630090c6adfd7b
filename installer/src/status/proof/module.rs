//! Checks whether the module is built, for the running kernel and for that of the next boot.

use std::fmt;

use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{BootReason, Kernel, KernelPart, Kernels};
use vgpu_manifest::platform::{KernelRelease, SecureBoot};

use super::Finding;
use crate::act::PinMeans;
use crate::driver::{Build, BuildState, status};
use crate::facts::{SigningKey, module_file, signing_key};
use crate::host::{Command, HostError, Look};
use crate::step::AT_CONSOLE;

/// The existing builds of the module.
pub(crate) struct Built<'v> {
    version: &'v str,
    /// The output of DKMS; `None` where commands do not run.
    builds: Option<Vec<Build>>,
}

/// The reason why a kernel has no module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The kernel headers are missing.
    NoHeaders,
    /// DKMS has not registered this version.
    Unknown,
    /// The DKMS build is incomplete.
    Half(BuildState),
    /// DKMS reports a build, but the file is missing.
    NoFile,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeaders => f.write_str("its headers are missing"),
            Self::Unknown => f.write_str("DKMS has not built it"),
            Self::Half(BuildState::Added) => f.write_str("DKMS has only registered it"),
            Self::Half(BuildState::Built) => f.write_str("DKMS has built it but not installed it"),
            Self::Half(_) => f.write_str("DKMS reports it as broken"),
            Self::NoFile => f.write_str("DKMS reports it as installed, but the file is missing"),
        }
    }
}

impl<'v> Built<'v> {
    pub(crate) fn look(look: &dyn Look, version: &'v str) -> Result<Self, HostError> {
        Ok(Self { version, builds: status(look)? })
    }

    /// Checks whether DKMS answered.
    pub(crate) fn was_asked(&self) -> bool {
        self.builds.is_some()
    }

    /// Returns why `kernel` has no module; `None` if it has one.
    pub(crate) fn lack(&self, kernel: &KernelRelease, kernels: &Kernels) -> Option<Lack> {
        let known = kernels.installed.iter().find(|known| known.release == *kernel);
        let has = |part| known.is_some_and(|known: &Kernel| known.has.contains(&part));
        let (file, headers) = (has(KernelPart::NvidiaModule), has(KernelPart::Headers));
        let Some(builds) = &self.builds else { return (!file).then_some(Lack::Unknown) };
        let ours = builds.iter().find(|build| {
            build.version == self.version && build.kernel.as_deref() == Some(kernel.as_str())
        });
        match ours.map(|build| build.state) {
            Some(BuildState::Installed) if file => None,
            Some(BuildState::Installed) => Some(Lack::NoFile),
            _ if !headers => Some(Lack::NoHeaders),
            Some(state) => Some(Lack::Half(state)),
            None => Some(Lack::Unknown),
        }
    }

    /// Returns the newest bootable kernel with a module.
    pub(crate) fn last<'k>(&self, kernels: &'k Kernels) -> Option<&'k KernelRelease> {
        let works = |kernel: &&Kernel| {
            kernel.has.contains(&KernelPart::Image) && self.lack(&kernel.release, kernels).is_none()
        };
        kernels.installed.iter().rfind(works).map(|kernel| &kernel.release)
    }

    /// Returns the command that builds it.
    fn remedy(&self, kernel: &KernelRelease, lack: &Lack) -> String {
        let (version, kernel) = (self.version, kernel.as_str());
        match lack {
            Lack::NoHeaders => format!(
                "run `vgpu-installer inventory` and make a bundle with the headers of \
                    {kernel} on the laptop"
            ),
            Lack::NoFile => {
                format!("build it again: `dkms install --force nvidia/{version} -k {kernel}`")
            }
            _ => format!(
                "apply the bundle again, or check the build: `dkms install nvidia/{version} \
                    -k {kernel}`"
            ),
        }
    }
}

/// Checks the running kernel.
pub(super) fn running(built: &Built<'_>, kernels: &Kernels) -> Finding {
    let Some(kernel) = &kernels.running else {
        return Finding::not_asked("no running kernel here");
    };
    match built.lack(kernel, kernels) {
        None => Finding::good(format!(
            "{} is built for the running kernel {}",
            built.version,
            kernel.as_str()
        )),
        Some(lack) => Finding::missing(
            format!(
                "no module {} for the running kernel {}: {lack}",
                built.version,
                kernel.as_str()
            ),
            built.remedy(kernel, &lack),
        ),
    }
}

/// Checks the kernel of the next boot.
///
/// A newer kernel that a setting holds back is only mentioned.
pub(super) fn next(
    look: &dyn Look,
    built: &Built<'_>,
    kernels: &Kernels,
) -> Result<Finding, HostError> {
    let (Some(newest), Some(boots)) = (kernels.newest(), kernels.next_boot()) else {
        return Ok(Finding::not_asked("no kernel is installed"));
    };
    if !kernels.can_boot(boots) {
        let reason = format!("{} is pinned and boots next, but is not installed", boots.as_str());
        return Ok(Finding::missing(reason, instead_of_gone(look, built, kernels)?));
    }
    if let Some(lack) = built.lack(boots, kernels) {
        let reason =
            format!("{} boots next and has no module {}: {lack}", boots.as_str(), built.version);
        return Ok(Finding::missing(reason, with_pin(look, built, boots, kernels, &lack)?));
    }
    let says = format!("{} boots next, and {} is built for it", boots.as_str(), built.version);
    let waits = built.lack(newest, kernels).filter(|_| newest != boots);
    Ok(Finding::good(match waits {
        Some(lack) => {
            format!(
                "{says}; it is {}, because the newer {} has no module: {lack}",
                held(kernels),
                newest.as_str()
            )
        }
        None => says,
    }))
}

/// Returns how the next boot is kept on its kernel.
fn held(kernels: &Kernels) -> String {
    match kernels.boots.as_ref().and_then(|boots| Some((boots.because, boots.set_in.as_ref()?))) {
        Some((BootReason::Pin | BootReason::NextBootPin, _)) | None => "pinned".to_owned(),
        Some((_, path)) => format!("selected in {path}"),
    }
}

/// Returns how to pin a kernel that is installed, instead of one that is not.
fn instead_of_gone(
    look: &dyn Look,
    built: &Built<'_>,
    kernels: &Kernels,
) -> Result<String, HostError> {
    let unpin = "boot the newest kernel again: `proxmox-boot-tool kernel unpin`".to_owned();
    Ok(match built.last(kernels) {
        Some(last) if Some(last) != kernels.newest() => keep_booting(look, last)?,
        _ => unpin,
    })
}

/// Returns the next step, and how to boot a kernel with a module meanwhile.
fn with_pin(
    look: &dyn Look,
    built: &Built<'_>,
    boots: &KernelRelease,
    kernels: &Kernels,
    lack: &Lack,
) -> Result<String, HostError> {
    let remedy = built.remedy(boots, lack);
    Ok(match built.last(kernels) {
        Some(last) => format!("{remedy}; until then, {}", keep_booting(look, last)?),
        None => remedy,
    })
}

fn keep_booting(look: &dyn Look, kernel: &KernelRelease) -> Result<String, HostError> {
    let how = match PinMeans::of(look, kernel)? {
        Some(PinMeans::Tool) => format!("`proxmox-boot-tool kernel pin {}`", kernel.as_str()),
        Some(PinMeans::Grub(entry)) => format!("`grub-reboot '{entry}'` before each reboot"),
        None => format!("select {} in the boot menu", kernel.as_str()),
    };
    Ok(format!("keep booting the last kernel with a module: {how}"))
}

/// Checks whether the running kernel's module is signed with an enrolled key.
pub(super) fn signature(
    look: &dyn Look,
    secure_boot: SecureBoot,
    kernels: &Kernels,
) -> Result<Finding, HostError> {
    if secure_boot != SecureBoot::Enabled {
        return Ok(Finding::not_asked("Secure Boot is off"));
    }
    let file = kernels.running.as_ref().and_then(|kernel| module_file(look, kernel));
    let Some(file) = file else {
        return Ok(Finding::not_asked("no module to check"));
    };
    let Some(signer) = signer(look, &file)? else { return Ok(Finding::no_commands()) };
    if signer.is_empty() {
        return Ok(Finding::missing(
            format!("Secure Boot is on, but {file} is not signed"),
            "apply the bundle again to create the signing key of DKMS",
        ));
    }
    Ok(match signing_key(look) {
        SigningKey::Enrolled => Finding::good(format!("signed by `{signer}`, which is enrolled")),
        SigningKey::Requested => Finding::missing(
            format!("signed by `{signer}`, whose enrollment is pending"),
            format!("reboot, and {AT_CONSOLE}"),
        ),
        SigningKey::Missing | SigningKey::Made => Finding::missing(
            format!("signed by `{signer}`, which is not enrolled"),
            "apply the bundle again to request the enrollment",
        ),
    })
}

/// Returns the signer of a module from kmod's `modinfo`; empty if it is unsigned.
fn signer(look: &dyn Look, file: &HostPath) -> Result<Option<String>, HostError> {
    let command = Command::new("modinfo", &["-F", "signer", file.as_path().as_str()]);
    match look.query(&command) {
        // The signer is unknown without `modinfo`.
        Err(HostError::Start { .. }) | Ok(None) => Ok(None),
        Err(error) => Err(error),
        Ok(Some(output)) => Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())),
    }
}
