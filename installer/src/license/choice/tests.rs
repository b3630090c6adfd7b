use std::fmt::Write as _;

use clap::Parser as _;
use vgpu_manifest::{Digest, Item, ItemFields, ItemMode, Kind, Origin as From};

use super::*;
use crate::facts::{Serials, inventory};
use crate::host::testing::MemHost;
use crate::license::placement::tests::node as node_of_9_1;
use crate::plan::tests::planner::manifest;

#[derive(Debug, clap::Parser)]
struct Words {
    #[arg(long)]
    address: GuestHost,
    #[command(flatten)]
    wish: Wish,
}

fn item(name: &str, record: ImageRecord) -> Item {
    let fields = ItemFields {
        name: name.parse().unwrap(),
        size: 1 << 20,
        mode: ItemMode::Plain,
        sha256: Digest::of(name.as_bytes()),
        chunks: Vec::new(),
        kind: Kind::Image(record),
        base: None,
        origin: From::File,
    };
    Item::new(fields).unwrap()
}

/// A bundle of November 2023, the date of the simulated host, with these images.
pub(crate) fn bundle(images: &[&str]) -> Manifest {
    let record = |name: &&str| ImageRecord {
        reference: format!("registry.example/team/{name}:2.0.3").parse().unwrap(),
        digest: Digest::of(b"manifest"),
        id: Digest::of(name.as_bytes()),
        original: None,
    };
    Manifest {
        created: 1_700_000_000,
        items: images.iter().map(|name| item(name, record(name))).collect(),
        ..manifest("{}")
    }
}

const IMAGE: &str = "licensing/dls.tar";

/// A node of this release with these packages.
fn node(pve: &str, packages: &[&str]) -> MemHost {
    let mut host = node_of_9_1();
    let mut status = String::new();
    for (name, version) in packages.iter().map(|name| (*name, "1")).chain([("pve-manager", pve)]) {
        writeln!(
            status,
            "Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"
        )
        .unwrap();
    }
    host.place("/var/lib/dpkg/status", &status);
    host
}

fn chosen(host: &MemHost, bundle: &Manifest, words: &[&str]) -> Result<Service, String> {
    let facts = inventory(host, Serials::LeaveOut);
    let Words { address, wish } = Words::try_parse_from([&["x"], words].concat()).unwrap();
    Service::choose(bundle, &facts, host, (&address, &wish)).map_err(|error| error.to_string())
}

const ON_NODE: [&str; 2] = ["--address", "192.0.2.10"];
const CONTAINED: [&str; 4] = ["--address", "192.0.2.30", "--cidr", "192.0.2.30/24"];

#[test]
fn the_engine_is_the_one_that_fits() {
    let one = bundle(&[IMAGE]);
    for (pve, packages, words, engine) in [
        ("8.4.1", &["podman"][..], &ON_NODE[..], Engine::Podman),
        ("9.0.3", &["podman"], &ON_NODE, Engine::Podman),
        ("8.4.1", &["docker.io"], &ON_NODE, Engine::Docker),
        ("8.4.1", &["docker.io", "podman"], &ON_NODE, Engine::Podman),
        (
            "8.4.1",
            &["docker-ce", "podman"],
            &[&ON_NODE[..], &["--engine", "docker"]].concat(),
            Engine::Docker,
        ),
        ("9.1.1", &["podman", "docker.io"], &CONTAINED, Engine::Lxc),
        ("10.0.1", &[], &CONTAINED, Engine::Lxc),
        ("9.1.1", &["podman"], &[&ON_NODE[..], &["--engine", "podman"]].concat(), Engine::Podman),
    ] {
        let service = chosen(&node(pve, packages), &one, words).unwrap();
        assert_eq!(service.engine, engine, "{pve} {packages:?}");
        assert_eq!(service.container.is_some(), engine == Engine::Lxc);
    }
}

