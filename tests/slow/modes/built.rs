//! A Pascal GPU: the library is built on the node, from sources that include all dependencies, and
//! the driver gets the vGPU type list of an older one.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use vgpu_manifest::Digest;
use vgpu_tests::kit::{Kit, kind};
use vgpu_tests::roots::{Layer, Release, Roots, with_own_mounts};
use vgpu_tests::scratch::expect;

use super::bundle::{Content, Patched, wants};
use super::machine::{Card, Loader, Machine, PVE1};
use super::stage::{Stage, package};
use crate::node::packages::take;

const NEW: &str = "550.163.02";
const OLD: &str = "535.230.02";

/// A GTX 1080, whose types the drivers of 17.x no longer have.
const GTX_1080: Card =
    Card { address: "0000:81:00.0", device: "0x1b80", functions: 0, sound: true };

/// A host with the toolchain and Rust: Debian 13's, because that of Debian 12 is too old for the
/// real library.
const RUST: Layer<'static> = Layer {
    name: "rust",
    packages: &[
        "linux-image-amd64",
        "linux-headers-amd64",
        "initramfs-tools",
        "systemd-sysv",
        "udev",
        "pciutils",
        "dkms",
        "gcc",
        "make",
        "zstd",
        "cargo",
    ],
};

/// The sources, with a vendored crate, in the layout of `cargo vendor`.
const SOURCES: [(&str, &str); 7] = [
    (
        "stand-in/Cargo.toml",
        "[package]\nname = \"vgpu_unlock-rs\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
         [lib]\nname = \"vgpu_unlock_rs\"\ncrate-type = [\"cdylib\"]\n\
         [dependencies]\nanswer = { version = \"1.0.0\", registry = \"example\" }\n",
    ),
    (
        "stand-in/Cargo.lock",
        "version = 3\n\n[[package]]\nname = \"answer\"\nversion = \"1.0.0\"\n\
         source = \"registry+https://registry.example/index\"\n\
         checksum = \"9a3d0e0c7d3c1b4c7d6f2b1a0908070605040302010f0e0d0c0b0a0908070605\"\n\n\
         [[package]]\nname = \"vgpu_unlock-rs\"\nversion = \"0.1.0\"\ndependencies = [\n \"answer\",\n]\n",
    ),
    (
        "stand-in/.cargo/config.toml",
        "[registries.example]\nindex = \"https://registry.example/index\"\n\
         [source.example]\nregistry = \"https://registry.example/index\"\nreplace-with = \"vendored\"\n\
         [source.vendored]\ndirectory = \"vendor\"\n",
    ),
    (
        "stand-in/src/lib.rs",
        "#[no_mangle]\npub extern \"C\" fn stand_in() -> i32 {\n    answer::answer()\n}\n",
    ),
    (
        "stand-in/vendor/answer/Cargo.toml",
        "[package]\nname = \"answer\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
    ),
    ("stand-in/vendor/answer/src/lib.rs", "pub fn answer() -> i32 {\n    42\n}\n"),
    (
        "stand-in/vendor/answer/.cargo-checksum.json",
        "{\"files\":{},\"package\":\"9a3d0e0c7d3c1b4c7d6f2b1a0908070605040302010f0e0d0c0b0a0908070605\"}",
    ),
];

#[test]
fn a_library_is_built_on_the_node_and_a_pascal_card_has_its_old_list() {
    with_own_mounts(
        "modes::built::a_library_is_built_on_the_node_and_a_pascal_card_has_its_old_list",
        || {
            let Some(roots) = Roots::open() else { return };
            let release = Release::Debian13;
            let Some(pristine) = roots.layered(release, RUST) else { return };
            let mut kit = Kit::new();
            let machine = Machine { cards: &[GTX_1080], loader: Loader::Grub, identity: PVE1 };
            let mut stage = Stage::stock(pristine.fresh(), machine, &kit);
            stage.begin("built-debian13");
            let content = Content {
                release,
                drivers: vec![NEW, OLD],
                patched: Patched::Yes,
                packages: vec![cargo(&stage, &mut kit)],
                unlock: vec![sources(&mut kit)],
                wants: wants(),
            };
            stage.site.insert(&content.bundle(&mut kit, 1));
            stage.apply(&[], 10);
            let said = stage.reboot(0);
            for line in ["use the vgpuConfig.xml of driver 535.230.02", "build /opt/vgpu_unlock-rs"]
            {
                assert!(said.contains(line), "{line}: {said}");
            }
            let library = "/opt/vgpu_unlock-rs/target/release/libvgpu_unlock_rs.so";
            let bytes = fs::read(stage.root().at(library)).unwrap();
            assert!(bytes.starts_with(b"\x7fELF"));
            assert!(bytes.windows(8).any(|word| word == b"stand_in"));
            let config = |version| kit.path(&format!("tree-{version}/vgpuConfig.xml"));
            let is = stage.root().at("/usr/share/nvidia/vgpu/vgpuConfig.xml");
            let [is, old, new] = [is, config(OLD), config(NEW)].map(|it| fs::read(it).unwrap());
            assert_eq!(Digest::of(&is), Digest::of(&old));
            assert_ne!(Digest::of(&old), Digest::of(&new));
            stage.run(&["status"], 0);
            stage.run(&["revert", "--yes"], 10);
            stage.run(&["forget", "--yes"], 0);
            stage.is_as_before();
        },
    );
}

/// Returns the compiler's package as a bundle would include it; the node has it already.
fn cargo(stage: &Stage, kit: &mut Kit) -> Value {
    let version = stage.root().packages()["cargo:amd64"].split(' ').next().unwrap().to_owned();
    let file = package(stage.root(), "cargo", &version, "", &[]);
    let mut record = take(kit, &stage.root().at(&file), "requested");
    fs::remove_dir_all(stage.root().at("/srv/made")).unwrap();
    record["kind"]["package"]["arch"] = json!("amd64");
    record
}

fn sources(kit: &mut Kit) -> Value {
    let folder = kit.path("sources");
    for (name, text) in SOURCES {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let archive = kit.path("sources.tar.zst");
    let mut tar = Command::new("tar");
    tar.args(["--create", "--zstd", "--file", archive.as_str(), "--directory", folder.as_str()]);
    tar.arg("stand-in");
    expect(tar, 0);
    kit.file("unlock/source.tar.zst", &archive);
    let record = json!({
        "commit": "71ec870".repeat(6)[..40],
        "library": "mbilker",
        "tree": { "unpacked": 20_480, "window-log": 23 },
    });
    kind("unlock/source.tar.zst", "unlock-source", record)
}
