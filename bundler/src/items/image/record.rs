use anyhow::Context as _;
use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::{ItemName, Kind};

use super::archive::{Digests, read_digests};
use super::unavailable;
use crate::items::source::Sources;
use crate::lock::Lock;
use crate::recipe::Entry;
use crate::types::{Expected, ImageSource, Origin, Pin};

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
        let Origin::Image(source) = &entry.origin else { continue };
        let known = previous.and_then(|lock| lock.item(&entry.name));
        let known = known.filter(|item| item.sha256 == pin.sha256);
        pin.kind = Kind::Image(match known.and_then(|item| item.kind.image()) {
            Some(record) => record.clone(),
            None => read(sources, entry, source, pin)?,
        });
    }
    Ok(())
}

/// Reads the record from the archive.
fn read(
    sources: &Sources<'_>,
    entry: &Entry,
    source: &ImageSource,
    pin: &Pin,
) -> anyhow::Result<ImageRecord> {
    let item = &entry.name;
    let want = Expected {
        name: item,
        sha256: Some(pin.sha256),
        size: Some(pin.size),
        cap: entry.max_size,
    };
    sources.obtain(&entry.origin, want)?;
    let cache = sources.fetcher.cache.cache();
    let digests = || {
        let file = cache.open_content(pin.sha256)?;
        read_digests(file).context("cannot read the archive of the image")
    };
    let Digests { manifest, id, original } =
        digests().with_context(|| unavailable(item, source))?;
    let reference = source.image.reference().clone();
    Ok(ImageRecord { reference, digest: manifest, id, original })
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
