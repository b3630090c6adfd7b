//! The recipes of docs/examples, locked with stand-ins for their inputs.

use std::collections::BTreeSet;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::Digest;
use vgpu_tests::nvidia::{Layout, StandIn, write_portal};

use super::unlock::{LIBRARY, MANIFEST, Scene};
use crate::archive::{Repository, can_sign};
use crate::bundler::sandbox::{Sandbox, has};
use crate::registry::{Door, FakeRegistry, Image};

/// The examples, each with its test below.
const EXAMPLES: [&str; 5] = ["h100", "license-server", "passthrough", "rtx-2080-ti", "tesla-t4"];

fn folder() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples")
}

/// Writes an example as the recipe of `sandbox`, with these texts replaced: each must be in it.
fn place(sandbox: &Sandbox, name: &str, replaced: &[(&str, &str)]) {
    let mut text = fs::read_to_string(folder().join(format!("{name}.toml"))).unwrap();
    for (old, new) in replaced {
        assert!(text.contains(old), "{name} has no `{old}`");
        text = text.replace(old, new);
    }
    sandbox.write("bundle.toml", &text);
}

/// Returns the path of an input.
fn input(sandbox: &Sandbox, name: &str) -> Utf8PathBuf {
    let path = Utf8PathBuf::from_path_buf(sandbox.work("inputs")).unwrap();
    fs::create_dir_all(&path).unwrap();
    path.join(name)
}

fn can_pack() -> bool {
    ["tar", "xz", "zip", "cksum", "md5sum"].into_iter().all(has)
}

#[test]
fn every_example_is_tested_and_listed() {
    let entries = folder().read_dir_utf8().unwrap().map(|it| it.unwrap().into_path());
    let names: BTreeSet<_> = entries
        .filter(|path| path.extension() == Some("toml"))
        .map(|path| path.file_stem().unwrap().to_owned())
        .collect();
    assert_eq!(names, EXAMPLES.map(str::to_owned).into());
    let page = fs::read_to_string(folder().join("README.md")).unwrap();
    for name in EXAMPLES {
        assert!(page.contains(&format!("]({name}.toml)")), "{name}");
    }
}

#[test]
fn a_consumer_card() {
    if !can_pack() {
        return;
    }
    let Some(scene) = Scene::new(&[("Cargo.toml", MANIFEST), ("src/lib.rs", LIBRARY)]) else {
        return;
    };
    let driver = StandIn::host("535.230.02");
    let run = input(&scene.sandbox, &driver.file_name());
    driver.write(&run).unwrap();
    fs::write(input(&scene.sandbox, "535.230.02.patch"), driver.patch()).unwrap();
    let git = format!("build = \"node\"\ngit = \"repo\"\ncommit = \"{}\"", scene.commit);
    // The catalog has the digest of the original, so the stand-in needs its own.
    let path = format!("path = \"inputs/{}\"", driver.file_name());
    let pinned = format!("{path}\nsha256 = \"{}\"", Digest::of(&fs::read(&run).unwrap()));
    let replaced = [("build = \"node\"", git.as_str()), (&path, &pinned)];
    place(&scene.sandbox, "rtx-2080-ti", &replaced);
    let said = scene.run(0, &["lock", "--offline"]);
    assert!(said.contains("+ host driver: vGPU 16.9 (535.230.02)"), "{said}");
    assert!(said.contains("wrote `bundle.lock`: rtx 1"), "{said}");
}

#[test]
fn a_qualified_card_with_packages() {
    if !can_pack() || !can_sign() {
        return;
    }
    let sandbox = Sandbox::empty();
    let portal = "NVIDIA-GRID-Linux-KVM-580.178.05-580.178.04-582.78.zip";
    let (host, guest) = (StandIn::host("580.178.05"), StandIn::guest("580.178.04"));
    write_portal(&input(&sandbox, portal), Layout::Folders, &host, &guest).unwrap();
    let mut archive = Repository::new(sandbox.work("repo"), "trixie");
    for name in ["dkms", "gcc", "make"] {
        archive.add(name, "1.0", "");
    }
    archive.publish();
    archive.write_key(input(&sandbox, "debian.gpg").as_std_path());
    let mut pve = Repository::new(sandbox.work("pve"), "trixie");
    pve.add("proxmox-default-headers", "2.0", "");
    pve.publish();
    pve.write_key(input(&sandbox, "proxmox.gpg").as_std_path());
    let [debian_mirror, pve_mirror] =
        ["repo", "pve"].map(|name| format!("file:{}", sandbox.work(name).display()));
    let replaced = [
        ("https://mirror.example/debian", debian_mirror.as_str()),
        ("0123456789ABCDEF0123456789ABCDEF01234567", archive.fingerprint()),
        ("https://mirror.example/pve", pve_mirror.as_str()),
        ("89ABCDEF0123456789ABCDEF0123456789ABCDEF", pve.fingerprint()),
        ("pve-no-subscription", "main"),
    ];
    place(&sandbox, "tesla-t4", &replaced);
    let said = sandbox.ok(&["lock"]).err;
    for line in [
        "+ host driver: vGPU 19.6 (580.178.05)",
        "+ 4 packages: dkms 1.0, gcc 1.0, make 1.0, proxmox-default-headers 2.0",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

#[test]
fn a_card_of_ai_enterprise() {
    if !can_pack() {
        return;
    }
    let sandbox = Sandbox::empty();
    let driver = StandIn::enterprise("580.178.05");
    driver.write(&input(&sandbox, &driver.file_name())).unwrap();
    // The stand-in lists an A40 among others, and no H100.
    place(&sandbox, "h100", &[("10de:2331", "10de:2235")]);
    let said = sandbox.ok(&["lock"]).err;
    assert!(said.contains("580.178.05"), "{said}");
}

#[test]
fn a_gpu_for_passthrough() {
    let sandbox = Sandbox::empty();
    place(&sandbox, "passthrough", &[]);
    let said = sandbox.ok(&["lock"]).err;
    assert!(said.contains("wrote `bundle.lock`: passthrough 1"), "{said}");
}

#[test]
fn a_license_server() {
    let sandbox = Sandbox::empty();
    let registry = FakeRegistry::new(Door::Open);
    registry.image("fastapi-dls", "2.0.3", &Image::docker(&[b"a layer"]));
    for name in ["gpu-report.service", "nice.conf", "gpu-report.conf"] {
        fs::write(input(&sandbox, name), "[Unit]\n").unwrap();
    }
    let host = format!("image = \"{}/fastapi-dls:2.0.3\"", registry.host());
    let there = format!("{host}\ntransport = \"plain-http\"");
    let replaced = [("image = \"registry.example/fastapi-dls:2.0.3\"", there.as_str())];
    place(&sandbox, "license-server", &replaced);
    let said = sandbox.ok(&["lock"]).err;
    assert!(said.contains("fastapi-dls:2.0.3"), "{said}");
}
