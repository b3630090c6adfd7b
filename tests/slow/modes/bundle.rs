//! Bundles for the three modes, as the bundler would describe the same files.

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::database;
use vgpu_tests::kit::{Kit, archive, kind};
use vgpu_tests::roots::Release;

use super::stage::TOOLCHAIN;
use crate::node::driver::driver;
use crate::node::packages::take;

/// The content of a bundle besides the catalog.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) release: Release,
    /// The versions of the drivers; the first one is installed.
    pub(crate) drivers: Vec<&'static str>,
    /// Whether the drivers are patched before the installation.
    pub(crate) patched: Patched,
    pub(crate) packages: Vec<Value>,
    /// The unlock libraries and their sources.
    pub(crate) unlock: Vec<Value>,
    /// The `wants` section of the bundle.
    pub(crate) wants: Value,
}

/// Whether a driver is patched before the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patched {
    /// Patched, with the stand-in's unlock patch.
    Yes,
    /// Unmodified.
    No,
}

/// Returns the settings that every host needs for a GPU.
pub(crate) fn wants() -> Value {
    json!({
        "iommu": "on",
        "modprobe": ["blacklist nouveau", "options nouveau modeset=0"],
    })
}

/// Adds the files of the toolchain.
pub(crate) fn packages(kit: &mut Kit, files: &[Utf8PathBuf]) -> Vec<Value> {
    let reason = |file: &Utf8PathBuf| {
        let name = file.file_name().unwrap().split('_').next().unwrap();
        if TOOLCHAIN.contains(&name) { "requested" } else { "needed" }
    };
    files.iter().map(|file| take(kit, file, reason(file))).collect()
}

impl Content {
    /// Writes the bundle.
    pub(crate) fn bundle(&self, kit: &mut Kit, sequence: u64) -> Utf8PathBuf {
        let Self { release, drivers, patched, packages, unlock, wants } = self;
        let mut kinds: Vec<_> = drivers.iter().flat_map(|version| driver(kit, version)).collect();
        if *patched == Patched::No {
            kinds.retain(|kind| kind["kind"]["patch"].is_null());
        }
        kinds.extend(packages.iter().chain(unlock).cloned());
        kit.bytes("apt/InRelease", "evidence\n");
        let database = database::write(&Catalog::embedded(), &[]).unwrap();
        kit.bytes("catalog.db", database);
        kinds.push(kind("catalog.db", "catalog", json!({})));
        kit.bundle(
            sequence,
            json!({
                "kinds": kinds,
                "archives": [archive("main", release.codename(), "apt/InRelease")],
                "wants": wants,
            }),
        )
    }
}
