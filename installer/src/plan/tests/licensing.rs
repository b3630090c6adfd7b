//! The license server in a Proxmox VE container: installed, changed, reverted.

use std::fmt::Write as _;

use super::*;
use crate::act::Change;
use crate::host::testing::Late;
use crate::host::{HostError, Look as _};
use crate::license::container::Container;
use crate::license::service::tests::service;
use crate::license::{Engine, Service, in_force};
use crate::power_cut::cut_once;
use crate::step::{ServeLicenses, Status};

const IMAGE: &str = "image";
const CERT: &str = "/var/lib/vgpu-offline-license/cert";

fn conf(vmid: &str) -> String {
    format!("/etc/pve/lxc/{vmid}.conf")
}

fn runs(vmid: &str) -> String {
    format!("/run/pct/{vmid}")
}

/// The image has files where the server's folders are mounted, and an opaque whiteout that empties
/// the second one.
const IN_IMAGE: [(&str, &str); 2] =
    [("/app/cert", "webserver.key"), ("/app/database", ".wh..wh..opq")];

/// Extracts the image as `pct create` does: mount points that it is given are mounted before, so
/// that files replace those of the node, and whiteouts remove them (pve-container 6.1.10,
/// API2/LXC.pm 548-558; proxmox-oci 0.2.1, lib.rs 305).
fn extract(host: &mut MemHost, mounts: &[&str]) -> Result<(), HostError> {
    for (folder, file) in IN_IMAGE {
        let mounted = mounts.iter().find_map(|it| it.strip_suffix(&format!(",mp={folder}")));
        let Some(on_node) = mounted else { continue };
        if file == ".wh..wh..opq" {
            for name in host.list(&fixed(on_node))?.unwrap_or_default() {
                host.scratch(&format!("{on_node}/{name}"))?;
            }
        } else {
            host.scribble(&format!("{on_node}/{file}"), "of the image\n")?;
        }
    }
    Ok(())
}

/// A fake `pct`. Options and errors follow its manual page (pve-docs, "pct" and "pct.conf") and
/// `PVE::API2::LXC` of pve-container 6.1.10: a VMID is used once; `--description` is stored as comments at the beginning of
/// the configuration; an archive must be in its storage; a running container does not start and a
/// stopped one does not stop; a running container is destroyed only with `--force 1`. An OCI image
/// defines the container's command until `set --entrypoint` replaces it.
fn pct(host: &mut MemHost, words: &[&str]) -> Result<i32, HostError> {
    let [verb, vmid, more @ ..] = words else { return Ok(255) };
    let option = |key: &str| {
        let at = more.iter().position(|word| *word == key)?;
        more.get(at + 1).copied()
    };
    let text = host.text_of(&conf(vmid));
    let is_running = host.text_of(&runs(vmid)).is_some();
    match (*verb, text) {
        ("create", None) => {
            let template = more[0].strip_prefix("local:vztmpl/").unwrap();
            let is_there = host.text_of(&format!("/var/lib/vz/template/cache/{template}"));
            if is_there.is_none() || option("--unprivileged") != Some("1") {
                return Ok(255);
            }
            let mut text = format!("#{}\n", option("--description").unwrap());
            for key in ["--hostname", "--net0", "--startup"] {
                writeln!(text, "{}: {}", &key[2..], option(key).unwrap()).unwrap();
            }
            // The description is written with the last version of the settings.
            let mounts: Vec<_> = ["--mp0", "--mp1"].into_iter().filter_map(option).collect();
            extract(host, &mounts)?;
            host.scribble(&conf(vmid), &(text + "entrypoint: of the image\nunprivileged: 1\n"))?;
        }
        // A mount point of a running container would only be pending.
        ("set", Some(text)) if !is_running => {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            for pair in more.chunks(2) {
                let key = pair[0].strip_prefix("--").unwrap();
                lines.retain(|line| !line.starts_with(&format!("{key}: ")));
                lines.push(format!("{key}: {}", pair[1]));
            }
            host.scribble(&conf(vmid), &(lines.join("\n") + "\n"))?;
        }
        ("start", Some(_)) if !is_running => host.scribble(&runs(vmid), "")?,
        ("shutdown", Some(_)) if is_running => host.scratch(&runs(vmid))?,
        ("destroy", Some(_)) if !is_running || option("--force") == Some("1") => {
            if is_running {
                host.scratch(&runs(vmid))?;
            }
            host.scratch(&conf(vmid))?;
        }
        ("status", Some(_)) => {
            host.stdout = format!("status: {}\n", if is_running { "running" } else { "stopped" });
        }
        _ => return Ok(255),
    }
    Ok(0)
}

