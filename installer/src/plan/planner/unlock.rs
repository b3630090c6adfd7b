use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::unlock::{GlibcVersion, UnlockRecord};
use vgpu_manifest::{Content as ItemContent, Manifest, Mode};

use super::driver::DAEMONS;
use super::{Unsuitable, content};
use crate::component::Component;
use crate::state::fixed;
use crate::step::{BuildUnlock, LIBRARY, PlaceFile, PlaceItem, Step, UnlockSource};
use crate::vgpu::Vgpu;

/// What makes a card look like another, or only changes what vGPU types are like.
pub(super) fn steps(
    manifest: &Manifest,
    facts: &Inventory,
    vgpu: &Vgpu,
) -> Result<Vec<Step>, Unsuitable> {
    let overrides = &manifest.wants.overrides;
    if vgpu.unlock.is_none() && overrides.is_empty() {
        return Ok(Vec::new());
    }
    let record = record(manifest, vgpu)?;
    let mut steps = vec![library(manifest, facts, record)?];
    for daemon in DAEMONS {
        let path = format!("/etc/systemd/system/{daemon}.d/vgpu-offline.conf");
        let text = format!("[Service]\nEnvironment=LD_PRELOAD={LIBRARY}\n");
        steps.push(file(&path, text));
    }
    let unlocks = vgpu.unlock.is_some();
    steps.push(file("/etc/vgpu_unlock/config.toml", format!("unlock = {unlocks}\n")));
    steps.push(file("/etc/vgpu_unlock/profile_override.toml", overrides.to_toml()));
    Ok(steps)
}

fn file(path: &str, text: String) -> Step {
    Step::PlaceFile(PlaceFile {
        path: fixed(path),
        mode: Mode::FILE,
        text,
        component: Component::Unlock,
    })
}

/// The library that fits the driver; if none is known to, the bundle's first one, whose overrides
/// the driver may ignore.
fn record<'m>(manifest: &'m Manifest, vgpu: &Vgpu) -> Result<&'m UnlockRecord, Unsuitable> {
    let wanted = vgpu.unlock.as_ref().and_then(|unlock| unlock.library.as_ref());
    let fits = |record: &&UnlockRecord| wanted.is_some() && record.library.as_ref() == wanted;
    let found = manifest.unlock.iter().find(fits).or(manifest.unlock.first());
    found.ok_or(Unsuitable::NoUnlock)
}

/// The library as it was built, if this host's glibc can load it, and else from its sources.
fn library(
    manifest: &Manifest,
    facts: &Inventory,
    record: &UnlockRecord,
) -> Result<Step, Unsuitable> {
    let here = glibc(facts);
    if let Some(built) = &record.built
        && here.is_none_or(|here| here >= built.glibc)
    {
        return Ok(Step::PlaceItem(PlaceItem {
            item: built.item.clone(),
            content: content(manifest, &built.item)?,
            path: fixed(LIBRARY),
            mode: Mode::FILE,
            component: Component::Unlock,
        }));
    }
    let item = manifest.item(&record.source);
    let item = item.ok_or_else(|| Unsuitable::NoItem(record.source.clone()))?;
    let ItemContent::Tree { .. } = item.content() else { return Err(Unsuitable::NoUnlock) };
    let has = |name: &str| {
        facts.packages.iter().any(|package| package.name.as_str() == name)
            || manifest.packages.iter().any(|record| record.name.as_str() == name)
    };
    if !["cargo", "cargo-web"].iter().any(|name| has(name)) {
        let needs = record.built.as_ref().map(|built| built.glibc);
        return Err(Unsuitable::NoCompiler { here, needs });
    }
    Ok(Step::BuildUnlock(BuildUnlock {
        source: UnlockSource {
            item: record.source.clone(),
            content: content(manifest, &record.source)?,
        },
        commit: record.commit.clone(),
    }))
}

/// The version of glibc, from that of its package: `2.36-9+deb12u7`.
fn glibc(facts: &Inventory) -> Option<GlibcVersion> {
    let package = facts.packages.iter().find(|package| package.name.as_str() == "libc6")?;
    package.version.as_str().split(['-', '+']).next()?.parse().ok()
}
