//! Images that the real skopeo and podman saved, through a bundle and back to podman.

use std::fs;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use vgpu_manifest::Digest;
use vgpu_tests::nodes::Node;
use vgpu_tests::oci::{Compression, ImageSpec, Layout, Podman, accepted_by_pve};
use vgpu_tests::scratch::{Said, Scratch, expect, run};
use vgpu_tests::skip::have;

use crate::registry::{Door, FakeRegistry, Lie, OCI_MANIFEST};

const NAME: &str = "registry.example/team/dls:2.0.3";

fn skopeo(more: &[&str], from: &str, to: &str) {
    let mut command = Command::new("skopeo");
    command.args(["--insecure-policy", "copy", "--quiet"]).args(more).args([from, to]);
    command.stdin(Stdio::null());
    let Said { code, out, err } = run(command);
    assert_eq!(code, Some(0), "{from} {to}\n{out}{err}");
}

/// A laptop with one key.
fn laptop() -> Scratch {
    let laptop = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    expect(laptop.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
    laptop
}

fn recipe(fields: &str) -> String {
    format!(
        "[bundle]\nname = \"dls\"\nchannel = \"stable\"\n[[image]]\nname = \"licensing/dls.tar\"\n{fields}"
    )
}

/// Locks and builds a bundle with the image, and returns the item.
fn through(laptop: &Scratch, fields: &str) -> Utf8PathBuf {
    laptop.write("bundle.toml", recipe(fields));
    let out = laptop.path("out");
    for old in [&out, &laptop.path("bundles")] {
        let _ = fs::remove_dir_all(old);
    }
    let _ = fs::remove_file(laptop.path("laptop/bundle.lock"));
    fs::create_dir(laptop.path("bundles")).unwrap();
    expect(laptop.bundler(&["lock"]), 0);
    let lock = fs::read(laptop.path("laptop/bundle.lock")).unwrap();
    expect(laptop.bundler(&["lock"]), 0);
    assert!(fs::read(laptop.path("laptop/bundle.lock")).unwrap() == lock, "another lock");
    expect(laptop.bundler(&["build", "--output", laptop.path("bundles").as_str()]), 0);
    let bundle = laptop.path("bundles/dls-1.vgpu.tar");
    expect(laptop.bundler(&["extract", bundle.as_str(), "-o", out.as_str()]), 0);
    out.join("licensing/dls.tar")
}

fn from(path: &Utf8Path, image: Option<&str>) -> String {
    let image = image.map(|image| format!("image = \"{image}\"\n")).unwrap_or_default();
    format!("path = \"{path}\"\n{image}")
}

/// Checks that podman loads the item under its name, with the files of every layer.
fn loads(podman: &Podman, archive: &Utf8Path, name: &str, layers: usize) -> Value {
    let said = podman.ok(&["load", "--input", archive.as_str()]);
    assert_eq!(said.trim(), format!("Loaded image: {name}"));
    let inspected = podman.ok(&["image", "inspect", name]);
    let mut inspected: Value = serde_json::from_str(&inspected).unwrap();
    let place = podman.ok(&["image", "mount", name]);
    let place = Utf8Path::new(place.trim());
    for n in 1..=layers {
        assert_eq!(fs::metadata(place.join(format!("layers/{n}"))).unwrap().len(), 8000);
    }
    podman.ok(&["image", "unmount", name]);
    inspected[0].take()
}

#[test]
fn every_form_of_ocis_gives_the_item_of_a_registry() {
    if !have("skopeo") || !have("podman") {
        return;
    }
    let laptop = laptop();
    let all = [Compression::Gzip, Compression::None, Compression::Zstd];
    let image = ImageSpec::numbered(3).packed(&all);
    let folder = laptop.path("laptop/layout");
    let layout = Layout::of_image(&folder, "2.0.3", &image).unwrap();
    // The same image in a registry.
    let index = fs::read(folder.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let registry = FakeRegistry::new(Door::Open);
    for blob in fs::read_dir(folder.join("blobs/sha256")).unwrap().map(Result::unwrap) {
        let (name, bytes) = (blob.file_name(), fs::read(blob.path()).unwrap());
        let name = name.to_str().unwrap();
        let kind = if digest.ends_with(name) { "manifests" } else { "blobs" };
        registry.serve(&format!("dls/{kind}/sha256:{name}"), OCI_MANIFEST, &bytes, Lie::None);
        if kind == "manifests" {
            registry.serve("dls/manifests/2.0.3", OCI_MANIFEST, &bytes, Lie::None);
        }
    }
    let name = format!("{}/dls:2.0.3", registry.host());
    let pulled = through(&laptop, &format!("image = \"{name}\"\ntransport = \"plain-http\"\n"));
    let pulled = fs::read(pulled).unwrap();
    drop(registry);

    let archive = laptop.path("laptop/oci.tar");
    skopeo(
        &["--preserve-digests"],
        &format!("oci:{folder}:2.0.3"),
        &format!("oci-archive:{archive}:{name}"),
    );
    for (path, image) in [("layout", Some(&*name)), ("oci.tar", Some(&*name)), ("oci.tar", None)] {
        let item = through(&laptop, &from(Utf8Path::new(path), image));
        assert!(fs::read(item).unwrap() == pulled, "{path} {image:?}");
    }
    // With its digest, and with another one.
    let pinned = format!("{name}@{digest}");
    let item = through(&laptop, &from(Utf8Path::new("layout"), Some(&pinned)));
    assert!(fs::read(&item).unwrap() == pulled);
    assert_eq!(format!("sha256:{}", accepted_by_pve(&item).unwrap().manifest), digest);
    let podman = Podman::new(&laptop.path("podman"));
    let loaded = loads(&podman, &item, &name, 3);
    assert_eq!(loaded["Digest"], digest);
    let wrong = format!("{name}@sha256:{}", Digest::of(b"another"));
    laptop.write("bundle.toml", recipe(&from(layout.folder(), Some(&wrong))));
    let said = expect(laptop.bundler(&["lock"]), 1);
    assert!(said.err.contains(&format!("the image has the digest {digest}, not ")), "{said:?}");

    // A change after the lock is told, and a damaged part never gets into a bundle.
    laptop.write("bundle.toml", recipe(&from(Utf8Path::new("oci.tar"), None)));
    expect(laptop.bundler(&["lock"]), 0);
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&archive, bytes).unwrap();
    let said = expect(laptop.bundler(&["lock"]), 1);
    assert!(said.err.contains("does not have the digest sha256:"), "{said:?}");
    fs::remove_dir_all(laptop.path("cache")).unwrap();
    expect(laptop.bundler(&["build"]), 1);
}

#[test]
fn dockers_archive_is_the_same_item_from_podman_and_from_skopeo() {
    if !have("skopeo") || !have("podman") {
        return;
    }
    let laptop = laptop();
    let podman = Podman::new(&laptop.path("podman"));
    let folder = laptop.path("laptop/layout");
    let image = ImageSpec::numbered(4).packed(&[Compression::Gzip, Compression::None]);
    Layout::of_image(&folder, "1", &image).unwrap();
    let copied = laptop.path("laptop/copied.tar");
    skopeo(&[], &format!("oci:{folder}:1"), &format!("docker-archive:{copied}:{NAME}"));
    podman.ok(&["load", "--input", copied.as_str()]);
    let id = podman.ok(&["image", "inspect", "--format", "{{.Id}}", NAME]);
    let saved = laptop.path("laptop/saved.tar");
    podman.ok(&["save", "--format", "docker-archive", "--output", saved.as_str(), NAME]);
    let item = fs::read(through(&laptop, &from(Utf8Path::new("copied.tar"), None))).unwrap();
    let again = through(&laptop, &from(Utf8Path::new("saved.tar"), None));
    assert!(fs::read(&again).unwrap() == item);
    let accepted = accepted_by_pve(&again).unwrap();
    // The layers are as in the archive: not compressed, with the digests of the configuration.
    let ids: Vec<String> =
        accepted.layers.iter().map(|layer| format!("sha256:{}", Digest::of(layer))).collect();
    assert_eq!(accepted.config["rootfs"]["diff_ids"], Value::from(ids));
    let lock = fs::read_to_string(laptop.path("laptop/bundle.lock")).unwrap();
    for word in [&accepted.manifest.to_string(), id.trim(), "path = \"saved.tar\""] {
        assert!(lock.contains(word), "{word}: {lock}");
    }
    podman.ok(&["image", "rm", NAME]);
    let loaded = loads(&podman, &again, NAME, 4);
    assert_eq!(loaded["Id"], id.trim());
    assert_eq!(loaded["Digest"], format!("sha256:{}", accepted.manifest));

    // Of several images, one is named; podman calls one image by two names, too.
    let other = ImageSpec::numbered(1).marked("other");
    Layout::of_image(&laptop.path("laptop/other"), "1", &other).unwrap();
    let second = laptop.path("second.tar");
    let db = "registry.example/team/db:7";
    skopeo(
        &[],
        &format!("oci:{}:1", laptop.path("laptop/other")),
        &format!("docker-archive:{second}:{db}"),
    );
    podman.ok(&["load", "--input", second.as_str()]);
    podman.ok(&["tag", NAME, "localhost/dls:test"]);
    let several = laptop.path("laptop/several.tar");
    let words = ["save", "-m", "--format", "docker-archive", "--output", several.as_str()];
    podman.ok(&[&words[..], &[NAME, "localhost/dls:test", db]].concat());
    laptop.write("bundle.toml", recipe(&from(Utf8Path::new("several.tar"), None)));
    let said = expect(laptop.bundler(&["lock"]), 1);
    for word in ["it has 2 images; set `image`", NAME, "`localhost/dls:test`", db] {
        assert!(said.err.contains(word), "{word}: {said:?}");
    }
    let chosen = through(&laptop, &from(Utf8Path::new("several.tar"), Some(NAME)));
    assert!(fs::read(chosen).unwrap() == item);
}

#[test]
fn the_license_server_is_installed_from_an_image_on_disk() {
    let laptop = laptop();
    let folder = laptop.path("laptop/layout");
    Layout::of_image(&folder, "2.0.3", &ImageSpec::numbered(1)).unwrap();
    let item = fs::read(through(&laptop, &from(Utf8Path::new("layout"), Some(NAME)))).unwrap();
    let bundle = laptop.path("bundles/dls-1.vgpu.tar");
    let shown = expect(laptop.bundler(&["inspect", bundle.as_str()]), 0).out;
    assert!(shown.contains("container image") && shown.contains(NAME), "{shown}");
    let id = Digest::of(
        &accepted_by_pve(&laptop.path("out/licensing/dls.tar"))
            .map(|it| serde_json::to_vec(&it.config).unwrap())
            .unwrap(),
    );

    Node::A40.write(&laptop.path("node")).unwrap();
    laptop.trust_alice();
    let place = |path: &str, text: &str| {
        let path = laptop.path("node").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    place("sys/class/net/vmbr0/address", "");
    place("etc/pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl\n");
    let words = ["license", "install", bundle.as_str(), "--yes", "--accept-notice"];
    let more = ["--address", "dls.example", "--cidr", "192.0.2.30/24", "--vmid", "200"];
    let more = [&words[..], &more, &["--storage", "local-lvm"]].concat();
    expect(laptop.installer(&more), 0);
    let template = format!("vgpu-offline-license-{}.tar", &id.to_string()[..16]);
    let template = laptop.path("node/var/lib/vz/template/cache").join(template);
    assert!(fs::read(template).unwrap() == item);
}
