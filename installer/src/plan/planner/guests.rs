use std::collections::BTreeSet;
use std::fmt::Write as _;

use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::driver::{DriverKind, DriverRecord};
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::{ItemName, Kind, Manifest};

use super::{GuestTools, Surroundings, Unsuitable, content};
use crate::host::Content;
use crate::state::below_dir;
use crate::step::{GuestFile, GuestImage, GuestSource, Step};

/// Plans the image with the bundle's guest drivers and the files for guest licensing.
pub(super) fn steps(
    manifest: &Manifest,
    facts: &Inventory,
    tools: GuestTools,
    around: &Surroundings,
) -> Result<Option<Step>, Unsuitable> {
    let mut files = Vec::new();
    let mut readme = README.to_owned();
    let mut add = |folder: &str, item: &ItemName, content: Content, note: &str| {
        let name = item.as_str().rsplit('/').next().unwrap_or_default();
        let place = format!("{folder}/{name}");
        // Writing to a string cannot fail.
        let _ = write!(readme, "\n{place}\n    {note}\n");
        files.push(GuestFile { place, from: GuestSource::Item { name: item.clone(), content } });
    };
    let hosts: Vec<_> = manifest
        .records(Kind::driver)
        .filter(|(_, record)| record.kind == DriverKind::Host)
        .map(|(_, record)| record.version.clone())
        .collect();
    for (item, record) in manifest.records(Kind::driver) {
        let Some(folder) = folder(record) else { continue };
        let mut note = says(record);
        if let Some(host) = hosts.iter().find(|host| is_newer(record, host)) {
            // Writing to a string cannot fail.
            let _ = write!(note, "; newer than the branch of the host driver {host}");
        }
        add(folder, item.name(), item.into(), &note);
    }
    if tools == GuestTools::OnImage {
        for tool in &manifest.wants.guest_tools {
            add(TOOLS, &tool.item, content(manifest, &tool.item)?, TOOL);
        }
    }
    let text = |place, text| GuestFile { place, from: GuestSource::Text(text) };
    if let Some(guests) = &around.guests {
        let named = |(name, content)| text(format!("{LICENSE}/{name}"), content);
        files.extend(guests.files().into_iter().map(named));
        let _ = write!(readme, "\n{LICENSE}\n    licensing: see license-readme.txt\n");
    }
    if files.is_empty() {
        return Ok(None);
    }
    // CRLF, for editors on Windows.
    files.push(text("README.txt".to_owned(), readme.replace('\n', "\r\n")));
    check(&files)?;
    let on_node = facts.packages.iter().any(|package| package.name.as_str() == GENISOIMAGE);
    let mut brought = manifest.records(Kind::package);
    if !on_node && !brought.any(|(_, package)| package.name.as_str() == GENISOIMAGE) {
        return Err(Unsuitable::NoGenisoimage);
    }
    let storage = around.iso_storage.as_ref().ok_or(Unsuitable::NoImageStorage)?;
    Ok(Some(Step::GuestImage(GuestImage {
        path: below_dir(&storage.folder, &format!("{}-guests.iso", manifest.name)),
        storage: storage.name.clone(),
        made: i64::try_from(manifest.created).unwrap_or(i64::MAX),
        files,
    })))
}

fn check(files: &[GuestFile]) -> Result<(), Unsuitable> {
    let mut seen = BTreeSet::new();
    for GuestFile { place, from } in files {
        let size = from.size();
        let why = if u32::try_from(size).is_err() {
            // The length of a file in a CD image has 32 bits.
            format!(
                "`{place}` has {size} bytes, but a file in a CD image must be smaller than 4 GiB"
            )
        } else if place.ends_with('.') {
            format!("`{place}` ends with a dot, and Windows cannot open it")
        } else if !seen.insert(place.to_lowercase()) {
            // Windows would show only one of them.
            format!("the image has two files `{place}`, if case is ignored")
        } else {
            continue;
        };
        return Err(Unsuitable::Reason(format!("cannot build the guest image: {why}")));
    }
    Ok(())
}

/// The package of the program that makes the image.
const GENISOIMAGE: &str = "genisoimage";

/// The folder with the files for guest licensing.
const LICENSE: &str = "license";

/// The folder with guest tools, and the note on each.
const TOOLS: &str = "tools";
const TOOL: &str = "supplied by the author of the bundle; nothing runs it automatically";

const README: &str = "\
Drivers for guests with a vGPU.

A guest driver must be of the same branch as the host driver, or of an older branch
that NVIDIA supports with it; with a newer branch, a guest stays unlicensed.
Windows guests need UEFI firmware (OVMF); with SeaBIOS, some stay unlicensed.
The versions are:
";

/// Returns the folder for a guest operating system; `None` if the item is not for guests.
fn folder(record: &DriverRecord) -> Option<&'static str> {
    match record.kind {
        DriverKind::Guest => Some("linux"),
        DriverKind::WindowsGuest => Some("windows"),
        DriverKind::Host | DriverKind::ConfigOnly => None,
    }
}

/// Checks whether a driver for Linux guests is of a newer branch than a host driver. Versions of
/// drivers for Windows have other numbers.
fn is_newer(guest: &DriverRecord, host: &DriverVersion) -> bool {
    let branch = |version: &DriverVersion| {
        version.to_string().split('.').next().and_then(|number| number.parse::<u16>().ok())
    };
    guest.kind == DriverKind::Guest && branch(&guest.version) > branch(host)
}

fn says(record: &DriverRecord) -> String {
    let version = &record.version;
    match record.kind {
        DriverKind::WindowsGuest => format!("version {version}, for Windows: open it"),
        _ => format!("version {version}, for Linux: as root, run it with sh"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_driver_of_a_newer_branch_than_the_hosts_is_named() {
        let newer = |kind, version: &str| {
            let version = version.parse().unwrap();
            let guest = DriverRecord { version, kind, ..crate::plan::tests::host_driver() };
            is_newer(&guest, &"535.230.02".parse().unwrap())
        };
        assert!(newer(DriverKind::Guest, "550.90.07"));
        assert!(!newer(DriverKind::Guest, "535.309.01"), "a newer release of the same branch");
        assert!(!newer(DriverKind::Guest, "470.256.02"));
        assert!(!newer(DriverKind::WindowsGuest, "539.19"), "it belongs to the branch 535");
    }

    #[test]
    fn files_that_do_not_fit_into_an_image_are_refused() {
        let file = |place: &str, size| {
            let content = Content { size, ..Content::of(b"") };
            let from = GuestSource::Item { name: "guest/item".parse().unwrap(), content };
            GuestFile { place: place.to_owned(), from }
        };
        let error = |files: &[GuestFile]| check(files).unwrap_err().to_string();
        assert!(error(&[file("linux/a", 1 << 32)]).contains("smaller than 4 GiB"));
        assert!(error(&[file("linux/a", 1), file("linux/A", 1)]).contains("two files `linux/A`"));
        assert!(error(&[file("windows/a.", 1)]).contains("ends with a dot"));
        check(&[file("linux/a", (1 << 32) - 1), file("windows/a", 1)]).unwrap();
    }
}