#[test]
fn a_container_is_known_by_its_own_address() {
    let service = chosen(&node("9.1.1", &[]), &bundle(&[IMAGE]), &CONTAINED).unwrap();
    assert_eq!(service.url(), "https://192.0.2.30:8443");
    assert_eq!(service.listen.to_string(), "192.0.2.30");
    let named = ["--address", "dls.example", "--cidr", "192.0.2.30/24"];
    let named = chosen(&node("9.1.1", &[]), &bundle(&[IMAGE]), &named).unwrap();
    let all_of =
        |service: &Service| service.names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(all_of(&service), ["192.0.2.30"]);
    assert_eq!(all_of(&named), ["dls.example", "192.0.2.30"]);
    // The written record is read again.
    let json = serde_json::to_string(&named).unwrap();
    assert_eq!(serde_json::from_str::<Service>(&json).unwrap(), named);
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let two = bundle(&[IMAGE, "licensing/other.tar"]);
    let one = bundle(&[IMAGE]);
    let podman = node("8.4.1", &["podman"]);
    let lxc = node("9.1.1", &["podman"]);
    let mut full = node("8.4.1", &["podman"]);
    full.free = Some(1 << 10);
    let mut later = bundle(&[IMAGE]);
    later.created += 3 * 24 * 3600;
    let mut busy = node("8.4.1", &["podman"]);
    busy.place("/proc/net/tcp", "0: 0A0200C0:20FB 00000000:0000 0A 0:0\n");
    let with = |more: &[&'static str]| [&ON_NODE[..], more].concat();
    for (host, bundle, words, why) in [
        (&podman, &bundle(&[]), with(&[]), "no container image; add one"),
        (&podman, &two, with(&[]), "`--image licensing/dls.tar` or `--image licensing/other.tar`"),
        (&podman, &one, with(&["--image", "no/such.tar"]), "no container image `no/such.tar`"),
        (&node("8.4.1", &[]), &one, with(&[]), "podman is neither on this node nor in the bundle"),
        (&podman, &one, with(&["--engine", "docker"]), "Docker is not on this node"),
        (&podman, &one, with(&["--engine", "lxc"]), "9.1 or later, but this node has 8.4;"),
        (&node("9.0.3", &[]), &one, with(&["--engine", "lxc"]), "this node has 9.0;"),
        (&node_of_9_1(), &one, with(&["--engine", "lxc"]), "has an unknown release"),
        (&podman, &one, with(&["--cidr", "192.0.2.30/24"]), "`--cidr` is for a container"),
        (&podman, &one, with(&["--vmid", "200"]), "podman runs the server here"),
        (&lxc, &one, with(&[]), "with an address of its own"),
        (&lxc, &one, [&CONTAINED[..], &["--listen", "192.0.2.10"]].concat(), "`--listen` is for"),
        (&full, &one, with(&[]), "the image needs about 3 MiB in /var/lib"),
        (&podman, &later, with(&[]), "but the bundle was made on 2023-11-17"),
        (&busy, &one, with(&[]), "port 8443 of this node is in use"),
    ] {
        let error = chosen(host, bundle, &words).unwrap_err();
        assert!(error.contains(why), "{words:?}: {error}");
    }
}

#[test]
fn another_engine_does_not_take_over_behind_anybodys_back() {
    let one = bundle(&[IMAGE]);
    let mut host = node("9.1.1", &["podman"]);
    let runs = chosen(&host, &one, &[&ON_NODE[..], &["--engine", "podman"]].concat()).unwrap();
    host.place(data::memory().as_path().as_str(), &serde_json::to_string(&runs).unwrap());
    host.place(Service::unit_path().as_path().as_str(), &runs.unit_text());
    assert_eq!(chosen(&host, &one, &ON_NODE).unwrap().engine, Engine::Podman);
    let error = chosen(&host, &one, &[&CONTAINED[..], &["--engine", "lxc"]].concat()).unwrap_err();
    assert!(error.contains("podman already runs a license server on this node"), "{error}");
}

#[test]
fn a_later_bundle_brings_its_image_and_nothing_else() {
    let service = chosen(&node("9.1.1", &[]), &bundle(&[IMAGE]), &CONTAINED).unwrap();
    assert_eq!(service.carried_over(&bundle(&["licensing/other.tar"])), service);
    let mut later = bundle(&[IMAGE]);
    let record = later.items[0].kind().image().unwrap().clone();
    later.items = vec![item(IMAGE, ImageRecord { id: Digest::of(b"later"), ..record })];
    later.created += 2 * 366 * 24 * 3600;
    let after = service.carried_over(&later);
    assert_eq!((after.image, after.until), (Digest::of(b"later"), 2035));
    assert_eq!(after.container, service.container);
}
