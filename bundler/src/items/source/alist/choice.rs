//! Selects the driver file in a folder.

use anyhow::bail;
use vgpu_manifest::driver::DriverKind;

use super::answer::{Entry, ListAnswer};
use super::shown;
use crate::types::{AlistSource, FileName, Hypervisor};

/// The result of a selection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No match.
    None,
    /// This file.
    One(String),
}

/// Matches the driver itself. Third-party patched packages have other names, so they never match.
pub(super) fn choose(source: &AlistSource, list: &ListAnswer) -> anyhow::Result<Found> {
    let is_it = |entry: &&Entry| match FileName::of(&entry.name) {
        FileName::Driver(kind, version) => {
            kind == source.driver && source.version.as_ref().is_none_or(|wanted| *wanted == version)
        }
        _ => false,
    };
    one(list.content().iter().filter(|entry| !entry.is_dir).filter(is_it))
}

/// Matches the portal archive that contains it. Its name begins with the version of the host
/// driver.
pub(super) fn fallback(source: &AlistSource, list: &ListAnswer) -> anyhow::Result<Found> {
    let is_it = |entry: &&Entry| {
        let is_ours = matches!(FileName::of(&entry.name), FileName::Portal(Hypervisor::LinuxKvm));
        let stem = entry.name.trim_end_matches(".zip");
        let names = |version: &str| stem.split('-').any(|part| part == version);
        is_ours && source.version.as_ref().is_none_or(|version| names(version.as_str()))
    };
    one(list.content().iter().filter(|entry| !entry.is_dir).filter(is_it))
}

fn one<'e>(found: impl Iterator<Item = &'e Entry>) -> anyhow::Result<Found> {
    let mut names: Vec<String> = found.map(|entry| entry.name.clone()).collect();
    match names.len() {
        0 => Ok(Found::None),
        1 => Ok(Found::One(names.remove(0))),
        _ => bail!(
            "it has several such drivers; name the item after the one that you want: {}",
            shown(&names)
        ),
    }
}

/// The folders of such drivers in NVIDIA's archives, unpacked with or without the outer folder.
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
