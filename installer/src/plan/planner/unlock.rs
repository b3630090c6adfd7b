use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::unlock::{GlibcVersion, UnlockRecord};
use vgpu_manifest::{Item, Kind, Manifest, Mode};

use super::Unsuitable;
use super::driver::DAEMONS;
use crate::component::Component;
use crate::gpus::vgpu::Vgpu;
use crate::state::fixed;
use crate::step::{BuildUnlock, LIBRARY, PlaceFile, PlaceItem, Step, UnlockSource};

/// Plans the presentation of a GPU as another one, or only the overrides of vGPU types.
pub(super) fn steps(
    manifest: &Manifest,
    facts: &Inventory,
    vgpu: &Vgpu,
) -> Result<Vec<Step>, Unsuitable> {
    let overrides = &manifest.wants.overrides;
    let config = &manifest.wants.unlock;
    if vgpu.unlock.is_none() && overrides.is_empty() && config.is_empty() {
        return Ok(Vec::new());
    }
    let sources = sources(manifest, vgpu)?;
    let mut steps = vec![library(manifest, facts, sources)?];
    for daemon in DAEMONS {
        let path = format!("/etc/systemd/system/{daemon}.d/vgpu-offline.conf");
        let text = format!("[Service]\nEnvironment=LD_PRELOAD={LIBRARY}\n");
        steps.push(file(&path, text));
    }
    let text = config.to_toml(vgpu.unlock.is_some());
    steps.push(file("/etc/vgpu_unlock/config.toml", text));
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

/// Returns the sources that support the driver; if none is known to, the bundle's first ones, whose
/// overrides the driver may ignore.
fn sources<'m>(
    manifest: &'m Manifest,
    vgpu: &Vgpu,
) -> Result<(&'m Item, &'m UnlockRecord), Unsuitable> {
    let wanted = vgpu.unlock.as_ref().and_then(|unlock| unlock.library.as_ref());
    let fits = |record: &UnlockRecord| wanted.is_some() && record.library.as_ref() == wanted;
    let found = manifest.records(Kind::unlock).find(|(_, record)| fits(record));
    let none = "the bundle has no unlock library, which the GPU or the bundle's overrides require";
    found
        .or_else(|| manifest.records(Kind::unlock).next())
        .ok_or_else(|| Unsuitable::Reason(none.to_owned()))
}

/// Returns the prebuilt library if the host's glibc can load it, else its sources.
fn library(
    manifest: &Manifest,
    facts: &Inventory,
    (source, record): (&Item, &UnlockRecord),
) -> Result<Step, Unsuitable> {
    let here = glibc(facts);
    let built = manifest.records(|kind| kind.library_of(source.name())).next();
    if let Some((item, library)) = built
        && here.is_none_or(|here| here >= library.glibc)
    {
        return Ok(Step::PlaceItem(PlaceItem {
            item: item.name().clone(),
            content: item.into(),
            path: fixed(LIBRARY),
            mode: Mode::FILE,
            component: Component::Unlock,
        }));
    }
    let has = |name: &str| {
        facts.packages.iter().any(|package| package.name.as_str() == name)
            || manifest.has_package(name)
    };
    if !["cargo", "cargo-web"].iter().any(|name| has(name)) {
        let why = match here.zip(built) {
            Some((here, (_, library))) => format!(
                "the unlock library needs glibc {}, but this host has {here}",
                library.glibc
            ),
            None => "the bundle has only the sources of the unlock library".to_owned(),
        };
        return Err(Unsuitable::Reason(format!(
            "{why}, and the bundle has no `cargo` to build the unlock library"
        )));
    }
    Ok(Step::BuildUnlock(BuildUnlock {
        source: UnlockSource { item: source.name().clone(), content: source.into() },
        commit: record.commit.clone(),
    }))
}

/// Returns the glibc version from that of its package: `2.36-9+deb12u7`.
fn glibc(facts: &Inventory) -> Option<GlibcVersion> {
    let package = facts.packages.iter().find(|package| package.name.as_str() == "libc6")?;
    package.version.as_str().split(['-', '+']).next()?.parse().ok()
}
