use serde_json::json;

use super::*;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest() -> Manifest {
    let file = |name: &str| {
        json!({ "name": name, "size": 0, "mode": "0644", "sha256": EMPTY,
                "origin": { "kind": "file" } })
    };
    let package = |name: &str, archive: &str, fields: serde_json::Value| {
        let mut item = file(&format!("apt/{name}.deb"));
        item["kind"] = json!({ "package": {
            "name": name, "arch": "all", "version": "1:1.0", "reason": "requested",
            "archive": archive, "fields": fields,
        } });
        item
    };
    let archive = |name: &str, release: &str| {
        json!({ "name": name, "codename": "bookworm", "release": release,
                "signed-by": "A".repeat(40), "dated": 1 })
    };
    let manifest = json!({
        "format": 1, "needs": "0.1.0", "made-by": "0.1.0", "name": "test", "channel": "stable",
        "sequence": 1, "created": 1, "wants": {},
        "archives": [archive("here", "InRelease"), archive("there", "Other")],
        "items": [
            package("dkms", "here", json!({ "Depends": "make, gcc" })),
            package("make", "here", json!({})),
            package("gcc", "there", json!({})),
            file("InRelease"),
            file("Other"),
        ],
    });
    Manifest::parse(manifest.to_string().as_bytes()).unwrap()
}

/// Returns an index that lists both packages, among others.
fn index() -> String {
    format!(
        "Package: dkms\nVersion: 1:1.0\nArchitecture: all\nDepends: make,\n gcc\n\
         Description: not listed\nSize: 0\nSHA256: {EMPTY}\n\n\
         Package: other\nArchitecture: all\n\n\
         package: make\nVersion: 1:1.0\nArchitecture: all\nSize: 0\nSHA256: {EMPTY}\n"
    )
}

/// Returns the number of packages found, and a missing one.
fn search(text: &str, piece: usize) -> (usize, Option<String>) {
    let manifest = manifest();
    let mut search = IndexSearch::new(&manifest, &"here".parse().unwrap());
    text.as_bytes().chunks(piece).for_each(|piece| search.write_all(piece).unwrap());
    search.end();
    (search.found(), search.missing().map(|item| item.as_str().to_owned()))
}

#[test]
fn packages_are_found_however_the_index_is_cut() {
    for piece in [1, 7, 100, 10_000] {
        assert_eq!(search(&index(), piece), (2, None));
        assert_eq!(search(&index().replace('\n', "\r\n"), piece), (2, None));
        assert_eq!(search(&index().replace("\n\n", "\n \n\n\n"), piece), (2, None));
    }
    // Several indexes, of which each lists a part.
    let (all, manifest) = (index(), manifest());
    let mut search = IndexSearch::new(&manifest, &"here".parse().unwrap());
    for stanza in all.split("\n\n") {
        search.write_all(stanza.as_bytes()).unwrap();
        search.end();
    }
    assert_eq!((search.found(), search.missing()), (2, None));
}

#[test]
fn every_property_has_to_be_the_listed_one() {
    let other = EMPTY.replace("e3b0", "e3b1");
    for (from, to) in [
        ("Package: dkms", "Package: dkms2"),
        ("Version: 1:1.0", "Version: 1.0"),
        ("Version: 1:1.0", "Version: 1:1.00"),
        ("Architecture: all", "Architecture: amd64"),
        ("Depends: make", "Depends: makes"),
        ("Depends: make", "Pre-Depends: make"),
        ("Size: 0", "Size: 1"),
        (EMPTY, &other),
        ("Size: 0", "Breaks: make\nSize: 0"),
        ("Size: 0", "Size: 0\nSize: 0"),
        ("SHA256", "SHA512"),
    ] {
        let text = index().replacen(from, to, 1);
        assert_ne!(text, index());
        assert_eq!(search(&text, 1000), (1, Some("apt/dkms.deb".to_owned())), "{to}");
    }
    assert_eq!(search("", 1).0, 0);
}

#[test]
fn an_endless_stanza_is_refused() {
    let manifest = manifest();
    let mut search = IndexSearch::new(&manifest, &"here".parse().unwrap());
    let line = "Description: x\n".repeat(1000);
    let error = (0..100).find_map(|_| search.write_all(line.as_bytes()).err()).unwrap();
    assert!(error.to_string().contains("a stanza of more than"), "{error}");
}
