//! The license server on a node without a network: from an empty node to a guest with a token.
//!
//! The node is a virtual machine with a real kernel and systemd, podman is installed from the
//! bundle's Debian packages, and the image is a stand-in for the real one (`vgpu_tests::dls`). The
//! guest is a separate network namespace in that machine; its driver is a stand-in that exchanges a
//! token for a lease.

mod container;

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use vgpu_tests::dls::{Generation, tools};
use vgpu_tests::oci::{Format, Layout, Registry};
use vgpu_tests::roots::{Archive, Layer, Pristine, Release, Roots, with_own_mounts};
use vgpu_tests::scratch::{Scratch, expect};
use vgpu_tests::skip::have;
use vgpu_tests::vm::{self, Vm};

use crate::node::site::Site;

/// A node: a bootable host with the parts of every Proxmox VE.
const NODE: Layer<'static> = Layer {
    name: "node",
    packages: &[
        "linux-image-amd64",
        "initramfs-tools",
        "systemd-sysv",
        "udev",
        "dbus",
        "genisoimage",
        "iproute2",
        "curl",
        "openssl",
        "python3",
    ],
};

/// Emulated, it takes some minutes.
const LIMIT: Duration = Duration::from_mins(20);

#[test]
fn a_guest_gets_a_token_from_a_node_without_a_network() {
    with_own_mounts("license::a_guest_gets_a_token_from_a_node_without_a_network", || {
        let needed = ["docker-registry", "skopeo"];
        if !tools() || !vm::tools() || !needed.into_iter().all(have) {
            return;
        }
        let Some(roots) = Roots::open() else { return };
        let Some(host) = roots.layered(Release::Debian12, NODE) else { return };
        let laptop = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let words = ["key", "generate", "--principal", "alice", "--no-passphrase"];
        expect(laptop.bundler(&words), 0);
        let site = Site::trusting(host.fresh(), &laptop.path("config/vgpu-offline/key.pub"));
        site.run(&["inventory", "--output", "/mnt/node.json"], 0);
        laptop.write("node.json", std::fs::read(site.root.at("/mnt/node.json")).unwrap());
        build(&laptop, &roots, &host);
        site.insert(&laptop.path("laptop/licensing-1.vgpu.tar"));
        site.root.write("/root/verify.py", include_str!("verify.py"));
        let scene = Vm::of(&site.root, include_str!("scene.sh")).play_well(LIMIT);
        eprintln!("{scene}");
        check(&scene);
    });
}

/// Returns a bundle with the image, and with podman for this node.
fn build(laptop: &Scratch, roots: &Roots, host: &Pristine) {
    let registry = Registry::start(&laptop.path("registry")).unwrap();
    let image = Generation::Two.image().unwrap();
    let layout = Layout::of_image(&laptop.path("layout"), "2.0.3", &image).unwrap();
    registry.push(&layout, "2.0.3", "team/fastapi-dls", Format::Docker).unwrap();
    let mut recipe = format!(
        "[bundle]\nname = \"licensing\"\nchannel = \"stable\"\n\n\
         [[image]]\nname = \"licensing/dls.tar\"\nimage = \"{}/team/fastapi-dls:2.0.3\"\n\
         transport = \"plain-http\"\n\n\
         [[apt]]\nrelease = \"{}\"\ninstall = [\"podman\"]\nupgrades = \"coupled\"\n\
         inventory = \"node.json\"\n\n",
        registry.host(),
        host.release().codename(),
    );
    let keys: Vec<_> =
        roots.mirror().fingerprints().iter().map(|key| format!("\"{key}\"")).collect();
    for Archive { url, suite } in host.archives() {
        write!(
            recipe,
            "[[apt.archive]]\nname = \"{suite}\"\nmirror = \"{url}\"\ncomponents = [\"main\"]\n\
             keyring = \"{}\"\nsigned-by = [{}]\n\n",
            roots.mirror().keyring(),
            keys.join(", "),
        )
        .unwrap();
    }
    laptop.write("bundle.toml", recipe);
    let online = |mut command: Command| {
        if let Some(proxy) = roots.mirror().proxy() {
            command.env("http_proxy", proxy).env("https_proxy", proxy).env("no_proxy", "127.0.0.1");
        }
        expect(command, 0)
    };
    online(laptop.bundler(&["build"]));
}

/// Returns the part of a transcript under a heading.
fn part<'s>(scene: &'s str, name: &str) -> &'s str {
    let (_, rest) = scene.split_once(&format!("\n== {name}\n")).expect(name);
    rest.split("\n== ").next().unwrap_or(rest)
}

/// Checks the transcript.
fn check(scene: &str) {
    let part = |name| part(scene, name);
    let bad = part("bad input is refused, and nothing has happened");
    for word in [
        "`127.0.1.1` is a loopback address",
        "does not have the address 192.0.2.99",
        "no container image `no/such.tar`",
        "Docker is not on this node",
        "port 8443 of this node is in use",
        "the node's clock says 1971-02-03",
        "the node's clock says 2101-02-03",
    ] {
        assert!(bad.contains(word), "{word}: {bad}");
    }
    let inspected = part("podman inspect");
    let inspected: serde_json::Value = serde_json::from_str(inspected).unwrap();
    let host = &inspected[0]["HostConfig"];
    assert_eq!(host["NetworkMode"], "host");
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["Memory"], 256 << 20);
    assert_eq!(host["Privileged"], false);
    assert!(part("a guest takes a token").contains("License Status                    : Licensed"));
    assert!(part("a guest takes a token").contains("FeatureType=2"));
    assert!(part("backup, remove, install, restore").contains("signed by the present service"));
    assert!(part("what it may not do").contains("192.0.2.10:8443"));
}
