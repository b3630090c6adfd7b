use std::fmt::Write as _;

use vgpu_manifest::driver::{DriverKind, DriverRecord};
use vgpu_manifest::{Kind, Manifest};

use super::{GuestTools, Surroundings, Unsuitable, content};
use crate::iso::Place;
use crate::license::guest::Guests;
use crate::state::below_dir;
use crate::step::{GuestFile, GuestImage, GuestSource, Step};

/// Plans the image with the bundle's guest drivers and the files for guest licensing.
pub(super) fn steps(
    manifest: &Manifest,
    tools: GuestTools,
    around: &Surroundings,
) -> Result<Option<Step>, Unsuitable> {
    let mut files = Vec::new();
    let mut readme = README.to_owned();
    for (item, record) in manifest.records(Kind::driver) {
        let Some(folder) = folder(record) else { continue };
        let name = item.name().as_str().rsplit('/').next().unwrap_or_default();
        let place = Place { folder: Some(folder.parse()?), name: name.parse()? };
        // Writing to a string cannot fail.
        let _ = write!(readme, "\n{place}\n    {}\n", says(record));
        let (name, content) = (item.name().clone(), item.into());
        files.push(GuestFile { place, from: GuestSource::Item { name, content } });
    }
    for (name, text) in around.guests.iter().flat_map(Guests::files) {
        let place = Place { folder: Some(LICENSE.parse()?), name: name.parse()? };
        files.push(GuestFile { place, from: GuestSource::Text(text) });
    }
    if tools == GuestTools::OnImage {
        for tool in &manifest.wants.guest_tools {
            let name = tool.item.as_str().rsplit('/').next().unwrap_or_default();
            let place = Place { folder: Some(TOOLS.parse()?), name: name.parse()? };
            let _ = write!(readme, "\n{place}\n    {TOOL}\n");
            let content = content(manifest, &tool.item)?;
            files.push(GuestFile {
                place,
                from: GuestSource::Item { name: tool.item.clone(), content },
            });
        }
    }
    if files.is_empty() {
        return Ok(None);
    }
    if around.guests.is_some() {
        let _ = write!(readme, "\n{LICENSE}\n    licensing: see license-readme.txt\n");
    }
    // CRLF, for editors on Windows.
    let text = GuestSource::Text(readme.replace('\n', "\r\n"));
    let place = Place { folder: None, name: "README.txt".parse()? };
    files.push(GuestFile { place, from: text });
    let storage = &around.iso_storage;
    let image = GuestImage {
        path: below_dir(&storage.folder, &format!("{}-guests.iso", manifest.name)),
        storage: storage.name.clone(),
        made: i64::try_from(manifest.created).unwrap_or(i64::MAX),
        files,
    };
    image.pieces()?;
    Ok(Some(Step::GuestImage(image)))
}

/// The folder with the files for guest licensing.
const LICENSE: &str = "license";

/// The folder with guest tools, and the note on each.
const TOOLS: &str = "tools";
const TOOL: &str = "supplied by the author of the bundle; nothing runs it automatically";

const README: &str = "\
Drivers for guests with a vGPU.

A guest driver must be of the same branch as the host driver, or of a branch that
NVIDIA supports with it. The versions are:
";

/// Returns the folder for a guest operating system; `None` if the item is not for guests.
fn folder(record: &DriverRecord) -> Option<&'static str> {
    match record.kind {
        DriverKind::Guest => Some("linux"),
        DriverKind::WindowsGuest => Some("windows"),
        DriverKind::Host | DriverKind::ConfigOnly => None,
    }
}

fn says(record: &DriverRecord) -> String {
    let version = &record.version;
    match record.kind {
        DriverKind::WindowsGuest => format!("version {version}, for Windows: open it"),
        _ => format!("version {version}, for Linux: as root, run it with sh"),
    }
}
