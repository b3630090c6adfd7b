//! Guest licensing on simulated nodes, where no commands run: questions, refusals and results.
//! `tests/slow/license` runs a server.

use std::fs;

use camino::Utf8PathBuf;
use serde_json::{Value, json};
use vgpu_manifest::Digest;
use vgpu_tests::chroot::{DISC_TOOLS, bring};
use vgpu_tests::kit::{Kit, kind};
use vgpu_tests::nodes::Node;
use vgpu_tests::sample::noise;
use vgpu_tests::scratch::{Said, Scratch, expect};

const IMAGE: &str = "licensing/dls.tar";
const TOOL: &[u8] = b"a tool for guests, supplied by the operator, never run here";
/// The address of the node: 192.0.2.10.
const TRIE: &str = "Local:\n  |-- 192.0.2.10\n     /32 host LOCAL\n";
const OWN: &str = "var/lib/vgpu-offline-license";

/// A node that trusts the kit's key, and a bundle with an image and a tool for guests.
struct Stage {
    scratch: Scratch,
    kit: Kit,
}

impl Stage {
    fn new(node: Node) -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        node.write(&scratch.path("node")).unwrap();
        let mut kit = Kit::new();
        kit.bytes(IMAGE, "stands for an archive of an image");
        kit.bytes("guest/tool", TOOL);
        let stage = Self { scratch, kit };
        stage.place("proc/net/fib_trie", TRIE);
        let (key, fingerprint) = (stage.kit.path("key.pub"), stage.kit.fingerprint());
        let words = ["trust", "add", key.as_str(), "--principal", "alice", "--channel", "stable"];
        stage.run(&[&words[..], &["--fingerprint", &fingerprint]].concat(), 0);
        stage
    }

    fn bundle(&self, fields: Value) -> Utf8PathBuf {
        self.kit.bundle(1, fields)
    }

    fn with_image(&self) -> Utf8PathBuf {
        self.bundle(image("2.0.3"))
    }

    fn with_tool(&self) -> Utf8PathBuf {
        self.bundle(json!({ "wants": { "guest-tool": [{ "item": "guest/tool" }] } }))
    }

    fn run(&self, words: &[&str], code: i32) -> Said {
        let has_commands = self.node("usr/bin/true").exists();
        let chroot: &[&str] = if has_commands { &["--chroot"] } else { &[] };
        expect(self.scratch.installer(&[chroot, words].concat()), code)
    }

    fn install(&self, bundle: &Utf8PathBuf, words: &[&str], code: i32) -> Said {
        let all = ["license", "install", bundle.as_str(), "--yes", "--accept-notice"];
        self.run(&[&all[..], words].concat(), code)
    }

    fn node(&self, path: &str) -> Utf8PathBuf {
        self.scratch.path("node").join(path)
    }

    fn place(&self, path: &str, text: &str) {
        let path = self.node(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn image_has_tool(&self) -> bool {
        let path = self.node("var/lib/vz/template/iso/node-guests.iso");
        let image = fs::read(path).unwrap_or_default();
        image.windows(TOOL.len()).any(|bytes| bytes == TOOL)
    }

    /// Returns the commands that were skipped.
    fn commands(&self) -> String {
        fs::read_to_string(self.node("var/lib/vgpu-offline/commands.log")).unwrap_or_default()
    }
}

/// Returns the bundle's record of an image of this version.
fn image(version: &str) -> Value {
    let [digest, id] = ["manifest", "configuration"]
        .map(|part| Digest::of(format!("{part} {version}").as_bytes()));
    let reference = format!("registry.example/team/dls:{version}");
    let record = json!({ "reference": reference, "digest": digest, "id": id });
    json!({ "kinds": [kind(IMAGE, "image", record)] })
}

#[test]
fn tools_for_guests_are_handed_out_only_if_that_is_asked_for() {
    let stage = Stage::new(Node::TeslaT4);
    if !bring(&stage.scratch.path("node"), &DISC_TOOLS) {
        return;
    }
    let bundle = stage.with_tool();
    let why = "left out: guest/tool, a third-party guest tool";
    let plan = stage.run(&["plan", bundle.as_str()], 0).out;
    assert!(plan.contains(why) && plan.contains("`--guest-tools`"), "{plan}");
    let said = stage.run(&["apply", "--yes", bundle.as_str()], 0);
    assert!(said.err.contains(why), "{said:?}");
    assert!(!stage.image_has_tool());

    // The applied plan is the reviewed one.
    let plan = stage.scratch.path("plan.json");
    let words = ["plan", bundle.as_str(), "--guest-tools", "--output", plan.as_str()];
    let shown = stage.run(&words, 0).out;
    assert!(!shown.contains("left out"), "{shown}");
    stage.run(&["apply", "--yes", "--plan", plan.as_str(), bundle.as_str()], 0);
    assert!(stage.image_has_tool());
    stage.run(&["status"], 0);

    // The same for files in a folder.
    stage.scratch.write("token.tok", "aGVhZA.Ym9keQ.c2ln\n");
    let token = stage.scratch.path("laptop/token.tok");
    stage.run(&["license", "use", "--token", token.as_str()], 0);
    let folder = stage.scratch.path("laptop/guests");
    let said = stage.run(&["license", "guests", folder.as_str()], 0);
    assert!(said.err.contains(why), "{said:?}");
    assert!(!folder.join("tool").exists() && folder.join("license-token.tok").exists());
    let said = stage.run(&["license", "guests", folder.as_str(), "--guest-tools"], 0);
    assert!(!said.err.contains(why), "{said:?}");
    assert_eq!(fs::read(folder.join("tool")).unwrap(), TOOL);
}

#[test]
fn nothing_of_a_license_server_happens_unless_it_is_asked_for() {
    let stage = Stage::new(Node::A40);
    stage.run(&["apply", "--yes", stage.with_image().as_str()], 0);
    assert!(!stage.node(OWN).exists());
    let said = stage.run(&["license", "status"], 2);
    assert!(said.err.contains("no license server is installed on this node"), "{said:?}");
    let said = stage.run(&["license", "guests", stage.scratch.path("x").as_str()], 2);
    assert!(said.err.contains("no license server is configured on this node"), "{said:?}");
}

#[test]
fn a_server_that_comes_back_is_started_again() {
    let stage = Stage::new(Node::TeslaT4);
    let podman =
        "Package: podman\nStatus: install ok installed\nVersion: 4.3.1\nArchitecture: amd64\n";
    let packages = fs::read_to_string(stage.node("var/lib/dpkg/status")).unwrap();
    stage.place("var/lib/dpkg/status", &format!("{}\n\n{podman}", packages.trim_end()));
    stage.install(&stage.with_image(), &["--address", "192.0.2.10"], 0);
    let newer = stage.kit.bundle(2, image("2.0.4"));
    stage.run(&["apply", "--yes", newer.as_str()], 0);
    let before = stage.commands();
    stage.run(&["revert", "--yes"], 0);
    let commands = stage.commands();
    let since = commands.strip_prefix(&before).unwrap();
    let start = "systemctl restart vgpu-offline-license.service";
    assert_eq!(since.matches(start).count(), 1, "{since}");
    assert!(since.trim_end().ends_with(start), "{since}");
    // Nothing remains to be served afterwards.
    let before = stage.commands();
    stage.run(&["revert", "--yes"], 0);
    assert!(!stage.commands().strip_prefix(&before).unwrap().contains(start));
}

#[test]
fn on_a_recent_proxmox_ve_the_server_gets_a_container() {
    let stage = Stage::new(Node::A40);
    let bundle = stage.with_image();
    let said = stage.install(&bundle, &["--address", "192.0.2.30"], 4);
    assert!(said.err.contains("`--cidr 192.0.2.30/24`"), "{said:?}");
    stage.place("sys/class/net/vmbr0/address", "");
    let place = ["--address", "dls.example", "--cidr", "192.0.2.30/24"];
    let said = stage.install(&bundle, &place, 4);
    assert!(said.err.contains("returned no free number; pass one with `--vmid`"), "{said:?}");
    assert!(!stage.node(OWN).exists(), "a refusal leaves nothing");
    let place = [&place[..], &["--vmid", "200"]].concat();
    let said = stage.install(&bundle, &place, 4);
    assert!(said.err.contains("pass `--storage NAME`"), "{said:?}");
    let templates = "no storage of this node may hold container templates";
    let place = [&place[..], &["--storage", "local-lvm"]].concat();
    stage.place("etc/pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n\tcontent iso\n");
    let said = stage.install(&bundle, &place, 4);
    assert!(said.err.contains(templates), "{said:?}");
    stage.place("etc/pve/storage.cfg", "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl\n");

    stage.install(&bundle, &place, 0);
    let id = Digest::of(b"configuration 2.0.3").to_string();
    let template = format!("vgpu-offline-license-{}.tar", &id[..16]);
    let archive = stage.node("var/lib/vz/template/cache").join(&template);
    assert_eq!(fs::read_to_string(&archive).unwrap(), "stands for an archive of an image");
    let commands = stage.commands();
    for words in [
        format!("/usr/sbin/pct create 200 local:vztmpl/{template} --hostname vgpu-license"),
        "--net0 name=eth0,bridge=vmbr0,ip=192.0.2.30/24,type=veth,host-managed=1".to_owned(),
        "/usr/sbin/pct set 200 --mp0 /var/lib/vgpu-offline-license/cert,mp=/app/cert --mp1 "
            .to_owned(),
        "/usr/sbin/pct start 200".to_owned(),
    ] {
        assert!(commands.contains(&words), "{words}: {commands}");
    }
    // `pct create` would extract the image through mount points.
    let create = commands.lines().find(|line| line.contains("pct create")).unwrap();
    assert!(!create.contains("--mp"), "{create}");
    assert!(!stage.node("etc/systemd/system/vgpu-offline-license.service").exists());
    stage.run(&["revert", "--yes"], 0);
    assert!(!archive.exists());
    assert!(stage.node(OWN).join("service.json").exists(), "it is the operator's");
}

#[test]
fn a_bundle_that_was_damaged_sets_up_no_server() {
    let stage = Stage::new(Node::TeslaT4);
    let status = stage.node("var/lib/dpkg/status");
    let podman =
        "\nPackage: podman\nStatus: install ok installed\nArchitecture: amd64\nVersion: 4.3\n";
    let before = fs::read_to_string(&status).unwrap();
    fs::write(&status, format!("{}\n{podman}", before.trim_end())).unwrap();
    let bundle = stage.with_image();
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.windows(10).position(|it| it == b"stands for").unwrap();
    bytes[at] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let said = stage.install(&bundle, &["--address", "192.0.2.10"], 3);
    assert!(said.err.contains(IMAGE), "{said:?}");
    assert!(!stage.node("etc/systemd/system/vgpu-offline-license.service").exists());
    assert!(!stage.node(OWN).join("cert").exists());
    let said = stage.install(&bundle, &["--address", "127.0.1.1"], 2);
    assert!(said.err.contains("a loopback address"), "{said:?}");
}

#[test]
fn nvidias_appliance_comes_out_of_the_bundle_whole_or_not_at_all() {
    let mut stage = Stage::new(Node::TeslaT4);
    let out = stage.scratch.path("laptop/out");
    let get = |stage: &Stage, bundle: &Utf8PathBuf, more: &[&str], code| {
        let words = ["license", "appliance", bundle.as_str(), "--output", out.as_str()];
        stage.run(&[&words[..], more].concat(), code)
    };
    let said = get(&stage, &stage.with_image(), &[], 2);
    assert!(said.err.contains("the bundle has no appliance"), "{said:?}");
    let archive = noise(7, (3 << 20) + 11);
    stage.kit.bytes("licensing/nls.qcow2", &archive);
    let bundle = stage.with_image();
    let said = get(&stage, &bundle, &[], 0);
    assert!(fs::read(out.join("nls.qcow2")).unwrap() == archive);
    for words in ["qm importdisk VMID", "license use --token"] {
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
    stage.kit.bytes("licensing/nls.zip", "another");
    let both = stage.with_image();
    let said = get(&stage, &both, &[], 2);
    assert!(said.err.contains("`--item licensing/nls.qcow2` or `--item licensing/nls.zip`"));
    get(&stage, &both, &["--item", "licensing/nls.zip"], 0);
    get(&stage, &both, &["--item", "licensing/none"], 2);

    // A damaged backup replaces nothing and leaves no files.
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.windows(32).position(|it| *it == archive[2 << 20..][..32]).unwrap();
    bytes[at] ^= 1;
    let damaged = stage.scratch.path("laptop/damaged.vgpu.tar");
    fs::write(&damaged, bytes).unwrap();
    let said = get(&stage, &damaged, &["--item", "licensing/nls.qcow2"], 3);
    assert!(said.err.contains("licensing/nls.qcow2"), "{said:?}");
    assert!(fs::read(out.join("nls.qcow2")).unwrap() == archive);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
}

#[test]
fn what_the_bash_script_signs_with_is_taken_over_and_a_second_node_hands_out_the_same() {
    let stage = Stage::new(Node::ScriptLeftovers);
    let (cert, secret) = ("opt/docker/fastapi-dls/cert", "the script's own key\n");
    stage.place(&format!("{cert}/instance.private.pem"), secret);
    stage.place(&format!("{cert}/instance.public.pem"), "its public half\n");
    stage.place("var/lib/docker/volumes/dls-db/_data/db.sqlite", "leases");
    let status = stage.node("var/lib/dpkg/status");
    let docker =
        "Package: docker-ce\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\n";
    let before = fs::read_to_string(&status).unwrap();
    fs::write(&status, format!("{}\n\n{docker}", before.trim_end())).unwrap();
    let said = stage.install(&stage.with_image(), &["--address", "192.0.2.10"], 0);
    assert!(said.err.contains("are not created") && said.err.contains("`--chroot`"), "{said:?}");
    let own = stage.node(OWN);
    assert_eq!(fs::read_to_string(own.join("cert/instance.private.pem")).unwrap(), secret);
    assert_eq!(fs::read_to_string(own.join("database/db.sqlite")).unwrap(), "leases");
    let unit = stage.node("etc/systemd/system/vgpu-offline-license.service");
    assert!(fs::read_to_string(unit).unwrap().contains("ExecStart=/usr/bin/docker run"));

    // Without commands there is no openssl, and no root before there is one.
    let first = stage.scratch.path("laptop/first");
    let said = stage.run(&["license", "guests", first.as_str()], 2);
    assert!(
        said.err.contains("no certificates yet") && said.err.contains("`--chroot`"),
        "{said:?}"
    );
    let root = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    stage.place(&format!("{OWN}/web/root.crt"), root);
    stage.run(&["license", "guests", first.as_str()], 0);
    let other = Stage::new(Node::TwoP40);
    let root = first.join("license-root.crt");
    let url = "https://192.0.2.10:8443";
    for (url, root, code) in [
        ("http://192.0.2.10", &root, 2),
        (url, &first.join("license-linux.sh"), 2),
        (url, &root, 0),
    ] {
        other.run(&["license", "use", url, "--root-cert", root.as_str()], code);
    }
    let second = other.scratch.path("laptop/second");
    other.run(&["license", "guests", second.as_str()], 0);
    for name in ["license-linux.sh", "license-windows.ps1", "license-root.crt"] {
        let [one, two] = [&first, &second].map(|folder| fs::read(folder.join(name)).unwrap());
        assert!(one == two, "{name}");
    }
    // A node with its own server is not pointed at another, and a foreign backup does not replace
    // its keys.
    let said = stage.run(&["license", "use", url, "--root-cert", root.as_str()], 2);
    assert!(said.err.contains("this node runs a license server"), "{said:?}");
    let said = stage.run(&["license", "restore", root.as_str(), "--yes"], 1);
    assert!(said.err.contains("not a backup of a license server"), "{said:?}");
}
