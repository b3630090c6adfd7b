use anyhow::Context as _;
use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::{ItemName, Kind};

use super::archive::read_record;
use crate::items::source::Sources;
use crate::lock::Lock;
use crate::recipe::Entry;
use crate::types::{Expected, Origin, Pin};

/// Adds the records of the images among `entries` to their `pins`.
///
/// An archive with a record in the `previous` lock is not read.
pub(crate) fn records(
    sources: &Sources<'_>,
    entries: &[Entry],
    pins: &mut [Pin],
    previous: Option<&Lock>,
) -> anyhow::Result<()> {
    for (entry, pin) in entries.iter().zip(pins) {
        if !matches!(entry.origin, Origin::Image(_) | Origin::SavedImage(_)) {
            continue;
        }
        let known = previous.and_then(|lock| lock.item(&entry.name));
        let known = known.filter(|item| item.sha256 == pin.sha256);
        pin.kind = Kind::Image(match known.and_then(|item| item.kind.image()) {
            Some(record) => record.clone(),
            None => read(sources, entry, pin)?,
        });
    }
    Ok(())
}

/// Reads the record from the archive.
fn read(sources: &Sources<'_>, entry: &Entry, pin: &Pin) -> anyhow::Result<ImageRecord> {
    let item = &entry.name;
    let want = Expected {
        name: item,
        sha256: Some(pin.sha256),
        size: Some(pin.size),
        cap: entry.max_size,
    };
    sources.obtain(&entry.origin, want)?;
    let cache = sources.fetcher.cache.cache();
    let file = cache.open_content(pin.sha256)?;
    read_record(file).with_context(|| format!("cannot read the image archive of item `{item}`"))
}

/// Returns a line of output for each image.
pub(crate) fn lines<'k>(items: impl Iterator<Item = (&'k ItemName, &'k Kind)>) -> Vec<String> {
    let line = |(item, kind): (&ItemName, &Kind)| {
        let ImageRecord { reference, digest, original, .. } = kind.image()?;
        let original = original.map(|original| {
            format!(", rewritten from Docker's form, which has sha256:{original} in the registry")
        });
        Some(format!("{item}: image {reference}, sha256:{digest}{}", original.unwrap_or_default()))
    };
    items.filter_map(line).collect()
}
