//! The `vgpuConfig.xml` of drivers, as a source of the catalog and as an item.

use std::io::Read as _;
use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use vgpu_manifest::database::DriverConfig;
use vgpu_manifest::driver::{DriverKind, DriverRecord};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName};

use super::intake::{keep, open, unpack_again};
use super::{Config, Package, UNREADABLE, unusable, vgpu_config};
use crate::items::source::Sources;
use crate::lock::LockedItem;
use crate::types::{Expected, Origin};

pub(super) const NO_CONFIG: &str =
    "the package has no `vgpuConfig.xml`, the only file requested from it";

/// A driver with its record and the origin of its package.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'k> {
    /// The item: the package or its `vgpuConfig.xml`.
    pub(crate) name: &'k ItemName,
    /// Its record.
    pub(crate) record: &'k DriverRecord,
    /// The origin of its package, or of the archive that contains it.
    pub(crate) origin: &'k Origin,
    /// The digest and size of the item.
    pub(crate) bytes: (Digest, u64),
}

impl<'k> Known<'k> {
    /// Returns the driver of a locked item, if it is one.
    pub(crate) fn of(item: &'k LockedItem) -> Option<Self> {
        let LockedItem { name, kind, origin, sha256, size, .. } = item;
        Some(Self { name, record: kind.driver()?, origin, bytes: (*sha256, *size) })
    }
}

/// Returns the contents of the host drivers' `vgpuConfig.xml` files for the catalog, in the order
/// of their versions.
///
/// The cache has the files since the drivers were examined. If they are missing, the drivers are
/// opened again.
pub(crate) fn configs(
    sources: &Sources<'_>,
    items: &[LockedItem],
) -> anyhow::Result<Vec<DriverConfig>> {
    let mut configs: Vec<DriverConfig> = Vec::new();
    for known in items.iter().filter_map(Known::of) {
        let record = known.record;
        let Some(digest) = record.config else { continue };
        if configs.iter().any(|config| config.driver == record.version) {
            // The same file can be an item of its own and a part of the driver.
            continue;
        }
        config_again(sources, known, digest)?;
        let config = read(sources, digest).with_context(|| unusable(known.name))?;
        configs.push(DriverConfig { driver: record.version.clone(), config });
    }
    configs.sort_by(|a, b| a.driver.cmp(&b.driver));
    Ok(configs)
}

fn read(
    sources: &Sources<'_>,
    digest: Digest,
) -> anyhow::Result<vgpu_manifest::driver::VgpuConfig> {
    let mut bytes = Vec::new();
    open(sources, digest)?.read_to_end(&mut bytes).context(UNREADABLE)?;
    vgpu_config::parse(&bytes)
}

/// Restores a `vgpuConfig.xml` in the cache if it is missing.
pub(crate) fn config_again(
    sources: &Sources<'_>,
    known: Known<'_>,
    digest: Digest,
) -> anyhow::Result<()> {
    let cache = sources.fetcher.cache;
    if cache.cache().has(digest) {
        cache.touch(digest, SystemTime::now());
        return Ok(());
    }
    let Known { name, record, bytes, .. } = known;
    let package = record.package.map_or(bytes, |file| (file.sha256, file.size));
    package_again(sources, known, package)?;
    let found = taken_out(sources, name, package.0);
    let kept = found.and_then(|found| Ok(keep(sources, &found.bytes)?));
    let kept = kept.with_context(|| unusable(name))?;
    ensure!(
        kept == digest,
        "item `{name}` cannot be used: the `vgpuConfig.xml` of the driver differs from the locked one"
    );
    Ok(())
}

/// Opens the package of a driver.
fn package_again(
    sources: &Sources<'_>,
    Known { name, record, origin, .. }: Known<'_>,
    (sha256, size): (Digest, u64),
) -> anyhow::Result<()> {
    if sources.fetcher.cache.cache().has(sha256) {
        return Ok(());
    }
    if let Some(archive) = &record.archive {
        return unpack_again(sources, name, origin, archive, sha256);
    }
    let cap = ByteSize::new(size);
    let want = Expected { name, sha256: Some(sha256), size: Some(size), cap };
    sources.obtain(origin, want).map(drop).with_context(|| unusable(name))
}

/// Returns the `vgpuConfig.xml` of a host driver from the cache.
fn taken_out(sources: &Sources<'_>, item: &ItemName, package: Digest) -> anyhow::Result<Config> {
    let transfer = sources.fetcher.ui.transfer("examine", item.as_str());
    let package = Package::open(open(sources, package)?)?;
    package.expect(DriverKind::Host)?;
    let examined = package.examine(None, &[])?;
    let config = examined.config.context(NO_CONFIG)?;
    transfer.done(config.bytes.len() as u64);
    Ok(config)
}
