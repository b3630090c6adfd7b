//! Which file of a folder is the driver.

use vgpu_manifest::driver::DriverKind;

use super::answer::{Entry, ListAnswer};
use super::{AlistError, AlistSource};
use crate::driver::{FileName, Hypervisor};

/// What a folder has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing that is wanted.
    None,
    /// This file.
    One(String),
}

/// The driver itself. Packages that somebody has patched are not called as NVIDIA calls its own,
/// so they are never taken for one.
pub(super) fn choose(source: &AlistSource, list: &ListAnswer) -> Result<Found, AlistError> {
    let is_it = |entry: &&Entry| match FileName::of(&entry.name) {
        FileName::Driver(kind, version) => {
            kind == source.driver && source.version.as_ref().is_none_or(|wanted| *wanted == version)
        }
        _ => false,
    };
    one(list.content().iter().filter(|entry| !entry.is_dir).filter(is_it))
}

/// The archive of the portal that has it. Its name begins with the version of the host driver.
pub(super) fn fallback(source: &AlistSource, list: &ListAnswer) -> Result<Found, AlistError> {
    let is_it = |entry: &&Entry| {
        let is_ours = matches!(FileName::of(&entry.name), FileName::Portal(Hypervisor::LinuxKvm));
        let stem = entry.name.trim_end_matches(".zip");
        let names = |version: &str| stem.split('-').any(|part| part == version);
        is_ours && source.version.as_ref().is_none_or(|version| names(version.as_str()))
    };
    one(list.content().iter().filter(|entry| !entry.is_dir).filter(is_it))
}

fn one<'e>(found: impl Iterator<Item = &'e Entry>) -> Result<Found, AlistError> {
    let mut names: Vec<String> = found.map(|entry| entry.name.clone()).collect();
    match names.len() {
        0 => Ok(Found::None),
        1 => Ok(Found::One(names.remove(0))),
        _ => Err(AlistError::Several(names)),
    }
}

/// The folders in which NVIDIA's archives have such drivers, unpacked with or without the folder
/// around them.
pub(super) fn folders(driver: DriverKind, list: &ListAnswer) -> Vec<String> {
    let own = match driver {
        DriverKind::Host | DriverKind::ConfigOnly => "Host_Drivers",
        DriverKind::Guest | DriverKind::WindowsGuest => "Guest_Drivers",
    };
    let is_it = |entry: &&Entry| {
        entry.is_dir && (entry.name == own || entry.name.starts_with("NVIDIA-GRID-Linux-KVM"))
    };
    list.content().iter().filter(is_it).map(|entry| entry.name.clone()).collect()
}
