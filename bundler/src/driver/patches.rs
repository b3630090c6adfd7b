use std::io::Read as _;

use vgpu_manifest::catalog::{Catalog, DriverVersion};
use vgpu_manifest::patch::{MAX_PATCH, Patch};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName};

use super::intake::{make_present, open};
use super::refusal::{Refusal, RefusalError};
use crate::recipe::Entry;
use crate::source::{Pin, Sources};

/// Reads the patches for `driver`, unless one is known to be for another version.
pub(super) fn load(
    sources: &Sources<'_>,
    patches: &[(&Entry, &Pin)],
    driver: &ItemName,
    version: &DriverVersion,
) -> Result<Vec<Patch>, RefusalError> {
    let load = |(entry, pin): &(&Entry, &Pin)| {
        if let Some(made_for) = made_for(entry, pin.sha256).filter(|it| it != version) {
            let (driver, version) = (driver.clone(), version.clone());
            let other = Refusal::OtherDriver { made_for, driver, version };
            return Err(RefusalError::new(&entry.name, other));
        }
        make_present(sources, entry, pin)?;
        read(sources, pin).map_err(|refusal| RefusalError::new(&entry.name, refusal))
    };
    patches.iter().map(load).collect()
}

fn read(sources: &Sources<'_>, pin: &Pin) -> Result<Patch, Refusal> {
    if pin.size > MAX_PATCH {
        return Err(Refusal::LargePatch(ByteSize::new(MAX_PATCH)));
    }
    let mut bytes = Vec::new();
    open(sources, pin.sha256)?.read_to_end(&mut bytes).map_err(Refusal::ReadPatch)?;
    Ok(Patch::parse(&bytes)?)
}

/// Returns the driver version of a patch, by its digest in the catalog or by its file name.
fn made_for(entry: &Entry, sha256: Digest) -> Option<DriverVersion> {
    let catalog = Catalog::embedded();
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