/// A fake curl(1) with the server: a server that runs in a container with this port reports that it
/// is up.
fn curl(host: &mut MemHost, words: &[&str]) -> i32 {
    let port = words.last().unwrap().split(':').nth(2).unwrap().split('/').next().unwrap();
    let is_up = ["100", "101"].iter().any(|vmid| {
        let text = host.text_of(&conf(vmid)).unwrap_or_default();
        let serves = text.contains(&format!("uvicorn main:app --host=0.0.0.0 --port={port} "));
        serves && host.text_of(&runs(vmid)).is_some()
    });
    host.stdout = r#"{"status":"up"}"#.to_owned();
    if is_up { 0 } else { 7 }
}

/// Fakes of grep(1) and test(1), limited to what probes use.
fn grep(host: &mut MemHost, words: &[&str]) -> i32 {
    let line = words[3].strip_prefix("--regexp=").unwrap();
    let text = host.text_of(words[4]).unwrap_or_default();
    i32::from(!text.lines().any(|it| it == line))
}

fn test(host: &mut MemHost, words: &[&str]) -> i32 {
    assert_eq!(words[..2], ["!", "-e"]);
    i32::from(host.text_of(words[2]).is_some())
}

/// Stands in for openssl(1): each file names its command, and a certificate has its serial number.
fn openssl(host: &mut MemHost, words: &[&str]) -> Result<i32, HostError> {
    let after = |word: &str| {
        let at = words.iter().position(|it| *it == word)?;
        words.get(at + 1).copied()
    };
    let serial = "/var/lib/vgpu-offline-work/license/serial";
    match (words[0], after("-out")) {
        ("ca", Some(out)) => {
            let serial = host.text_of(serial).unwrap();
            host.scribble(out, &format!("serial={serial}"))?;
        }
        (verb, Some(out)) => host.scribble(out, &format!("made by {verb}\n"))?,
        ("verify", None) => {}
        (_, None) => host.stdout = host.text_of(after("-in").unwrap()).unwrap(),
    }
    Ok(0)
}

/// Returns a Proxmox VE 9.1 node with the image in its store.
fn node() -> MemHost {
    let mut host = host();
    host.place("/usr/bin/curl", "");
    host.place("/etc/pve/lxc/105.conf", "#foreign\nhostname: other\n");
    host.place("/run/pct/105", "");
    for text in [IMAGE, "another image"] {
        host.place(state::stored(Content::of(text.as_bytes()).id).as_path().as_str(), text);
    }
    host.programs.insert("/usr/sbin/pct", pct);
    host.programs.insert("/usr/bin/curl", |host, words| Ok(curl(host, words)));
    host.programs.insert("grep", |host, words| Ok(grep(host, words)));
    host.programs.insert("test", |host, words| Ok(test(host, words)));
    host.programs.insert("openssl", openssl);
    host
}

