use std::io::Read as _;

use anyhow::{Context as _, bail};
use vgpu_manifest::catalog::{Catalog, DriverVersion};
use vgpu_manifest::patch::{ApplyError, MAX_PATCH, Patch};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName};

use super::intake::{make_present, open};
use super::{UNREADABLE, unusable};
use crate::items::source::Sources;
use crate::recipe::Entry;
use crate::types::Pin;

/// Reads the patches for `driver`, unless one is known to be for another version.
pub(super) fn load(
    sources: &Sources<'_>,
    patches: &[(&Entry, &Pin)],
    driver: &ItemName,
    version: &DriverVersion,
) -> anyhow::Result<Vec<Patch>> {
    let load = |(entry, pin): &(&Entry, &Pin)| {
        if let Some(made_for) =
            made_for(&sources.catalog.catalog, entry, pin.sha256).filter(|it| it != version)
        {
            bail!(
                "item `{}` is the patch for the driver {made_for}, but `{driver}` is the driver {version}",
                entry.name
            );
        }
        make_present(sources, entry, pin)?;
        read(sources, pin).with_context(|| unusable(&entry.name))
    };
    patches.iter().map(load).collect()
}

fn read(sources: &Sources<'_>, pin: &Pin) -> anyhow::Result<Patch> {
    if pin.size > MAX_PATCH {
        bail!("the file is larger than the {} allowed for a patch", ByteSize::new(MAX_PATCH));
    }
    let mut bytes = Vec::new();
    open(sources, pin.sha256)?.read_to_end(&mut bytes).context(UNREADABLE)?;
    Ok(Patch::parse(&bytes)?)
}

/// Adds to the error of a driver's examination which of its patches, if any, caused it.
pub(super) fn blame(
    error: anyhow::Error,
    version: &DriverVersion,
    entries: &[(&Entry, &Pin)],
    patches: &[Patch],
) -> anyhow::Error {
    let Some(failed) = error.downcast_ref::<ApplyError>() else { return error };
    let changes = |patch: &Patch| patch.file(&failed.path).is_some();
    match entries.iter().zip(patches).find(|(_, patch)| changes(patch)) {
        Some(((entry, _), _)) if failed.fault.is_other_file() => {
            let patch = &entry.name;
            let message = format!("the patch `{patch}` was made for another driver than {version}");
            error.context(message)
        }
        _ => error,
    }
}

/// Returns the driver version of a patch, by its digest in the catalog or by its file name.
fn made_for(catalog: &Catalog, entry: &Entry, sha256: Digest) -> Option<DriverVersion> {
    let known = catalog.rows().patches.iter().find(|patch| patch.sha256 == Some(sha256));
    let source = entry.origin.to_string();
    let named = || [source.as_str(), entry.name.as_str()].into_iter().find_map(named_after);
    known.map(|patch| patch.host.clone()).or_else(named)
}

/// Returns the driver version in a file name such as `535.230.02.patch`.
fn named_after(path: &str) -> Option<DriverVersion> {
    let name = path.split('?').next()?.rsplit('/').next()?;
    name.strip_suffix(".patch")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_named_after_their_driver() {
        let version = |path| named_after(path).map(|version| version.to_string());
        assert_eq!(version("a/b/535.230.02.patch").as_deref(), Some("535.230.02"));
        assert_eq!(version("https://a.example/1.2.3.patch?x=/y").as_deref(), Some("1.2.3"));
        assert_eq!(version("unlock.patch"), None);
        assert_eq!(version("535.230.02.diff"), None);
    }
}
