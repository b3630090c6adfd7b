use std::io::Read as _;

use anyhow::Context as _;
use vgpu_manifest::driver::{DriverRecord, PatchedFile, VgpuConfig};
use vgpu_manifest::ui::count;
use vgpu_manifest::{Digest, ItemName, Kind};

use super::{UNREADABLE, vgpu_config};
use crate::cache::Cache;
use crate::types::releases;

/// Returns a line for each driver, and one for each file that its patches change.
pub(crate) fn lines<'k>(
    items: &(impl Iterator<Item = (&'k ItemName, &'k Kind)> + Clone),
) -> Vec<String> {
    let mut lines = Vec::new();
    for (item, record) in items.clone().filter_map(|(item, kind)| Some((item, kind.driver()?))) {
        let DriverRecord { kind, variant, gpus, archive, .. } = record;
        let supports = match gpus.len() {
            0 => String::new(),
            number => format!(", supports {} natively", count(number, "GPU")),
        };
        let from = archive.as_ref().map_or_else(String::new, |archive| {
            format!(", from `{}` in {}", archive.member, short(archive.sha256))
        });
        lines.push(format!(
            "{item}: {kind} driver {}{}{supports}{from}",
            version(record),
            variant.note()
        ));
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

/// Returns the version of a driver and its NVIDIA vGPU releases.
fn version(record: &DriverRecord) -> String {
    match releases(record)[..] {
        [] => record.version.to_string(),
        ref releases => format!("{} (vGPU {})", record.version, releases.join(", ")),
    }
}

/// Returns an abbreviated digest.
fn short(digest: Digest) -> String {
    digest.to_string()[..12].to_owned()
}

/// Returns a summary of a driver's `vgpuConfig.xml`: its vGPU types, and the maximum of each on a
/// GPU.
///
/// `None` if the driver has none, or if the cache has lost it. `lock` restores the file for a new
/// driver only.
pub(crate) fn config_of(
    cache: &Cache,
    record: &DriverRecord,
) -> anyhow::Result<Option<VgpuConfig>> {
    let content = record.config.and_then(|digest| cache.open_content(digest).ok());
    let Some(mut file) = content else { return Ok(None) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).context(UNREADABLE)?;
    vgpu_config::parse(&bytes).map(Some)
}
