use std::fs;

use serde_json::json;
use vgpu_manifest::{Digest, ItemMode, Kind, Origin};

use super::*;

fn outline(items: &[(&str, &[u8])], host: &[&str]) -> Outline {
    let items = items.iter().map(|(name, bytes)| ItemFields {
        name: name.parse().unwrap(),
        size: bytes.len() as u64,
        mode: ItemMode::Plain,
        sha256: Digest::of(bytes),
        chunks: Vec::new(),
        kind: Kind::Plain,
        base: None,
        origin: Origin::File,
    });
    Outline {
        facts: ["name", "channel", "sequence", "bundler"].map(|what| (what, "1".to_owned())),
        host: host.iter().map(|&line| line.to_owned()).collect(),
        items: items.collect(),
        archives: Vec::new(),
    }
}

fn explained(old: &Outline, new: &Outline) -> Vec<String> {
    lines(&between(old, new))
}

#[test]
fn every_change_of_a_file_is_one_line() {
    let old = outline(&[("a", b"1"), ("b", b"2"), ("c", b"3")], &["IOMMU on"]);
    assert_eq!(explained(&old, &old), [] as [&str; 0]);

    let mut new = outline(&[("a", b"1"), ("c", b"33"), ("d", b"4")], &["module `vfio`"]);
    new.facts[2].1 = "2".to_owned();
    new.items[0].mode = ItemMode::Executable;
    assert_eq!(
        explained(&old, &new),
        [
            "~ sequence: 1 → 2",
            "- b: 1 B (d4735e3a265e)",
            "+ d: 1 B (4b227777d4dd)",
            "~ c: 1 B (4e07408562be) → 2 B (c6f3ac57944a)",
            "~ a: mode 0644 → 0755",
            "~ size: 3 B → 4 B",
            "- host: IOMMU on",
            "+ host: module `vfio`",
        ]
    );
}

#[test]
fn another_order_is_a_change() {
    let old = outline(&[("a", b"1"), ("b", b"2"), ("c", b"3")], &[]);
    let new = outline(&[("x", b"0"), ("b", b"2"), ("a", b"1")], &[]);
    assert!(explained(&old, &new).contains(&"~ the order of the items changed".to_owned()));
}

#[test]
fn many_files_are_counted() {
    let names: Vec<String> = (0..20).map(|i| format!("file-{i:02}")).collect();
    let items: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"1"[..])).collect();
    let changes = between(&outline(&[], &[]), &outline(&items, &[]));
    assert_eq!(lines(&changes), ["+ 20 items", "~ size: 0 B → 20 B"]);
    // The complete form for programs.
    assert_eq!(changes.len(), 21);
}

/// Returns a bundle with one item of each kind, in these versions.
struct Whole {
    driver: (&'static str, &'static [u8]),
    patch: Option<&'static str>,
    packages: Vec<(String, &'static str, &'static str)>,
    image: (&'static str, &'static [u8]),
    commit: char,
}

impl Whole {
    fn old() -> Self {
        let package = |(name, version): (&str, _)| (name.to_owned(), version, "requested");
        let packages = [("dkms", "3.0.10-8"), ("gcc", "4:12.2.0-3"), ("make", "4.3-4.1")];
        Self {
            driver: ("535.216.01", b"driver"),
            patch: Some("535.216.01.patch"),
            packages: packages.map(package).to_vec(),
            image: ("registry.example/dls:2.0.3", b"image"),
            commit: 'a',
        }
    }

    fn outline(&self) -> Outline {
        let (version, bytes) = self.driver;
        let driver = format!("driver/NVIDIA-Linux-x86_64-{version}-vgpu-kvm.run");
        let (reference, image) = self.image;
        let source = self.commit.to_string().repeat(40);
        let mut items: Vec<(&str, &[u8])> =
            vec![(&driver, bytes), ("dls.tar", image), ("unlock.tar.zst", source.as_bytes())];
        items.extend(self.patch.map(|patch| (patch, patch.as_bytes())));
        items.push(("bookworm", b"InRelease"));
        items.extend(
            self.packages.iter().map(|(name, version, _)| (name.as_str(), version.as_bytes())),
        );
        let mut outline = outline(&items, &[]);
        let mut describe = |name: &str, kind| {
            let item = outline.items.iter_mut().find(|item| item.name.as_str() == name);
            item.unwrap().kind = serde_json::from_value(kind).unwrap();
        };
        describe(&driver, json!({"driver": {"version": version, "kind": "host"}}));
        if let Some(patch) = self.patch {
            describe(patch, json!({"patch": {"driver": driver, "file": []}}));
        }
        for (name, version, reason) in &self.packages {
            let record = json!({"name": name, "arch": "amd64", "version": version,
                                "reason": reason, "archive": "bookworm"});
            describe(name, json!({ "package": record }));
        }
        let image = json!({"reference": reference, "digest": Digest::of(image),
                           "id": Digest::of(b"id")});
        describe("dls.tar", json!({ "image": image }));
        let tree = json!({"unpacked": 1, "window-log": 22});
        describe("unlock.tar.zst", json!({"unlock-source": {"commit": source, "tree": tree}}));
        outline.archives = vec![
            serde_json::from_value(json!({"name": "bookworm",
            "codename": "bookworm", "release": "bookworm", "dated": 1_700_000_000,
            "signed-by": "4CB50190207B4758A3F73A796ED0E7B82643E131"}))
            .unwrap(),
        ];
        outline
    }
}