fn contained(vmid: u32) -> Service {
    let container = Container {
        vmid: vmid.try_into().unwrap(),
        card: serde_json::from_str(r#"{"bridge":"vmbr0","cidr":"192.0.2.30/24"}"#).unwrap(),
        storage: "local-lvm".parse().unwrap(),
        size: 4,
        template_storage: "local".parse().unwrap(),
        template_folder: fixed("/var/lib/vz/template/cache"),
    };
    Service {
        host: "192.0.2.30".parse().unwrap(),
        listen: "192.0.2.30".parse().unwrap(),
        engine: Engine::Lxc,
        container: Some(Box::new(container)),
        ..service()
    }
}

fn serve(service: &Service) -> Plan {
    let service = service.clone();
    Plan::new(vec![Step::ServeLicenses(Box::new(ServeLicenses { service }))], Vec::new())
}

#[test]
fn a_container_is_made_started_and_taken_back() {
    let mut world = World::new(&node());
    carry_out(&mut world, &serve(&contained(100))).unwrap();
    let image = Digest::of(b"configuration").to_string();
    let template = format!("/var/lib/vz/template/cache/vgpu-offline-license-{}.tar", &image[..16]);
    assert_eq!(world.host.text_of(&template).unwrap(), IMAGE);
    let text = world.host.text_of(&conf("100")).unwrap();
    for line in [
        "mp0: /var/lib/vgpu-offline-license/cert,mp=/app/cert",
        "mp1: /var/lib/vgpu-offline-license/database,mp=/app/database",
        "net0: name=eth0,bridge=vmbr0,ip=192.0.2.30/24,type=veth,host-managed=1",
        "onboot: 1",
        "startup: order=1,up=10",
        "unprivileged: 1",
        "entrypoint: /usr/bin/env DLS_URL=192.0.2.30 DLS_PORT=8443 \
         DATABASE=sqlite:////app/database/db.sqlite uvicorn main:app --host=0.0.0.0 --port=8443 \
         --app-dir=/app --proxy-headers --ssl-keyfile=/app/cert/webserver.key \
         --ssl-certfile=/app/cert/webserver.crt",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    // Root in the container is user 100000 on the node, and must not read the root key.
    for (path, uid) in [
        (CERT, 100_000),
        ("/var/lib/vgpu-offline-license/database", 100_000),
        (&format!("{CERT}/webserver.key"), 100_000),
        (&format!("{CERT}/webserver.crt"), 100_000),
        (&format!("{CERT}/instance.private.pem"), 100_000),
        ("/var/lib/vgpu-offline-license/web/root.key", 0),
        ("/var/lib/vgpu-offline-license", 0),
    ] {
        let Some(Node::File { meta, .. } | Node::Dir { meta }) =
            world.host.node(&fixed(path)).unwrap()
        else {
            panic!("{path}")
        };
        assert_eq!((meta.uid, meta.gid), (uid, uid), "{path}");
        assert!(!meta.mode.to_string().ends_with('6'), "{path}");
    }
    assert_eq!(in_force(&world.host).unwrap().as_ref(), Some(&contained(100)));
    let plan = serve(&contained(100));
    assert_eq!(plan.steps().next().unwrap().check(&world.host).unwrap(), Status::Done);

    let root = world.host.text_of("/var/lib/vgpu-offline-license/web/root.key");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), World::new(&node()).host.picture(&[]));
    assert_eq!(world.host.text_of("/var/lib/vgpu-offline-license/web/root.key"), root);
    assert_eq!(in_force(&world.host).unwrap(), None);
    assert!(world.host.text_of("/run/pct/105").is_some(), "the container is foreign");
}

