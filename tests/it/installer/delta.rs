//! Delta bundles on a node: what they leave out comes from the store of the node, and nowhere else.

use std::fs;
use std::os::unix::fs::symlink;

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use vgpu_manifest::{Manifest, Measure};
use vgpu_tests::tree::Snapshot;

use crate::installer::fixture::{Site, Spec, key};
use crate::installer::tree::tree;

const STORE: &str = "root/var/lib/vgpu-offline/store";

/// A node that trusts Alice, with a full bundle and a delta to it.
struct Scene {
    site: Site,
    full: String,
    delta: String,
    /// The words that name the full bundle.
    named: String,
}

/// The next bundle: another tool, a new note, and everything else as before.
fn next() -> Spec {
    let mut spec = Spec::full(2);
    spec.items[0].1 = b"#!/bin/sh\nexit 2\n".to_vec();
    spec.items.push(("files/note", b"new\n".to_vec()));
    let files = spec.wants["file"].as_array_mut().unwrap();
    files.push(json!({ "item": "files/note", "path": "/etc/vgpu-note" }));
    spec
}

impl Scene {
    fn new() -> Self {
        let (site, alice) = (Site::new(), key(1));
        site.trust(&alice, "alice", &[]).expect(0);
        let full = site.bundle(&Spec::full(1), &[&alice]);
        let delta = site.delta("next", &next(), &full, &alice);
        let named = format!("bundle test 1 (digest {})", digest(&site, &full));
        Self { site, full, delta, named }
    }

    /// Checks that the delta is refused by every command that would use it, for the same reason, and
    /// that nothing changes.
    #[track_caller]
    fn refuses(&self, words: &[&str]) {
        let before = Snapshot::of(&self.site.root(), &["var/log"]).unwrap();
        let lacks = [&*self.named, "which the store of this host lacks"];
        let expected = [&lacks[..], words].concat();
        for command in [&["check"][..], &["plan"], &["apply", "--yes"]] {
            self.site.run(&[command, &[&*self.delta]].concat()).expect(4).says(&expected);
        }
        self.site.run(&["verify", &self.delta]).expect(0).says(&lacks);
        let after = Snapshot::of(&self.site.root(), &["var/log"]).unwrap();
        assert_eq!(before.differences(&after), [""; 0]);
    }

    fn stored(&self, item: usize) -> Utf8PathBuf {
        let id = next().manifest().items[item].id();
        self.site.path(STORE).join(id.to_string())
    }
}

fn digest(site: &Site, bundle: &str) -> String {
    let shown = site.run(&["inspect", "--json", bundle]).expect(0).json();
    shown["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_delta_is_applied_on_its_base_and_both_are_reverted() {
    let scene = Scene::new();
    let Scene { site, full, delta, named } = &scene;
    let size = |path: &str| fs::metadata(path).unwrap().len();
    assert!(size(delta) < size(full) / 100, "{} of {}", size(delta), size(full));
    let before = tree(&site.root());
    scene.refuses(&["missing: files/large", "missing: files/empty"]);
    assert_eq!(fs::read_dir(site.path(STORE)).unwrap().count(), 0);

    site.run(&["apply", "--yes", full]).expect(10);
    let first = tree(&site.root());
    let verified = site.run(&["verify", delta]).expect(0);
    let says =
        format!("left out, and expected in the store of this host: 5 items, 8.5 MiB, of {named}");
    assert!(verified.out.contains(&says), "{}", verified.out);
    assert!(verified.out.contains("carried: 2 of 7 items, 21 B\n"), "{}", verified.out);
    let json = site.run(&["verify", "--json", delta]).expect(0).json();
    assert_eq!(json["left-out"][0]["items"], 5, "{json:#}");
    let verified = verified.says(&["checked 2 items", "next: vgpu-installer check"]);
    assert!(!verified.err.contains("lacks"), "{}", verified.err);
    let shown = site.run(&["inspect", delta]).expect(0).out;
    assert!(shown.contains("(left out)") && shown.contains(&format!("of {named}")), "{shown}");

    // A text that is left out is compared with the file that it replaces, as any other.
    let unit = site.path("root/etc/systemd/system/vgpu.service");
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, "[Service]\n").unwrap();
    let plan = site.run(&["plan", delta]).expect(0).out;
    assert!(plan.contains("+ExecStart=/bin/true"), "{plan}");
    fs::write(&unit, text).unwrap();
    site.run(&["apply", "--yes", delta]).expect(0).says(&["staged 2 items"]);
    let read = |path: &str| fs::read_to_string(site.path("root").join(path)).unwrap();
    assert_eq!(read("opt/vgpu/bin/tool"), "#!/bin/sh\nexit 2\n");
    assert_eq!(read("etc/vgpu-note"), "new\n");
    site.run(&["store", "gc"]).expect(0);
    assert!(scene.stored(1).exists(), "an applied delta keeps what it has left out");

    site.run(&["revert", "--yes"]).expect(0);
    assert_eq!(tree(&site.root()), first);
    site.run(&["apply", "--yes", delta]).expect(0);
    site.run(&["revert", "--all", "--yes"]).expect(0);
    assert_eq!(tree(&site.root()), before);
}

