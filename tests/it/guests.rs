//! Guest drivers and tools: a CD image, made by `genisoimage`, in a storage of Proxmox VE.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use vgpu_tests::chroot::{DISC_TOOLS, bring};
use vgpu_tests::kit::{Kit, kind};
use vgpu_tests::memory::peak_of;
use vgpu_tests::nodes::Node;
use vgpu_tests::sample::noise;
use vgpu_tests::scratch::{Said, Scratch, expect};
use vgpu_tests::skip::have;
use vgpu_tests::tree::Snapshot;

const LINUX: &str = "NVIDIA-Linux-x86_64-535.230.02-grid.run";
/// 74 characters, in NVIDIA's naming scheme.
const WINDOWS: &str = "539.19_grid_win10_win11_server2019_server2022_dch_64bit_international1.exe";

/// Two storages, of which only the second accepts images.
const STORAGES: &str = "dir: local\n\tpath /var/lib/vz\n\tcontent backup,vztmpl\n\n\
                        dir: tank\n\tpath /srv/tank\n\tcontent iso\n";

fn driver(file: &str, version: &str, of: &str) -> Value {
    kind(&format!("guest/{file}"), "driver", json!({ "version": version, "kind": of }))
}

/// A node, and a bundle with guest drivers.
struct Stage {
    scratch: Scratch,
    kit: Kit,
    linux: Vec<u8>,
}

impl Stage {
    /// A stage whose commands run; `None` where this machine cannot run them.
    fn with_commands() -> Option<Self> {
        let stage = Self::new();
        bring(&stage.scratch.path("node"), &DISC_TOOLS).then_some(stage)
    }

    fn new() -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        Node::TeslaT4.write(&scratch.path("node")).unwrap();
        let mut kit = Kit::new();
        // Larger than the program's memory limit.
        let linux = noise(1, (70 << 20) + 7);
        kit.bytes(&format!("guest/{LINUX}"), &linux);
        kit.bytes(&format!("guest/{WINDOWS}"), noise(2, 5 << 20));
        let stage = Self { scratch, kit, linux };
        let (key, fingerprint) = (stage.kit.path("key.pub"), stage.kit.fingerprint());
        let words = ["trust", "add", key.as_str(), "--principal", "alice", "--channel", "stable"];
        stage.run(&[&words[..], &["--fingerprint", &fingerprint]].concat(), 0);
        stage
    }

    fn bundle(&self, sequence: u64) -> Utf8PathBuf {
        self.kit.bundle(
            sequence,
            json!({ "kinds": [
                driver(LINUX, "535.230.02", "guest"),
                driver(WINDOWS, "539.19", "windows-guest"),
            ] }),
        )
    }

    fn command(&self, words: &[&str]) -> Command {
        let has_commands = self.node("usr/bin/true").exists();
        let chroot: &[&str] = if has_commands { &["--chroot"] } else { &[] };
        self.scratch.installer(&[chroot, words].concat())
    }

    fn run(&self, words: &[&str], code: i32) -> Said {
        expect(self.command(words), code)
    }

    fn node(&self, path: &str) -> Utf8PathBuf {
        self.scratch.path("node").join(path)
    }
}

