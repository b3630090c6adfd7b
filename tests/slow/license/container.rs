//! The license server in a Proxmox VE container. Proxmox VE is not available here, so `pct` is a
//! stand-in that follows its manual page and source, and really runs the container's program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use vgpu_tests::dls::{Generation, tools};
use vgpu_tests::oci::{Format, Layout, Registry, accepted_by_pve};
use vgpu_tests::roots::{Layer, Release, Root, Roots, with_own_mounts};
use vgpu_tests::scratch::{Scratch, expect, run};
use vgpu_tests::skip::have;

use super::part;
use crate::node::site::Site;

/// The parts of Proxmox VE that are used here.
const NODE: Layer<'static> =
    Layer { name: "node-9", packages: &["genisoimage", "iproute2", "curl", "openssl", "python3"] };

const STUBS: [(&str, &str); 3] = [
    ("pct", include_str!("stubs/pct")),
    ("pvesh", include_str!("stubs/pvesh")),
    ("pvesm", include_str!("stubs/pvesm")),
];

const STATUS: &str = "\nPackage: pve-manager\nStatus: install ok installed\nMaintainer: tests <t@mirror.example>\n\
     Architecture: all\nVersion: 9.1.1\nDescription: made for tests\n";

#[test]
fn a_node_of_9_1_runs_the_server_in_a_container() {
    with_own_mounts("license::container::a_node_of_9_1_runs_the_server_in_a_container", || {
        let needed = ["docker-registry", "skopeo"];
        if !tools() || !needed.into_iter().all(have) {
            return;
        }
        let Some(roots) = Roots::open() else { return };
        let Some(host) = roots.layered(Release::Debian13, NODE) else { return };
        let laptop = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let words = ["key", "generate", "--principal", "alice", "--no-passphrase"];
        expect(laptop.bundler(&words), 0);
        let root = host.fresh();
        stage(&root);
        let site = Site::trusting(root, &laptop.path("config/vgpu-offline/key.pub"));
        build(&laptop, &site);
        site.root.write("/root/verify.py", include_str!("verify.py"));
        site.root.write("/root/scene.sh", include_str!("container.sh"));
        let said = run(site.root.command(&["sh", "-eu", "/root/scene.sh"]));
        eprintln!("{}{}", said.out, said.err);
        assert_eq!(said.code, Some(0));
        check(&format!("{}\n{}", said.out, said.err));
    });
}

/// Turns a host into a Proxmox VE 9.1 node, for the files and programs that the installer uses.
fn stage(root: &Root) {
    for (name, text) in STUBS {
        let path = format!("/usr/sbin/{name}");
        root.write(&path, text);
        fs::set_permissions(root.at(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let status = fs::read_to_string(root.at("/var/lib/dpkg/status")).unwrap();
    root.write("/var/lib/dpkg/status", format!("{}\n{STATUS}", status.trim_end()));
    let list = "dir: local\n\tpath /var/lib/vz\n\tcontent iso,vztmpl,backup\n";
    root.write("/etc/pve/storage.cfg", list);
}

/// Bundles with different images, all in Docker's format, as registries have them; the last is of
/// version 1.
fn build(laptop: &Scratch, site: &Site) {
    let registry = Registry::start(&laptop.path("registry")).unwrap();
    let [one, two] = Generation::ALL;
    for (sequence, generation, tag) in [(1, two, "2.0.3"), (2, two, "2.0.4"), (3, one, "1.5.2")] {
        let mut image = generation.image().unwrap();
        image.run["Labels"] = serde_json::json!({ "version": tag });
        // Files and whiteouts where the node's folders are mounted: keys and leases must survive.
        let file = |path: &str, text: &str| (path.to_owned(), text.as_bytes().to_vec());
        image.layers.push(vec![
            file("app/cert/webserver.key", "of the image"),
            file("app/cert/root_certificate.pem", "of the image"),
            file("app/database/.wh..wh..opq", ""),
        ]);
        let layout = Layout::of_image(&laptop.path(tag), tag, &image).unwrap();
        registry.push(&layout, tag, "team/fastapi-dls", Format::Docker).unwrap();
        laptop.write(
            "bundle.toml",
            format!(
                "[bundle]\nname = \"licensing\"\nchannel = \"stable\"\n\n\
                 [[image]]\nname = \"licensing/dls.tar\"\n\
                 image = \"{}/team/fastapi-dls:{tag}\"\ntransport = \"plain-http\"\n",
                registry.host()
            ),
        );
        expect(laptop.bundler(&["lock"]), 0);
        expect(laptop.bundler(&["build"]), 0);
        let bundle = laptop.path(&format!("laptop/licensing-{sequence}.vgpu.tar"));
        fs::copy(&bundle, site.root.at(&format!("/mnt/{sequence}.vgpu.tar"))).unwrap();
        let out = laptop.path(&format!("out-{sequence}"));
        expect(laptop.bundler(&["extract", bundle.as_str(), "-o", out.as_str()]), 0);
        accepted_by_pve(&out.join("licensing/dls.tar")).unwrap();
    }
}

/// Checks the transcript.
fn check(scene: &str) {
    let part = |name| part(scene, name);
    let bad = part("bad input is refused, and nothing has happened");
    for word in [
        "`--cidr 192.0.2.30/24`",
        "192.0.2.10 is an address of this node",
        "guests use 192.0.2.31",
        "the number 100 is not free in this cluster: vmid: VM 100 already exists",
        "`backup` is not a storage for containers",
        "this node has no bridge `vmbr9`",
    ] {
        assert!(bad.contains(word), "{word}: {bad}");
    }
    let settings = part("the settings");
    for line in ["unprivileged: 1", "onboot: 1", "startup: order=1,up=10", "memory: 256"] {
        assert!(settings.lines().any(|it| it == line), "{line}: {settings}");
    }
    assert!(settings.starts_with("#vgpu-offline-license "), "{settings}");
    let token = part("a token, as a file and by the script for Linux");
    assert!(token.contains("signed by the present service"), "{token}");
    assert!(token.contains("Licensed"), "{token}");
    let back = part("backup, remove, install, restore");
    assert!(back.contains("signed by the present service"), "{back}");
    let first = part("version 1 signs with the pair that the openssl of this node has made");
    let script = part("or with the pair of the Bash script, if that was here before");
    for text in [first, script] {
        assert!(text.contains("Verified OK"), "{text}");
    }
    let called = part("what was called");
    let pct: Vec<_> = called.lines().filter(|line| line.starts_with("pct ")).collect();
    // Containers are created as often as they are destroyed, in any order.
    let count = |verb: &str| pct.iter().filter(|line| line.starts_with(verb)).count();
    assert_eq!(count("pct create 101 "), count("pct destroy 101 "), "{called}");
    assert!(pct.iter().all(|line| line.split(' ').nth(2) == Some("101")), "{called}");
}
