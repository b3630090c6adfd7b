//! SPDX 2.3.
//!
//! Items are packages with `filesAnalyzed` false: files of SPDX require a SHA-1, which is obsolete.

use serde_json::{Value, json};
use vgpu_manifest::Kind;

use super::model::{Bom, Component};
use super::purl;

/// Returns the document.
pub(super) fn document(bom: &Bom<'_>) -> Value {
    let name = format!("{}-{}", bom.manifest.name, bom.manifest.sequence);
    let mut packages = vec![bundle(bom)];
    let mut relationships = vec![relation("SPDXRef-DOCUMENT", "DESCRIBES", BUNDLE)];
    for (index, component) in bom.components.iter().enumerate() {
        let id = format!("SPDXRef-Item-{index}");
        packages.push(item(component, &id));
        relationships.push(relation(BUNDLE, "CONTAINS", &id));
        for (number, part) in component.crates.iter().enumerate() {
            let part_id = format!("{id}-Crate-{number}");
            packages.push(crate_of(part, &part_id));
            relationships.push(relation(&id, "CONTAINS", &part_id));
        }
    }
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": format!("urn:vgpu-offline:bundle:sha256:{}", bom.digest),
        "creationInfo": {
            "created": bom.created(),
            "creators": [format!("Tool: vgpu-bundler-{}", bom.made_by())],
        },
        "packages": packages,
        "relationships": relationships,
    })
}

const BUNDLE: &str = "SPDXRef-Bundle";
const NO_ASSERTION: &str = "NOASSERTION";

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// Returns the mandatory fields of a package. Licenses are not assessed.
fn package(id: &str, name: &str, url: Option<&str>) -> Value {
    json!({
        "SPDXID": id,
        "name": name,
        "downloadLocation": url.unwrap_or(NO_ASSERTION),
        "filesAnalyzed": false,
        "licenseConcluded": NO_ASSERTION,
        "licenseDeclared": NO_ASSERTION,
        "copyrightText": NO_ASSERTION,
    })
}

fn bundle(bom: &Bom<'_>) -> Value {
    let mut value = package(BUNDLE, bom.manifest.name.as_str(), None);
    value["versionInfo"] = json!(bom.version());
    value["packageFileName"] = json!(format!("{}-{}.vgpu.tar", bom.manifest.name, bom.version()));
    value["primaryPackagePurpose"] = json!("ARCHIVE");
    value["comment"] = json!(format!("SHA256SUMS, its signed root, has SHA-256 {}", bom.digest));
    value
}

fn item(component: &Component<'_>, id: &str) -> Value {
    let mut value = package(id, &component.name, component.url);
    value["packageFileName"] = json!(component.item.name());
    value["primaryPackagePurpose"] = json!(purpose(component.item.kind()));
    value["checksums"] = json!([sha256(&component.item.sha256().to_string())]);
    if let Some(version) = &component.version {
        value["versionInfo"] = json!(version);
    }
    if let Some(supplier) = component.supplier {
        value["supplier"] = json!(format!("Organization: {supplier}"));
    }
    if let Some(purl) = &component.purl {
        value["externalRefs"] = json!([external(purl)]);
    }
    let notes: Vec<_> =
        component.notes.iter().map(|(what, value)| format!("{what}: {value}")).collect();
    value["comment"] = json!(notes.join("; "));
    value
}

fn crate_of(part: &super::crates::Crate, id: &str) -> Value {
    let mut value = package(id, &part.name, None);
    value["versionInfo"] = json!(part.version);
    value["primaryPackagePurpose"] = json!("SOURCE");
    value["externalRefs"] = json!([external(&purl::cargo(&part.name, &part.version))]);
    if let Some(checksum) = part.checksum.as_deref().filter(|it| super::cyclonedx::is_sha256(it)) {
        value["checksums"] = json!([sha256(checksum)]);
    }
    value
}

fn sha256(hex: &str) -> Value {
    json!({ "algorithm": "SHA256", "checksumValue": hex })
}

fn external(purl: &str) -> Value {
    json!({
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": purl,
    })
}

fn purpose(kind: &Kind) -> &'static str {
    match kind {
        Kind::Driver(_) | Kind::Package(_) => "INSTALL",
        Kind::Patch(_) | Kind::Tree(_) | Kind::UnlockSource(_) => "SOURCE",
        Kind::Image(_) => "CONTAINER",
        Kind::UnlockLibrary(_) => "LIBRARY",
        Kind::Catalog(_) | Kind::Policies(_) | Kind::Headers(_) | Kind::Plain => "FILE",
    }
}