#[test]
fn files_and_whiteouts_of_an_image_never_reach_the_keys_and_leases_of_the_node() {
    const LEASES: &str = "/var/lib/vgpu-offline-license/database/db.sqlite";
    let key = format!("{CERT}/webserver.key");
    let mut node = node();
    node.place(LEASES, "leases");
    let mut world = World::new(&node);
    carry_out(&mut world, &serve(&contained(100))).unwrap();
    let of = |host: &MemHost| (host.text_of(&key), host.text_of(LEASES));
    let before = of(&world.host);
    assert_eq!(before, (Some("made by genpkey\n".to_owned()), Some("leases".to_owned())));
    let another = Service {
        content: Content::of(b"another image"),
        image: Digest::of(b"another configuration"),
        ..contained(100)
    };
    carry_out(&mut world, &serve(&another)).unwrap();
    assert_eq!(of(&world.host), before);
    let mounts = |host: &MemHost| {
        let text = host.text_of(&conf("100")).unwrap();
        text.lines().filter(|line| line.starts_with("mp")).count()
    };
    assert_eq!(mounts(&world.host), 2);
    // The revert of the second image creates the first container again.
    world.revert().unwrap();
    assert_eq!((of(&world.host), mounts(&world.host)), (before, 2));

    // The same image, with mount points given to `pct create`, would have lost both.
    let words = [
        "create",
        "101",
        "local:vztmpl/x.tar",
        "--unprivileged",
        "1",
        "--description",
        "x",
        "--hostname",
        "x",
        "--net0",
        "x",
        "--startup",
        "x",
        "--mp0",
        "/var/lib/vgpu-offline-license/cert,mp=/app/cert",
        "--mp1",
        "/var/lib/vgpu-offline-license/database,mp=/app/database",
    ];
    world.host.place("/var/lib/vz/template/cache/x.tar", "");
    assert_eq!(pct(&mut world.host, &words).unwrap(), 0);
    assert_eq!(of(&world.host), (Some("of the image\n".to_owned()), None));
}

#[test]
fn a_power_cut_at_any_change_leaves_nothing_of_a_container() {
    let apply = |world: &mut World| {
        carry_out(world, &serve(&contained(100))).map(drop).map_err(|error| error.to_string())
    };
    // The operator's persistent files are not journaled; here they exist already.
    let mut node = node();
    crate::license::data::prepare(&mut node, &contained(100)).unwrap();
    let cuts = [Late::Before, Late::Full].map(|late| cut_once(&node, late, &apply));
    assert!(cuts.iter().all(|cuts| *cuts > 10), "only {cuts:?} power cuts and full disks tried");
}

#[test]
fn another_image_takes_the_place_of_the_old_and_gives_it_back() {
    let mut world = World::new(&node());
    let old = contained(100);
    carry_out(&mut world, &serve(&old)).unwrap();
    let before = world.host.clone();
    let new = Service {
        content: Content::of(b"another image"),
        image: Digest::of(b"another configuration"),
        ..old.clone()
    };
    carry_out(&mut world, &serve(&new)).unwrap();
    let ran = &world.host.ran;
    let pct: Vec<_> = ran.iter().filter_map(|it| it.strip_prefix("/usr/sbin/pct ")).collect();
    let verbs: Vec<_> = pct.iter().map(|it| it.split(' ').next().unwrap()).collect();
    let one = ["create", "set", "start"];
    assert_eq!(verbs, [&one[..], &["shutdown", "set", "destroy"], &one].concat());
    assert_eq!(in_force(&world.host).unwrap(), Some(new));
    assert_eq!(
        world.host.text_of(&format!("{CERT}/webserver.key")),
        before.text_of(&format!("{CERT}/webserver.key"))
    );

    assert_eq!(world.revert().unwrap(), []);
    // `revert` starts the container; everything else is as before.
    let lines = |host: &MemHost| {
        let text = host.text_of(&conf("100")).unwrap();
        text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(lines(&world.host), lines(&before));
    let templates = fixed("/var/lib/vz/template/cache");
    assert_eq!(world.host.list(&templates).unwrap(), before.list(&templates).unwrap());
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), World::new(&node()).host.picture(&[]));
}

#[test]
fn a_container_with_our_number_that_is_not_ours_is_left_alone() {
    let mut world = World::new(&node());
    carry_out(&mut world, &serve(&contained(100))).unwrap();
    // The operator has destroyed our container and created another one.
    world.host.place(&conf("100"), "#mine\nhostname: mine\n");
    assert_eq!(in_force(&world.host).unwrap(), None);
    let status = serve(&contained(100)).steps().next().unwrap().check(&world.host).unwrap();
    assert_eq!(status, Status::Todo);
    let error = carry_out(&mut world.clone(), &serve(&contained(100))).unwrap_err().to_string();
    assert!(error.contains("create 100"), "{error}");
    world.revert().unwrap();
    assert_eq!(world.host.text_of(&conf("100")).unwrap(), "#mine\nhostname: mine\n");
}

