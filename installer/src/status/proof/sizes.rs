//! Framebuffer sizes, where the driver's interface does not report them.
//!
//! They come from NVIDIA's `vgpuConfig.xml`, through the bundle's catalog. They are
//! informational: missing sizes are omitted and never cause a failure.

use std::collections::BTreeMap;

use vgpu_manifest::Digest;
use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::database::read_configs;
use vgpu_manifest::limits::MAX_CATALOG;

use super::{OfferedType, Proof};
use crate::host::Look;
use crate::state;
use crate::store::Bundles;

/// Adds the sizes that the bundle's catalog has for this driver's types.
pub(crate) fn add_sizes(
    look: &dyn Look,
    bundle: Digest,
    driver: &DriverVersion,
    proof: &mut Proof,
) {
    let lacks = |offered: &OfferedType| offered.framebuffer.is_none();
    if !proof.types.iter().any(lacks) {
        return;
    }
    let sizes = sizes(look, bundle, driver).unwrap_or_default();
    for offered in proof.types.iter_mut().filter(|offered| lacks(offered)) {
        offered.framebuffer = sizes.get(&offered.id).map(|bytes| format!("{}M", bytes >> 20));
    }
}

/// Sizes in bytes by type number.
fn sizes(look: &dyn Look, bundle: Digest, driver: &DriverVersion) -> Option<BTreeMap<u32, u64>> {
    let manifest = Bundles::manifest(look, bundle).ok()??;
    let item = manifest.catalog()?;
    let bytes = look.read_up_to(&state::stored(item.id()), MAX_CATALOG).ok()??;
    let configs = read_configs(&bytes).ok()?;
    let types = configs.into_iter().find(|config| config.driver == *driver)?.config.types;
    Some(types.into_iter().map(|known| (known.id, known.framebuffer)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vgpu_manifest::Measure;
    use vgpu_manifest::catalog::Catalog;
    use vgpu_manifest::database::{DriverConfig, write};
    use vgpu_manifest::driver::{VgpuConfig, VgpuType};
    use vgpu_manifest::inventory::VgpuInterface;

    use super::*;
    use crate::host::testing::MemHost;

    /// A host whose store has a catalog with one type of the driver.
    fn host(bundle: Digest) -> MemHost {
        let known = VgpuType {
            id: 557,
            name: "NVIDIA A40-1Q".parse().unwrap(),
            class: "Quadro".parse().unwrap(),
            framebuffer: 0x3800_0000,
            profile_size: None,
            heads: None,
            resolution: None,
        };
        let config = VgpuConfig { types: vec![known], gpus: Vec::new() };
        let driver = "580.105.06".parse().unwrap();
        let bytes = write(&Catalog::embedded(), &[DriverConfig { driver, config }]).unwrap();
        let measured = Measure::of(&mut &bytes[..]).unwrap();
        let manifest = json!({
            "format": 1, "needs": "0.1.0", "made-by": "0.1.0", "name": "a", "channel": "a",
            "sequence": 1, "created": 1,
            "items": [{
                "name": "catalog.db", "size": measured.size, "mode": "0644",
                "sha256": measured.sha256, "origin": { "kind": "file" },
                "kind": { "catalog": {} },
            }],
        });
        let manifest = vgpu_manifest::Manifest::parse(manifest.to_string().as_bytes()).unwrap();
        let text = String::from_utf8(manifest.to_bytes().unwrap()).unwrap();
        let mut host = MemHost::with_files(&[]);
        host.place(&format!("/var/lib/vgpu-offline/manifest-{bundle}.json"), &text);
        let stored = state::stored(manifest.catalog().unwrap().id());
        let meta = crate::host::Meta::root(vgpu_manifest::Mode::FILE);
        host.place_as(stored.as_path().as_str(), &bytes, meta);
        host
    }

    fn proof() -> Proof {
        let offered = |id, framebuffer: Option<&str>| OfferedType {
            gpu: "0000:c1:00.0".parse().unwrap(),
            interface: VgpuInterface::Vendor,
            id,
            name: "a".to_owned(),
            description: None,
            framebuffer: framebuffer.map(str::to_owned),
            available: 1,
        };
        let types = vec![offered(557, None), offered(558, None), offered(559, Some("1M"))];
        Proof { types, ..Proof::default() }
    }

    #[test]
    fn what_the_interface_does_not_say_the_catalogue_of_the_bundle_does() {
        let bundle = Digest::of(b"bundle");
        let host = host(bundle);
        let sizes = |host: &MemHost, bundle, driver: &str| {
            let mut proof = proof();
            add_sizes(host, bundle, &driver.parse().unwrap(), &mut proof);
            let sizes = proof.types.into_iter().map(|it| it.framebuffer.unwrap_or("-".to_owned()));
            sizes.collect::<Vec<_>>()
        };
        assert_eq!(sizes(&host, bundle, "580.105.06"), ["896M", "-", "1M"]);
        assert_eq!(sizes(&host, bundle, "550.163.02"), ["-", "-", "1M"]);
        assert_eq!(sizes(&host, Digest::of(b"another"), "580.105.06"), ["-", "-", "1M"]);
    }
}
