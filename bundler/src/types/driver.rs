//! The names that NVIDIA gives to the files of its drivers.

use camino::Utf8Path;
use vgpu_manifest::catalog::{Catalog, DriverVersion};
use vgpu_manifest::driver::{DriverKind, DriverRecord};

/// The result of parsing a driver file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FileName {
    Driver(DriverKind, DriverVersion),
    /// The host driver of NVIDIA AI Enterprise.
    Enterprise(DriverVersion),
    /// A portal archive for this hypervisor.
    Portal(Hypervisor),
    /// Not a known pattern.
    Other,
}

/// The hypervisor of a portal archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hypervisor {
    /// Linux KVM, which includes Proxmox VE.
    LinuxKvm,
    /// Another one, as in the file name.
    Other(String),
}

impl FileName {
    /// Returns the version of the driver, if the name is that of one.
    pub(crate) fn version(self) -> Option<DriverVersion> {
        match self {
            Self::Driver(_, version) | Self::Enterprise(version) => Some(version),
            Self::Portal(_) | Self::Other => None,
        }
    }

    /// Parses the last component of `path`.
    pub(crate) fn of(path: &str) -> Self {
        let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let run = || {
            let rest = name.strip_prefix("NVIDIA-Linux-x86_64-")?.strip_suffix(".run")?;
            if let Some(version) = rest.strip_suffix("-vgpu-kvm-aie") {
                return Some(Self::Enterprise(version.parse().ok()?));
            }
            let (kind, version) = match rest.strip_suffix("-vgpu-kvm") {
                Some(version) => (DriverKind::Host, version),
                None => (DriverKind::Guest, rest.strip_suffix("-grid")?),
            };
            Some(Self::Driver(kind, version.parse().ok()?))
        };
        let windows = || {
            let (version, rest) = name.strip_suffix(".exe")?.split_once('_')?;
            let is_guest = rest.starts_with("grid_win") && rest.contains("64bit");
            is_guest.then_some(())?;
            Some(Self::Driver(DriverKind::WindowsGuest, version.parse().ok()?))
        };
        let portal = || {
            let product = name.strip_prefix("NVIDIA-GRID-");
            let product = product.or_else(|| name.strip_prefix("NVIDIA-AI-Enterprise-"));
            let rest = product?.strip_suffix(".zip")?;
            Some(Self::Portal(hypervisor(rest)?))
        };
        run().or_else(windows).or_else(portal).unwrap_or(Self::Other)
    }
}

/// Checks whether a file name promises the host driver of NVIDIA AI Enterprise, also in a portal archive.
pub(crate) fn is_enterprise(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.starts_with("NVIDIA-AI-Enterprise-")
        || matches!(FileName::of(name), FileName::Enterprise(_))
}

/// Returns the hypervisor in `Linux-KVM-535.230.02-539.19`: the part before the driver versions.
fn hypervisor(rest: &str) -> Option<Hypervisor> {
    // At least two versions, host and guests, come last.
    let parts: Vec<_> = rest.split('-').collect();
    let is_version = |part: &&&str| part.parse::<DriverVersion>().is_ok();
    let versions = parts.iter().rev().take_while(is_version).count().min(3);
    let name = parts.get(..parts.len().checked_sub(versions)?)?.join("-");
    (versions > 0 && !name.is_empty()).then(|| match &*name {
        "Linux-KVM" => Hypervisor::LinuxKvm,
        _ => Hypervisor::Other(name),
    })
}

/// Returns the known NVIDIA vGPU releases of a driver.
pub(crate) fn releases(record: &DriverRecord) -> Vec<String> {
    let catalog = Catalog::embedded();
    match record.kind {
        DriverKind::Host | DriverKind::ConfigOnly => catalog
            .drivers_by_host(&record.version)
            .map(|driver| driver.release.to_string())
            .collect(),
        DriverKind::Guest | DriverKind::WindowsGuest => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_distinguish_drivers_and_hypervisors() {
        let driver = |kind, version: &str| FileName::Driver(kind, version.parse().unwrap());
        let portal = |name: &str| FileName::Portal(Hypervisor::Other(name.to_owned()));
        for (path, says) in [
            (
                "Host_Drivers/NVIDIA-Linux-x86_64-535.230.02-vgpu-kvm.run",
                driver(DriverKind::Host, "535.230.02"),
            ),
            ("NVIDIA-Linux-x86_64-550.90.07-grid.run", driver(DriverKind::Guest, "550.90.07")),
            (
                "Guest_Drivers/553.74_grid_win10_win11_server2022_dch_64bit_international.exe",
                driver(DriverKind::WindowsGuest, "553.74"),
            ),
            (
                "/x/NVIDIA-GRID-Linux-KVM-535.230.02-539.19.zip",
                FileName::Portal(Hypervisor::LinuxKvm),
            ),
            (
                "NVIDIA-GRID-Linux-KVM-550.90.05-550.90.07-552.55.zip",
                FileName::Portal(Hypervisor::LinuxKvm),
            ),
            (
                "NVIDIA-AI-Enterprise-Linux-KVM-570.158.02-570.158.01-573.48.zip",
                FileName::Portal(Hypervisor::LinuxKvm),
            ),
            (
                "NVIDIA-Linux-x86_64-570.158.02-vgpu-kvm-aie.run",
                FileName::Enterprise("570.158.02".parse().unwrap()),
            ),
            ("NVIDIA-GRID-Ubuntu-KVM-550.90.05-550.90.07-552.55.zip", portal("Ubuntu-KVM")),
            ("NVIDIA-GRID-vSphere-8.0-550.90.05-550.90.07-552.55.zip", portal("vSphere-8.0")),
            ("NVIDIA-Linux-x86_64-550.90.07.run", FileName::Other),
            ("NVIDIA-Linux-x86_64-550.90.05-vgpu-kvm-custom.run", FileName::Other),
            ("nvidia-linux-grid-550_550.90.07_amd64.deb", FileName::Other),
            ("NVIDIA-GRID-550.zip", FileName::Other),
        ] {
            assert_eq!(FileName::of(path), says, "{path}");
        }
    }
}