#[test]
fn a_delta_is_removed_back_to_stock() {
    let Scene { site, full, delta, .. } = &Scene::new();
    let before = tree(&site.root());
    site.run(&["store", "add", delta, "--base", full]).expect(0);
    site.run(&["apply", "--yes", delta]).expect(10);
    site.run(&["remove", "--yes"]).expect(0);
    assert_eq!(tree(&site.root()), before);
}

#[test]
fn what_the_store_lacks_comes_from_the_base_by_digest_only() {
    let scene = Scene::new();
    let Scene { site, full, delta, .. } = &scene;
    site.run(&["store", "add", delta]).expect(4).says(&["missing: files/large", "hint: run"]);
    // A bundle of the same name and sequence has another content.
    let mut other = Spec::full(1);
    other.items[1].1[9_000] ^= 1;
    let other = site.bundle_at("stick/other.vgpu.tar", &other, &[&key(1)], None);
    assert_ne!(digest(site, &other), digest(site, full));
    site.run(&["store", "add", delta, "--base", &other])
        .expect(4)
        .says(&["leaves out 1 item, 8.5 MiB", "missing: files/large"]);
    site.run(&["apply", "--yes", &other]).expect(10);
    scene.refuses(&["leaves out 1 item, 8.5 MiB", "missing: files/large"]);
    // Of a stranger, even the right bytes are not read.
    let stranger = site.bundle_at("stick/stranger.vgpu.tar", &Spec::full(1), &[&key(9)], None);
    site.run(&["store", "add", delta, "--base", &stranger]).expect(3).says(&["not trusted"]);
    scene.refuses(&["missing: files/large"]);

    let healed = site.run(&["store", "add", delta, "--base", &other, "--base", full]).expect(0);
    healed.says(&["staged 3 items, 8.5 MiB"]);
    site.run(&["plan", delta]).expect(0);
    site.run(&["apply", "--yes", delta]).expect(0);

    // A damaged copy is replaced, too.
    let large = scene.stored(1);
    let good = fs::read(&large).unwrap();
    let mut bad = good.clone();
    bad[5_000_000] ^= 1;
    fs::write(&large, &bad).unwrap();
    site.run(&["store", "add", delta]).expect(4).says(&["missing: files/large"]);
    site.run(&["store", "add", delta, "--base", full]).expect(0);
    assert!(fs::read(&large).unwrap() == good);
}

