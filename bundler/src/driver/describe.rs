use std::io::Read as _;

use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::driver::{DriverKind, DriverRecord, PatchedFile, VgpuConfig};
use vgpu_manifest::{Digest, ItemName, Kind};

use super::{DriverError, vgpu_config};
use crate::cache::Cache;

/// A line for each driver, and one for each file that its patches change.
pub(crate) fn lines<'k>(
    items: impl Iterator<Item = (&'k ItemName, &'k Kind)> + Clone,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (item, record) in items.clone().filter_map(|(item, kind)| Some((item, kind.driver()?))) {
        let DriverRecord { kind, gpus, archive, .. } = record;
        let supports = match gpus.len() {
            0 => String::new(),
            count => format!(", supports {count} GPUs natively"),
        };
        let from = archive.as_ref().map_or_else(String::new, |archive| {
            format!(", from `{}` in {}", archive.member, short(archive.sha256))
        });
        lines.push(format!("{item}: {kind} driver {}{supports}{from}", version(record)));
        let patches = items.clone().filter_map(|(name, kind)| Some((name, kind.patch_of(item)?)));
        for (name, patch) in patches {
            lines.push(format!("  patched by {name}"));
            lines.extend(patch.files.iter().map(|PatchedFile { path, before, after }| {
                let side = |digest: &Option<Digest>| digest.map_or("nothing".to_owned(), short);
                format!("    {path}: {} → {}", side(before), side(after))
            }));
        }
    }
    lines
}

/// The version of a driver, with the release of NVIDIA vGPU that it belongs to.
fn version(record: &DriverRecord) -> String {
    match releases(record)[..] {
        [] => record.version.to_string(),
        ref releases => format!("{} (vGPU {})", record.version, releases.join(", ")),
    }
}

/// The releases of NVIDIA vGPU that a driver belongs to, as far as they are known.
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

/// The beginning of a digest tells two apart, for people.
fn short(digest: Digest) -> String {
    digest.to_string()[..12].to_owned()
}

/// What a driver's `vgpuConfig.xml` says: its vGPU types, and how many of which a GPU holds.
///
/// `None` if it has none, or if the cache has lost it, which `lock` mends for a new driver only.
pub(crate) fn config_of(
    cache: &Cache,
    record: &DriverRecord,
) -> Result<Option<VgpuConfig>, DriverError> {
    let content = record.config.and_then(|digest| cache.open_content(digest).ok());
    let Some(mut file) = content else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(DriverError::Read)?;
    vgpu_config::parse(&bytes).map(Some)
}
