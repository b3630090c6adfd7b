//! The Debian packages that a node needs, so that modules are built for its kernel and the next.

use super::assess::Found;
use super::recipe::{has_functions, signs};
use super::statement::Subject;
use crate::catalog::Mediation;
use crate::platform::{KernelRelease, PveRelease, PveSeries};

/// The first release that certainly has `pve-nvidia-vgpu-helper`, which is new in 8.3.4.
const PVE_WITH_HELPER: PveRelease = PveRelease::new(8, 4);

/// Returns the packages without which the driver cannot be installed, except the kernel; none if no
/// module is built.
pub(super) fn required(subject: Subject<'_, '_>, found: &Found<'_>) -> Vec<String> {
    if found.driver.is_none() {
        return Vec::new();
    }
    let target = &subject.case.target;
    let mut packages: Vec<_> = ["dkms", "gcc", "make"].map(str::to_owned).into();
    packages.extend(headers(target.pve, target.kernel.as_ref()).into_iter().take(1));
    if signs(subject, found) {
        // `openssl` makes the key, before DKMS would; DKMS 3.0 of Debian 12 does not depend on it.
        packages.extend(["mokutil", "openssl"].map(str::to_owned));
    }
    packages
}

/// Returns the packages that keep the driver working with later kernels, or that replace units of
/// the installer.
pub(super) fn recommended(subject: Subject<'_, '_>, found: &Found<'_>) -> Vec<String> {
    let Some(chosen) = found.driver else { return Vec::new() };
    let target = &subject.case.target;
    let later = headers(target.pve, target.kernel.as_ref()).into_iter().skip(1);
    let mut packages: Vec<_> = later.collect();
    if chosen.branch.mediation != Mediation::Vendor {
        packages.push("mdevctl".to_owned());
    }
    if has_functions(found) && target.pve.is_some_and(|pve| pve >= PVE_WITH_HELPER) {
        packages.push("pve-nvidia-vgpu-helper".to_owned());
    }
    packages
}

/// Returns the package of the kernel.
pub(super) fn kernel(subject: Subject<'_, '_>, found: &Found<'_>) -> Option<String> {
    let target = &subject.case.target;
    let kernel = target.kernel.as_ref().filter(|_| found.driver.is_some())?;
    match Maker::of(kernel) {
        Maker::Proxmox => {
            let signed = if signs(subject, found) { "-signed" } else { "" };
            Some(format!("{}-kernel-{kernel}{signed}", prefix(target.pve)))
        }
        Maker::Debian(_) => Some(format!("linux-image-{kernel}")),
        Maker::Other => None,
    }
}

/// Returns the package with the headers of this kernel, and then the one that depends on those of
/// later kernels.
fn headers(pve: Option<PveRelease>, kernel: Option<&KernelRelease>) -> Vec<String> {
    let prefix = prefix(pve);
    let Some(kernel) = kernel else {
        let all = if prefix == "pve" { "pve-headers" } else { "proxmox-default-headers" };
        return vec![all.to_owned()];
    };
    match Maker::of(kernel) {
        Maker::Proxmox => vec![
            format!("{prefix}-headers-{kernel}"),
            format!("{prefix}-headers-{}", kernel.series()),
        ],
        Maker::Debian(flavour) => {
            vec![format!("linux-headers-{kernel}"), format!("linux-headers-{flavour}")]
        }
        Maker::Other => Vec::new(),
    }
}

/// Returns the prefix of the names of Proxmox's kernel packages.
fn prefix(pve: Option<PveRelease>) -> &'static str {
    let is_old = pve.and_then(PveRelease::series) == Some(PveSeries::Seven);
    if is_old { "pve" } else { "proxmox" }
}

/// The builder of a kernel, which determines the names of its packages.
enum Maker {
    Proxmox,
    /// Debian, with this flavor.
    Debian(&'static str),
    Other,
}

impl Maker {
    fn of(kernel: &KernelRelease) -> Self {
        let ends_in = |flavour: &&str| kernel.as_str().ends_with(&format!("-{flavour}"));
        if ends_in(&"pve") {
            return Self::Proxmox;
        }
        // The longer names first.
        let flavours = ["cloud-amd64", "rt-amd64", "amd64"];
        flavours.into_iter().find(ends_in).map_or(Self::Other, Self::Debian)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_names_of_the_builder_of_the_kernel() {
        let names = |pve: &str, kernel: &str| {
            headers(pve.parse().ok(), kernel.parse().ok().as_ref()).join(" ")
        };
        assert_eq!(
            names("8.4", "6.8.12-43-pve"),
            "proxmox-headers-6.8.12-43-pve proxmox-headers-6.8"
        );
        assert_eq!(names("7.4", "5.15.158-2-pve"), "pve-headers-5.15.158-2-pve pve-headers-5.15");
        assert_eq!(names("", "6.1.0-18-amd64"), "linux-headers-6.1.0-18-amd64 linux-headers-amd64");
        let cloud = "6.12.41+deb13-cloud-amd64";
        assert_eq!(names("9.0", cloud), format!("linux-headers-{cloud} linux-headers-cloud-amd64"));
        assert_eq!(names("8.4", "6.9.1-mine"), "");
        assert_eq!((names("8.4", ""), names("7.4", "")).0, "proxmox-default-headers");
        assert_eq!(names("7.4", ""), "pve-headers");
    }
}