#[test]
fn the_store_of_another_host_is_taken_item_by_item() {
    let (scene, donor) = (Scene::new(), Scene::new());
    donor.site.run(&["store", "add", &donor.full]).expect(0);
    let Scene { site, delta, .. } = &scene;
    let copy = site.path("copy");
    fs::create_dir(&copy).unwrap();
    for item in 0..6 {
        let from = donor.stored(item);
        if from.exists() {
            fs::copy(&from, copy.join(from.file_name().unwrap())).unwrap();
        }
    }
    // A link leads to the right bytes, a file has other bytes, and a third one is cut.
    let [large, unit, extra] =
        [1, 2, 4].map(|item| copy.join(scene.stored(item).file_name().unwrap()));
    fs::rename(&large, site.path("large")).unwrap();
    symlink(site.path("large"), &large).unwrap();
    let text = fs::read_to_string(&unit).unwrap();
    fs::write(&unit, text.replace("true", "evil")).unwrap();
    fs::write(&extra, "").unwrap();
    fs::write(copy.join("sha256-not-asked-for"), "x").unwrap();
    let words = ["store", "add", delta, "--base", copy.as_str()];
    site.run(&words).expect(4).says(&[
        &format!("ignored: {large}: it is a symbolic link"),
        &format!("ignored: {unit}: digest mismatch"),
        &format!("ignored: {extra}: it has 0 bytes instead of"),
        "leaves out 3 items",
    ]);
    assert!(!scene.stored(1).exists() && !scene.stored(2).exists());

    fs::remove_file(&large).unwrap();
    fs::rename(site.path("large"), &large).unwrap();
    fs::write(&unit, text).unwrap();
    fs::copy(donor.stored(4), &extra).unwrap();
    site.run(&words).expect(0).says(&["staged"]);
    let names = fs::read_dir(site.path(STORE)).unwrap().map(|it| it.unwrap().file_name());
    assert!(names.into_iter().all(|name| name.to_str().unwrap().len() > 64));
    site.run(&["apply", "--yes", delta]).expect(10);
    site.run(&["store", "add", delta, "--base", "/nowhere"]).expect(1).says(&["/nowhere"]);
}

#[test]
fn a_left_out_item_has_the_size_that_is_signed() {
    let scene = Scene::new();
    let Scene { site, full, .. } = &scene;
    site.run(&["store", "add", full]).expect(0);
    // The store has the content of this digest, but it is not empty.
    let mut manifest: Value =
        serde_json::from_slice(&next().manifest().to_bytes().unwrap()).unwrap();
    let unit = Measure::of(&mut &*next().items[2].1).unwrap();
    let named = json!({ "name": "test", "sequence": 1, "digest": digest(site, full) });
    manifest["items"][5]["sha256"] = json!(unit.sha256);
    manifest["items"][5]["base"] = named;
    let manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
    assert_eq!(manifest.items[5].size(), 0);
    let empty = site.pack("stick/empty.vgpu.tar", &manifest, &[&key(1)], None);
    let lacks = ["leaves out 1 item, 0 B", "missing: files/empty"];
    site.run(&["apply", "--yes", &empty]).expect(4).says(&lacks);
    site.run(&["store", "add", &empty, "--base", full]).expect(4).says(&lacks);
}

#[test]
fn a_report_lists_the_store_for_the_next_delta() {
    let Scene { site, full, delta, .. } = &Scene::new();
    let listed = || {
        let report = site.run(&["report", "--json"]).expect(0).json();
        let store = report["this-node"]["store"].as_array().unwrap().clone();
        store
            .iter()
            .map(|it| (it["bundle"]["sequence"].as_u64(), it["items"].as_array().unwrap().len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(), []);
    site.run(&["apply", "--yes", full]).expect(10);
    assert_eq!(listed(), [(Some(1), 5)]);
    site.run(&["apply", "--yes", delta]).expect(0);
    assert_eq!(listed(), [(Some(1), 5), (Some(2), 2)]);
    let large = Spec::full(1).manifest().items[1].id().to_string();
    fs::write(site.path(STORE).join(large), vec![0; 9_000_000]).unwrap();
    assert_eq!(listed(), [(Some(1), 4), (Some(2), 2)], "a damaged item cannot be left out");
}
