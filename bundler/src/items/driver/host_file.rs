use std::fs::File;
use std::io;

use anyhow::Context as _;
use camino::Utf8Path;
use vgpu_manifest::catalog::{DeviceId, DriverVersion};
use vgpu_manifest::driver::DriverKind;

use super::Package;
use crate::types::FileName;

/// The host driver in a local file, for the proposal of a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostFile {
    /// The version of the header, or of the name if the file is absent or an archive.
    pub(crate) version: DriverVersion,
    /// The GPUs that its `vgpuConfig.xml` lists, if it was read.
    pub(crate) gpus: Option<Vec<DeviceId>>,
}

impl HostFile {
    /// Reads a driver package; `None` if neither the file nor its name is that of a host driver.
    ///
    /// # Errors
    ///
    /// The file is there, but unreadable or damaged, or another kind of driver.
    pub(crate) fn read(path: &Utf8Path) -> anyhow::Result<Option<Self>> {
        if path.extension() != Some("run") {
            return Ok(named(path));
        }
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(named(path)),
            file => file.with_context(|| unusable(path))?,
        };
        Self::of_package(file).with_context(|| unusable(path)).map(Some)
    }

    fn of_package(file: File) -> anyhow::Result<Self> {
        let package = Package::open(file)?;
        package.expect(DriverKind::Host)?;
        let version = package.version().clone();
        let config = package.examine(None, &[])?.config;
        Ok(Self { version, gpus: config.map(|config| config.parsed.devices()) })
    }
}

fn unusable(path: &Utf8Path) -> String {
    format!("cannot use the driver `{path}`")
}

/// Returns the host driver that a file name promises.
fn named(path: &Utf8Path) -> Option<HostFile> {
    let name = path.file_name()?;
    let version = match FileName::of(name) {
        FileName::Driver(DriverKind::Host, version) | FileName::Enterprise(version) => version,
        // The version of the host driver is the first of the archive's versions.
        FileName::Portal(_) => name.trim_end_matches(".zip").split('-').find_map(version_of)?,
        _ => return None,
    };
    Some(HostFile { version, gpus: None })
}

/// Returns a driver version; the release of a hypervisor, such as `8.0`, has two numbers only.
fn version_of(part: &str) -> Option<DriverVersion> {
    part.parse().ok().filter(|_| part.matches('.').count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_promise_host_drivers() {
        let version = |name: &str| named(name.into()).map(|file| file.version.to_string());
        for (name, expected) in [
            ("inputs/NVIDIA-Linux-x86_64-550.144.02-vgpu-kvm.run", Some("550.144.02")),
            ("NVIDIA-Linux-x86_64-580.95.02-vgpu-kvm-aie.run", Some("580.95.02")),
            ("NVIDIA-GRID-Linux-KVM-580.178.05-580.178.04-582.78.zip", Some("580.178.05")),
            ("NVIDIA-GRID-vSphere-8.0-550.90.05-550.90.07-552.55.zip", Some("550.90.05")),
            ("NVIDIA-Linux-x86_64-550.90.07-grid.run", None),
            ("driver.run", None),
            ("drivers.zip", None),
        ] {
            assert_eq!(version(name).as_deref(), expected, "{name}");
        }
    }
}
