use vgpu_manifest::ItemName;
use vgpu_manifest::image::ImageRecord;

use super::archive::{Digests, read_digests};
use super::{ImageError, ImageSource};
use crate::lock::{Lock, Pin};
use crate::recipe::Entry;
use crate::source::{Expected, Origin, SourceError, Sources};

/// What the images among `entries` are, which turned out to be `pins`.
///
/// An archive that the `previous` lock describes is not needed for that.
pub(crate) fn records(
    sources: &Sources<'_>,
    entries: &[Entry],
    pins: &[Pin],
    previous: Option<&Lock>,
) -> Result<Vec<ImageRecord>, SourceError> {
    let mut records = Vec::new();
    for (entry, pin) in entries.iter().zip(pins) {
        let Origin::Image(source) = &entry.origin else { continue };
        let known = previous.and_then(|lock| lock.image_of(&entry.name, pin.sha256));
        records.push(match known {
            Some(record) => record.clone(),
            None => read(sources, entry, source, *pin)?,
        });
    }
    Ok(records)
}

/// What the archive says.
fn read(
    sources: &Sources<'_>,
    entry: &Entry,
    source: &ImageSource,
    pin: Pin,
) -> Result<ImageRecord, SourceError> {
    let item = &entry.name;
    let want = Expected {
        name: item,
        sha256: Some(pin.sha256),
        size: Some(pin.size),
        cap: entry.max_size,
    };
    sources.obtain(&entry.origin, want)?;
    let error = |error| SourceError::image(item, source, error);
    let cache = sources.fetcher.cache.cache();
    let file = cache.open_content(pin.sha256).map_err(|source| error(source.into()))?;
    let Digests { manifest, id, original } =
        read_digests(file).map_err(|source| error(ImageError::Read(source)))?;
    let reference = source.image.reference().clone();
    Ok(ImageRecord { item: ItemName::clone(item), reference, digest: manifest, id, original })
}

/// A line for each image, for people.
pub(crate) fn lines(images: &[ImageRecord]) -> Vec<String> {
    let line = |ImageRecord { item, reference, digest, original, .. }: &ImageRecord| {
        let original = original.map(|original| {
            format!(", rewritten from Docker's form, which has sha256:{original} in the registry")
        });
        format!("{item}: image {reference}, sha256:{digest}{}", original.unwrap_or_default())
    };
    images.iter().map(line).collect()
}
