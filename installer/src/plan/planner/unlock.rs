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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vgpu_manifest::platform::{BootLoader, CpuVendor};
    use vgpu_manifest::unlock::LibraryRecord;
    use vgpu_manifest::verdict::Config;

    use super::*;
    use crate::gpus::vgpu::UnlockNeed;
    use crate::plan::tests::planner::{facts, item_of, manifest};

    const NEEDS_UNLOCK: Option<UnlockNeed> =
        Some(UnlockNeed { library: None, config: Config::Own });

    fn vgpu(unlock: Option<UnlockNeed>) -> Vgpu {
        let native = unlock.is_none();
        let (driver, args, gpus) = ("535.230.02".parse().unwrap(), Vec::new(), BTreeSet::new());
        Vgpu { driver, args, unlock, native, gpus }
    }

    /// Returns the placed texts, by path.
    fn texts(wants: &str, unlock: Option<UnlockNeed>) -> Result<Vec<(String, String)>, Unsuitable> {
        let mut manifest = manifest(wants);
        let source = r#"{"commit": "COMMIT", "tree": {"unpacked": 1, "window-log": 22}}"#
            .replace("COMMIT", &"71ec870".repeat(6)[..40]);
        let source = serde_json::from_str(&source).unwrap();
        let library = LibraryRecord {
            source: "unlock.tar.zst".parse().unwrap(),
            glibc: GlibcVersion::new(2, 31),
        };
        manifest.items.push(item_of("unlock.tar.zst", Kind::UnlockSource(source)));
        manifest.items.push(item_of("unlock.so", Kind::UnlockLibrary(library)));
        let facts = facts(CpuVendor::Amd, Some(BootLoader::Grub));
        let steps = steps(&manifest, &facts, &vgpu(unlock))?;
        let placed = steps.into_iter().filter_map(|step| match step {
            Step::PlaceFile(it) => Some((it.path.to_string(), it.text)),
            _ => None,
        });
        Ok(placed.collect())
    }

    #[test]
    fn the_keys_of_the_recipe_reach_the_library() {
        let wants = r#"{"unlock": {"unlock_migration": true, "pci_info_map":
            {"0x2204": {"device_id": 7728, "sub_system_id": 4810}}}}"#;
        let keys = "unlock_migration = true\n\n[pci_info_map.\"0x2204\"]\ndevice_id = 0x1e30\n\
                    sub_system_id = 0x12ca\n";
        for (unlock, word) in [(NEEDS_UNLOCK, "true"), (None, "false")] {
            let texts = texts(wants, unlock).unwrap();
            let config = texts.iter().find(|(path, _)| path == "/etc/vgpu_unlock/config.toml");
            assert_eq!(config.unwrap().1, format!("unlock = {word}\n{keys}"));
            let [library, _] = ["nvidia-vgpud", "nvidia-vgpu-mgr"].map(|daemon| {
                let path = format!("/etc/systemd/system/{daemon}.service.d/vgpu-offline.conf");
                texts.iter().find(|(it, _)| *it == path).unwrap().1.clone()
            });
            assert_eq!(library, format!("[Service]\nEnvironment=LD_PRELOAD={LIBRARY}\n"));
        }
        assert!(
            texts("{}", None).unwrap().is_empty(),
            "a native GPU without keys needs no library"
        );
    }
}