#[test]
fn drivers_for_guests_become_an_image_and_go_away_again() {
    let Some(stage) = Stage::with_commands() else { return };
    fs::create_dir_all(stage.node("etc/pve")).unwrap();
    fs::write(stage.node("etc/pve/storage.cfg"), STORAGES).unwrap();
    let own = ["etc/vgpu-offline", "var/lib/vgpu-offline", "var/log/vgpu-offline"];
    let before = Snapshot::of(&stage.scratch.path("node"), &own).unwrap();
    let bundle = stage.bundle(1);

    let plan = stage.run(&["plan", "--explain", bundle.as_str()], 0).out;
    for words in [
        "make /srv/tank/template/iso/node-guests.iso with guest drivers: 2",
        "qm set VMID --ide2 tank:iso/node-guests.iso,media=cdrom",
    ] {
        let flat = plan.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words}: {plan}");
    }
    let mut apply = stage.command(&["apply", "--yes", bundle.as_str()]);
    let mut apply = apply.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let peak = peak_of(&mut apply).unwrap();
    assert!(peak <= 64 << 10, "{peak} KiB at its peak");

    let image = stage.node("srv/tank/template/iso/node-guests.iso");
    assert_eq!(fs::metadata(&image).unwrap().permissions().mode() & 0o7777, 0o644);
    if have("isoinfo") {
        let file = |name: &str| {
            let mut command = Command::new("isoinfo");
            let output = command.args(["-J", "-i", image.as_str(), "-x", name]).output().unwrap();
            assert!(output.status.success());
            output.stdout
        };
        assert!(file(&format!("/linux/{LINUX}")) == stage.linux);
        assert!(file(&format!("/windows/{WINDOWS}")) == noise(2, 5 << 20));
        let readme = String::from_utf8(file("/README.txt")).unwrap();
        for words in [LINUX, WINDOWS, "version 535.230.02, for Linux", "\r\n"] {
            assert!(readme.contains(words), "{words}: {readme}");
        }
    }

    stage.run(&["status"], 0);
    let said = stage.run(&["guest-drivers"], 0).out;
    for words in [
        "/srv/tank/template/iso/node-guests.iso  holds",
        &format!("70.0 MiB  linux/{LINUX}"),
        &format!("windows/{WINDOWS}"),
        "qm set VMID --ide2 tank:iso/node-guests.iso,media=cdrom",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    fs::remove_file(&image).unwrap();
    let said = stage.run(&["guest-drivers", "--json"], 5).out;
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["image"]["holds"], false);
    assert_eq!(json["image"]["files"][1]["size"], 5 << 20);
    stage.run(&["apply", "--yes", bundle.as_str()], 0);
    stage.run(&["revert", "--all", "--yes"], 0);
    assert!(stage.run(&["guest-drivers"], 0).out.contains("no guest drivers here"));
    let after = Snapshot::of(&stage.scratch.path("node"), &own).unwrap();
    assert_eq!(before.differences(&after), Vec::<String>::new());
}

#[test]
fn two_nodes_make_the_same_image_where_each_has_its_place() {
    let [Some(one), Some(two)] = [(); 2].map(|()| Stage::with_commands()) else { return };
    let stages = [one, two];
    fs::create_dir_all(stages[1].node("etc/pve")).unwrap();
    fs::write(stages[1].node("etc/pve/storage.cfg"), STORAGES).unwrap();
    for stage in &stages {
        stage.run(&["apply", "--yes", stage.bundle(1).as_str()], 0);
    }
    let image = stages[0].node("var/lib/vz/template/iso/node-guests.iso");
    let bytes = fs::read(&image).unwrap();
    let other = fs::read(stages[1].node("srv/tank/template/iso/node-guests.iso")).unwrap();
    assert!(bytes == other);

    // A byte that was changed outside the installer is drift; `apply` restores the same bytes.
    let file = fs::File::options().write(true).open(&image).unwrap();
    file.write_all_at(b"!", 40 << 20).unwrap();
    stages[0].run(&["status"], 5);
    stages[0].run(&["apply", "--yes", stages[0].bundle(1).as_str()], 0);
    assert!(fs::read(&image).unwrap() == bytes);
    stages[0].run(&["status"], 0);
}

#[test]
fn an_image_that_cannot_be_made_is_named_before_anything_changes() {
    let stage = Stage::new();
    let bundle = stage.bundle(1);
    // Where commands do not run, the one that would make the image is listed.
    stage.run(&["apply", "--yes", bundle.as_str()], 0);
    let image = stage.node("var/lib/vz/template/iso/node-guests.iso");
    assert!(!image.exists());
    let commands = fs::read_to_string(stage.node("var/lib/vgpu-offline/commands.log")).unwrap();
    assert!(commands.contains("genisoimage") && commands.contains("VGPU_GUEST"), "{commands}");
    let said = stage.run(&["guest-drivers"], 5).out;
    assert!(said.contains("node-guests.iso  not made"), "{said}");

    // Every Proxmox VE has the package, but it can be removed.
    let stage = Stage::new();
    let bundle = stage.bundle(1);
    let status = stage.node("var/lib/dpkg/status");
    let packages = fs::read_to_string(&status).unwrap();
    fs::write(&status, packages.replace("Package: genisoimage", "Package: other")).unwrap();
    for words in [&["plan"][..], &["apply", "--yes"]] {
        let said = stage.run(&[words, &[bundle.as_str()]].concat(), 4);
        assert!(said.err.contains("the package `genisoimage`"), "{said:?}");
        assert!(said.err.contains("hint: run `apt install genisoimage`"), "{said:?}");
    }
    assert!(!stage.node("usr/local/sbin/vgpu-installer").exists());
}