/// Compares the summary of changes with a golden file.
fn golden(name: &str, old: &Outline, new: &Outline) {
    let changes = between(old, new);
    let shown =
        lines(&changes).join("\n") + "\n" + &serde_json::to_string(&changes).unwrap() + "\n";
    let path = format!("{}/src/lock/diff/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("VGPU_BLESS").is_some() {
        fs::write(&path, &shown).unwrap();
    }
    assert_eq!(shown, fs::read_to_string(&path).unwrap_or_default(), "{path}");
}

#[test]
fn a_new_driver_is_one_line() {
    let old = Whole::old().outline();
    let (driver, patch) = (("535.230.02", &b"other"[..]), Some("535.230.02.patch"));
    golden("driver", &old, &Whole { driver, patch, ..Whole::old() }.outline());
    golden("driver-unpatched", &old, &Whole { patch: None, ..Whole::old() }.outline());
    let driver = ("535.216.01", &b"repacked"[..]);
    golden("driver-other-bytes", &old, &Whole { driver, ..Whole::old() }.outline());
    // A version that is not in the catalog.
    let driver = ("535.999.01", &b"driver"[..]);
    golden("driver-unknown", &old, &Whole { driver, ..Whole::old() }.outline());
}

#[test]
fn packages_are_named_if_they_are_few() {
    let old = Whole::old();
    let package = |name: &str, version, reason| (name.to_owned(), version, reason);
    let few = vec![
        package("dkms", "3.0.11-1", "requested"),
        package("gcc", "4:11.2.0-1", "requested"),
        package("libc6", "2.36-9+deb12u10", "upgrade"),
        package("mokutil", "0.6.0-2", "needed"),
    ];
    golden("packages-few", &old.outline(), &Whole { packages: few, ..Whole::old() }.outline());
    let many = |version| {
        let needed = (0..50).map(|i| (format!("lib{i:02}"), version, "needed"));
        needed.chain([package("dkms", version, "requested")]).collect::<Vec<_>>()
    };
    let [old, new] =
        ["1.0-9", "1.0-10"].map(|version| Whole { packages: many(version), ..Whole::old() });
    let shown = explained(&old.outline(), &new.outline());
    assert_eq!(shown[0], "~ 51 packages newer, including dkms 1.0-9 → 1.0-10");
    let shown = explained(&new.outline(), &old.outline());
    assert_eq!(shown[0], "~ 51 packages older, including dkms 1.0-10 → 1.0-9");
    let none = Whole { packages: Vec::new(), ..Whole::old() };
    assert_eq!(
        explained(&none.outline(), &new.outline())[0],
        "+ 51 packages, including dkms 1.0-10"
    );
}

#[test]
fn packages_for_a_rollback_are_distinguished() {
    let mut new = Whole::old();
    new.packages.push(("libc6".to_owned(), "2.36-9+deb12u9", "return"));
    let shown = explained(&Whole::old().outline(), &new.outline());
    assert_eq!(shown[0], "+ 1 package for a rollback: libc6 2.36-9+deb12u9");
}

#[test]
fn images_and_libraries_have_a_line_each() {
    let old = Whole::old().outline();
    let image = ("registry.example/dls:2.0.4", &b"other"[..]);
    golden("image-and-unlock", &old, &Whole { image, commit: 'b', ..Whole::old() }.outline());
    let mut later = Whole::old().outline();
    later.archives[0].dated += 12 * 24 * 60 * 60;
    assert_eq!(explained(&old, &later), ["~ archive bookworm: 12 days newer"]);
    assert_eq!(explained(&later, &old), ["~ archive bookworm: 12 days older"]);
}

#[test]
fn a_first_lock_lists_its_whole_contents() {
    let shown = lines(&all_of(&Whole::old().outline()));
    assert_eq!(
        shown,
        [
            "+ host driver: vGPU 16.8 (535.216.01), patched by 535.216.01.patch",
            "+ unlock library: unlock.tar.zst at commit aaaaaaaaaaaa, not built beforehand",
            "+ 3 packages: dkms 3.0.10-8, gcc 4:12.2.0-3, make 4.3-4.1",
            "+ archive bookworm",
            "+ image registry.example/dls:2.0.3: digest 6105d6cc76af",
        ]
    );
}
