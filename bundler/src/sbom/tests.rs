//! Checks both formats against those rules of their schemas that need no schema validator.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vgpu_manifest::{Digest, Manifest};

use super::crates::Crate;
use super::model::Bom;
use super::{cyclonedx, spdx};

/// Returns a bundle with one item for each kind of record.
fn manifest() -> Manifest {
    let item = |name: &str, kind: &str| {
        let sha256 = Digest::of(name.as_bytes());
        format!(
            r#"{{"name":"{name}","size":3,"mode":"0644","sha256":"{sha256}"{kind},
                "origin":{{"kind":"url","url":"https://mirror.example/{name}"}}}}"#
        )
    };
    let digest = Digest::of(b"image");
    let commit = "a".repeat(40);
    let items = [
        item("apt/g++_4%3a12.2.0-3_amd64.deb", ""),
        item("driver/host.run", r#","kind":{"driver":{"version":"535.230.02","kind":"host"}}"#),
        item(
            "unlock.tar.zst",
            &format!(
                r#","kind":{{"unlock-source":{{"commit":"{commit}",
                    "tree":{{"unpacked":9,"window-log":20}}}}}}"#
            ),
        ),
        item(
            "dls.tar",
            &format!(
                r#","kind":{{"image":{{"reference":"registry.example/team/dls:2.0",
                    "digest":"{digest}","id":"{digest}"}}}}"#
            ),
        ),
        item("note", ""),
    ]
    .join(",");
    let text = format!(
        r#"{{"format":1,"needs":"0.1.0","made-by":"0.1.0","name":"gpu","channel":"stable",
            "sequence":7,"created":1700000000,"items":[{items}]}}"#
    );
    Manifest::parse(text.as_bytes()).unwrap()
}

fn crates() -> BTreeMap<vgpu_manifest::ItemName, Vec<Crate>> {
    let one = |name: &str, checksum: Option<&str>| Crate {
        name: name.to_owned(),
        version: "1.0.0+x".to_owned(),
        source: None,
        checksum: checksum.map(str::to_owned),
    };
    let hex = "ab".repeat(32);
    let crates = vec![one("app", None), one("libc", Some(&hex)), one("odd", Some("not hex"))];
    BTreeMap::from([("unlock.tar.zst".parse().unwrap(), crates)])
}

fn both() -> (Value, Value) {
    let (manifest, crates) = (manifest(), crates());
    let bom = Bom::new(&manifest, Digest::of(b"root"), &crates);
    (spdx::document(&bom), cyclonedx::document(&bom))
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list `{key}` in {value}"))
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {value}"))
}

#[test]
fn spdx_has_what_its_schema_requires_and_every_id_once() {
    let (document, _) = both();
    assert_eq!(text(&document, "spdxVersion"), "SPDX-2.3");
    assert_eq!(text(&document, "dataLicense"), "CC0-1.0");
    assert_eq!(text(&document, "SPDXID"), "SPDXRef-DOCUMENT");
    assert_eq!(text(&document["creationInfo"], "created"), "2023-11-14T22:13:20Z");
    assert_eq!(list(&document["creationInfo"], "creators")[0], "Tool: vgpu-bundler-0.1.0");
    assert!(!text(&document, "documentNamespace").contains('#'));

    let mut ids = BTreeSet::from(["SPDXRef-DOCUMENT"]);
    for package in list(&document, "packages") {
        let id = text(package, "SPDXID");
        let good = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
        assert!(id.strip_prefix("SPDXRef-").is_some_and(|rest| rest.chars().all(good)), "{id}");
        assert!(ids.insert(id), "{id} twice");
        assert!(!text(package, "name").is_empty() && !text(package, "downloadLocation").is_empty());
        assert_eq!(package["filesAnalyzed"], false);
        for checksum in package["checksums"].as_array().into_iter().flatten() {
            assert_eq!(text(checksum, "algorithm"), "SHA256");
            assert_eq!(text(checksum, "checksumValue").len(), 64);
        }
    }
    assert_eq!(ids.len(), 1 + 1 + 5 + 3);
    let relations = list(&document, "relationships");
    for relation in relations {
        for end in ["spdxElementId", "relatedSpdxElement"] {
            assert!(ids.contains(text(relation, end)), "{relation}");
        }
    }
    assert_eq!(relations.len(), ids.len() - 1, "everything is said to be in something");
}

#[test]
fn cyclonedx_has_what_its_schema_requires_and_every_reference_once() {
    let (_, document) = both();
    assert_eq!(text(&document, "bomFormat"), "CycloneDX");
    assert_eq!(text(&document, "specVersion"), "1.6");
    let serial = text(&document, "serialNumber").strip_prefix("urn:uuid:").unwrap();
    let lengths: Vec<_> = serial.split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{serial}");
    assert!(serial.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));

    let mut refs = BTreeSet::from([text(&document["metadata"]["component"], "bom-ref")]);
    let outer = list(&document, "components");
    let inner = outer.iter().flat_map(|it| it["components"].as_array().into_iter().flatten());
    let kinds = ["file", "library", "container", "device-driver", "data"];
    for component in outer.iter().chain(inner) {
        assert!(refs.insert(text(component, "bom-ref")), "{component}");
        assert!(kinds.contains(&text(component, "type")), "{component}");
        assert!(!text(component, "name").is_empty());
        for hash in component["hashes"].as_array().into_iter().flatten() {
            assert_eq!((text(hash, "alg"), text(hash, "content").len()), ("SHA-256", 64));
        }
    }
    assert_eq!(refs.len(), 1 + 5 + 3);
    for reference in list(&list(&document, "dependencies")[0], "dependsOn") {
        assert!(refs.contains(reference.as_str().unwrap()), "{reference}");
    }
}

#[test]
fn what_an_item_is_stands_in_both() {
    let (spdx, cyclonedx) = both();
    let [driver, sources, image] = [2, 3, 7].map(|at| &list(&spdx, "packages")[at]);
    assert_eq!(text(driver, "versionInfo"), "535.230.02");
    assert_eq!(text(driver, "supplier"), "Organization: NVIDIA Corporation");
    assert!(text(sources, "comment").contains("commit: aaaa"));
    let purl = text(&list(image, "externalRefs")[0], "referenceLocator");
    assert!(purl.starts_with("pkg:oci/dls@sha256:"), "{purl}");
    assert!(purl.ends_with("repository_url=registry.example%2Fteam%2Fdls&tag=2.0"), "{purl}");

    let unlock = &list(&cyclonedx, "components")[2];
    let parts = list(unlock, "components");
    assert_eq!(text(&parts[1], "purl"), "pkg:cargo/libc@1.0.0%2Bx");
    assert_eq!(list(&parts[1], "hashes").len(), 1);
    assert!(parts[2]["hashes"].is_null(), "what is no digest is not passed off as one");
    let url = text(&list(unlock, "externalReferences")[0], "url");
    assert_eq!(url, "https://mirror.example/unlock.tar.zst");
}

#[test]
fn the_same_bundle_gives_the_same_text() {
    let text = || {
        let (spdx, cyclonedx) = both();
        [spdx.to_string(), cyclonedx.to_string()]
    };
    assert_eq!(text(), text());
}