/// An archive that a container engine refuses: podman exits with 125, and pct with 255 before it
/// unpacks anything.
#[test]
fn an_image_that_no_engine_takes_leaves_nothing() {
    let mut host = node();
    host.place("/usr/bin/podman", "");
    host.programs.insert("/usr/bin/podman", |_, words| {
        Ok(if words.contains(&"load") { 125 } else { i32::from(words.contains(&"exists")) })
    });
    host.programs.insert("/usr/sbin/pct", |host, words| {
        if words[0] == "create" { Ok(255) } else { pct(host, words) }
    });
    for (service, says) in [(service(), "load --quiet --input"), (contained(100), "create 100")] {
        let mut world = World::new(&host);
        let error = carry_out(&mut world, &serve(&service)).unwrap_err();
        let all = std::iter::successors(Some(&error as &dyn std::error::Error), |it| it.source());
        let text = all.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        assert!(text.contains(says) && text.contains("failed with exit status"), "{text}");
        assert_eq!(in_force(&world.host).unwrap(), None);
        assert_eq!(world.revert().unwrap(), []);
        assert_eq!(world.host.picture(&[]), World::new(&host).host.picture(&[]));
    }
}

/// Bytes in the store with a digest mismatch: they were changed after verification.
#[test]
fn an_archive_that_was_changed_in_the_store_is_neither_placed_nor_loaded() {
    let mut host = node();
    let stored = state::stored(Content::of(IMAGE.as_bytes()).id);
    host.place(stored.as_path().as_str(), "other");
    host.place("/usr/bin/podman", "");
    host.programs.insert("/usr/bin/podman", |_, words| Ok(i32::from(words.contains(&"exists"))));
    for service in [contained(100), service()] {
        let mut world = World::new(&host);
        carry_out(&mut world, &serve(&service)).unwrap_err();
        let reads = |line: &String| line.contains("pct create") || line.contains(" load ");
        assert!(!world.host.ran.iter().any(reads), "{:?}", world.host.ran);
        assert_eq!(world.revert().unwrap(), []);
        assert_eq!(world.host.picture(&[]), World::new(&host).host.picture(&[]));
    }
}

/// A container whose server exits as soon as it is started.
#[test]
fn a_server_that_does_not_come_up_is_no_success_and_says_where_to_look() {
    let mut host = node();
    host.programs.insert("/usr/sbin/pct", |host, words| {
        if words[0] == "start" { Ok(0) } else { pct(host, words) }
    });
    let mut world = World::new(&host);
    let error = carry_out(&mut world, &serve(&contained(100))).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.starts_with("the license server does not answer at https://192.0.2.30:8443"));
    assert!(source.ends_with("run `pct start 100 --debug` for details"), "{source}");
    assert_eq!(world.revert().unwrap(), []);
}

/// The real run restarts a server that hangs; the rehearsal has nothing to wait for.
#[test]
fn a_rehearsal_does_not_wait_for_a_server_that_hangs() {
    let mut world = World::new(&node());
    carry_out(&mut world, &serve(&contained(100))).unwrap();
    world.host.programs.insert("/usr/bin/curl", |_, _| Ok(28));
    let rehearsal = rehearse(&serve(&contained(100)), &world.host).unwrap();
    assert_eq!(rehearsal.plan.steps().count(), 1);
    let act = |change: &Change| match change {
        Change::Act(act) => Some(act.summary()),
        _ => None,
    };
    let commands: Vec<_> = rehearsal.changes.iter().filter_map(act).collect();
    assert!(commands[0].contains("pct shutdown 100"), "{commands:?}");
    assert!(commands.last().unwrap().ends_with("pct start 100"), "{commands:?}");
}
