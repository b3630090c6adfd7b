//! CycloneDX 1.6.

use serde_json::{Value, json};
use vgpu_manifest::{Digest, Kind};

use super::crates::Crate;
use super::model::{Bom, Component};
use super::purl;

/// Returns the document.
pub(super) fn document(bom: &Bom<'_>) -> Value {
    let components: Vec<_> =
        bom.components.iter().enumerate().map(|(index, it)| item(it, index)).collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(bom.digest)),
        "version": 1,
        "metadata": {
            "timestamp": bom.created(),
            "tools": { "components": [{
                "type": "application",
                "name": "vgpu-bundler",
                "version": bom.made_by().to_string(),
            }] },
            "component": {
                "type": "file",
                "bom-ref": "bundle",
                "name": bom.manifest.name,
                "version": bom.version(),
                "properties": [property("sha256sums", &bom.digest.to_string())],
            },
        },
        "components": components,
        "dependencies": [{ "ref": "bundle", "dependsOn": references(bom) }],
    })
}

fn references(bom: &Bom<'_>) -> Vec<String> {
    (0..bom.components.len()).map(reference).collect()
}

fn reference(index: usize) -> String {
    format!("item-{index}")
}

fn item(component: &Component<'_>, index: usize) -> Value {
    let mut properties = vec![property("item", component.item.name().as_str())];
    properties.extend(component.notes.iter().map(|(what, value)| property(what, value)));
    let mut value = json!({
        "type": kind(component.item.kind()),
        "bom-ref": reference(index),
        "name": component.name,
        "hashes": [hash(&component.item.sha256().to_string())],
        "properties": properties,
    });
    if let Some(version) = &component.version {
        value["version"] = json!(version);
    }
    if let Some(supplier) = component.supplier {
        value["supplier"] = json!({ "name": supplier });
    }
    if let Some(purl) = &component.purl {
        value["purl"] = json!(purl);
    }
    if let Some(url) = component.url {
        value["externalReferences"] = json!([{ "type": "distribution", "url": url }]);
    }
    if !component.crates.is_empty() {
        let crates = component.crates.iter().enumerate();
        let crates: Vec<_> = crates
            .map(|(number, it)| crate_of(it, &format!("{}-crate-{number}", reference(index))))
            .collect();
        value["components"] = json!(crates);
    }
    value
}

pub(super) fn crate_of(part: &Crate, reference: &str) -> Value {
    let mut value = json!({
        "type": "library",
        "bom-ref": reference,
        "name": part.name,
        "version": part.version,
        "purl": purl::cargo(&part.name, &part.version),
    });
    if let Some(checksum) = part.checksum.as_deref().filter(|it| is_sha256(it)) {
        value["hashes"] = json!([hash(checksum)]);
    }
    value
}

pub(super) fn hash(hex: &str) -> Value {
    json!({ "alg": "SHA-256", "content": hex })
}

fn property(name: &str, value: &str) -> Value {
    json!({ "name": format!("vgpu-offline:{}", name.replace(' ', "-")), "value": value })
}

/// Returns whether a checksum is a SHA-256 in the form of both formats. A `Cargo.lock` may contain
/// any text.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Returns a UUID of version 8 (custom) from a digest.
pub(super) fn uuid(digest: Digest) -> String {
    let hex = digest.to_string();
    let variant = ["8", "9", "a", "b"][usize::from(hex.as_bytes()[16] % 4)];
    format!(
        "{}-{}-8{}-{variant}{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Driver(_) => "device-driver",
        Kind::Package(_) | Kind::UnlockLibrary(_) => "library",
        Kind::Image(_) => "container",
        Kind::Patch(_) | Kind::Tree(_) | Kind::UnlockSource(_) | Kind::Headers(_) | Kind::Plain => {
            "file"
        }
        Kind::Catalog(_) | Kind::Policies(_) => "data",
    }
}
