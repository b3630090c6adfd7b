//! Drivers from common download sources: a folder of an AList server, and MEGA links.
//!
//! The server is a test double with the API of AList, and `megadl` is a stand-in on `PATH`. The
//! tests confirm the behavior for these doubles, not for the real services.

mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use camino::Utf8PathBuf;
use vgpu_tests::nvidia::{Layout, StandIn, write_portal};
use vgpu_tests::scratch::{Said, Scratch, expect, run};
use vgpu_tests::skip::have;

use self::server::{AlistServer, Whim};

/// Versions that are not in the catalog, so that no published checksums are expected.
const VERSION: &str = "535.990.01";
const OTHER: &str = "535.991.01";

fn tools() -> bool {
    ["tar", "gzip", "xz", "zstd", "zip"].into_iter().all(have)
}

fn laptop(entry: &str) -> Scratch {
    let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let head = "[bundle]\nname = \"node\"\nchannel = \"stable\"\n";
    scratch.write("bundle.toml", format!("{head}{entry}"));
    expect(scratch.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
    scratch
}

fn entry(name: &str, kind: &str, source: &str) -> String {
    format!("[[driver]]\nname = \"{name}\"\nkind = \"{kind}\"\n{source}\n")
}

/// Returns the bytes of a stand-in.
fn bytes(stand_in: &StandIn) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().join("x.run")).unwrap();
    stand_in.write(&path).unwrap();
    fs::read(path).unwrap()
}

/// Returns the bytes of an archive of the portal.
fn portal(host: &StandIn, guest: &StandIn) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(folder.path().join("x.zip")).unwrap();
    write_portal(&path, Layout::Folders, host, guest).unwrap();
    fs::read(path).unwrap()
}

/// Locks, builds, and returns the bytes of the item.
fn built(scratch: &Scratch, item: &str) -> Vec<u8> {
    expect(scratch.bundler(&["build"]), 0);
    expect(scratch.bundler(&["extract", "node-1.vgpu.tar", item, "--output", "out"]), 0);
    fs::read(scratch.path("laptop/out").join(item)).unwrap()
}

fn refused(scratch: &Scratch) -> Said {
    let said = run(scratch.bundler(&["lock", "--attempts", "2"]));
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    said
}

#[test]
fn a_driver_is_found_by_its_name_in_the_places_where_nvidia_has_it() {
    if !tools() {
        return;
    }
    let host = StandIn::host(VERSION);
    let (bytes_of, other) = (bytes(&host), bytes(&StandIn::host(OTHER)));
    let file = host.file_name();
    let custom = file.replace("-vgpu-kvm", "-vgpu-kvm-custom");
    let folders: [&[(String, &[u8])]; 4] = [
        // At the top level, next to another version and a patched package.
        &[
            (file.clone(), &bytes_of),
            (StandIn::host(OTHER).file_name(), &other),
            (custom.clone(), b"patched"),
        ],
        &[(format!("Host_Drivers/{file}"), &bytes_of), (custom.clone(), b"patched")],
        &[(format!("NVIDIA-GRID-Linux-KVM-{VERSION}-539.19/{file}"), &bytes_of)],
        &[(format!("NVIDIA-GRID-Linux-KVM-{VERSION}-539.19/Host_Drivers/{file}"), &bytes_of)],
    ];
    for folder in folders {
        let files: Vec<_> = folder
            .iter()
            .map(|(name, bytes)| (format!("/v gpu/16.9/{name}"), bytes.to_vec()))
            .collect();
        let server = AlistServer::new(files, Whim::None);
        let source = format!("alist = {{ url = \"{}\", path = \"/v gpu/16.9\" }}", server.url());
        let scratch = laptop(&entry(&file, "host", &source));
        assert_eq!(built(&scratch, &file), bytes_of);
        // Pinned content is not requested again, and is downloaded again when the cache is lost.
        let asked = server.asked().len();
        expect(scratch.bundler(&["lock"]), 0);
        assert_eq!(server.asked().len(), asked);
        fs::remove_dir_all(scratch.path("cache")).unwrap();
        expect(scratch.bundler(&["fetch"]), 0);
        assert!(
            server.asked().iter().any(|path| path.starts_with("/raw/")),
            "{:?}",
            server.asked()
        );
        // The bundle contains the address, but not its signature.
        let bundle = fs::read(scratch.path("laptop/node-1.vgpu.tar")).unwrap();
        assert!(!bundle.windows(11).any(|window| window == b"signature:0"));
    }
}

#[test]
fn an_archive_of_the_portal_serves_when_there_is_no_driver_by_itself() {
    if !tools() {
        return;
    }
    let (host, guest) = (StandIn::host(VERSION), StandIn::guest(VERSION));
    let zip = portal(&host, &guest);
    let name = |version: &str| format!("/16.9/NVIDIA-GRID-Linux-KVM-{version}-539.19.zip");
    let files = vec![(name(VERSION), zip), (name(OTHER), b"another".to_vec())];
    // The storage behind the server fails; the server's own address still works.
    let server = AlistServer::new(files, Whim::NoRaw);
    let source = format!("alist = {{ url = \"{}\", path = \"/16.9\" }}", server.url());
    let guest_entry = entry(&guest.file_name(), "guest", &source);
    let scratch = laptop(&(entry(&host.file_name(), "host", &source) + &guest_entry));
    assert_eq!(built(&scratch, &host.file_name()), bytes(&host));
    assert!(server.asked().iter().any(|path| path.starts_with("/d/16.9/")), "{:?}", server.asked());

    // A name without a version cannot select one of two files.
    let scratch = laptop(&entry("host.run", "host", &source));
    let said = refused(&scratch);
    assert!(said.err.contains("has several such drivers"), "{}", said.err);
}

#[test]
fn a_server_that_lies_is_found_out() {
    if !tools() {
        return;
    }
    let host = StandIn::host(VERSION);
    let file = host.file_name();
    let path = format!("/16.9/{file}");
    for (whim, word) in [
        (Whim::Html, "sent a web page instead of an answer"),
        (Whim::Code(401, "Guest user is disabled"), "answers 401: Guest user is disabled"),
        (Whim::Code(500, "object\u{1b}[2J not found"), r"answers 500: object\u{1b}[2J not found"),
        (Whim::Huge, "sends more than 4.0 MiB"),
        (Whim::NotJson, "does not answer as AList does"),
        (Whim::Empty, "it has no host driver 535.990.01 in `/16.9`"),
        (Whim::RawElsewhere("file:///etc/passwd"), "cannot be used: `file:///etc/passwd`"),
        (Whim::Many, "more than 5000 entries"),
    ] {
        let server = AlistServer::new(vec![(path.clone(), bytes(&host))], whim);
        let source = format!("alist = {{ url = \"{}\", path = \"/16.9\" }}", server.url());
        let scratch = laptop(&entry(&file, "host", &source));
        let said = refused(&scratch);
        assert!(said.err.contains(word), "{whim:?}: {}", said.err);
        assert!(said.err.contains("from the AList server"), "{}", said.err);
    }
    // The file is an HTML page, a guest driver named like a host driver, or has the name of another
    // version.
    let page = b"<!DOCTYPE html><html><title>Just a moment</title></html>".to_vec();
    for (content, word) in [
        (page, "the file is a web page (\"Just a moment\"), not a driver"),
        (bytes(&StandIn::guest(VERSION)), "expected the host driver"),
    ] {
        let server = AlistServer::new(vec![(path.clone(), content)], Whim::None);
        let source = format!("alist = {{ url = \"{}\", path = \"/16.9\" }}", server.url());
        let said = refused(&laptop(&entry(&file, "host", &source)));
        assert!(said.err.contains(word), "{}", said.err);
    }
}

const LINK: &str = "https://mega.nz/file/7YVWhCzZ#bauBlAkKKvv8hIm-8-qFmGOYS289ToQWN7rGFPzXB_w";

/// Returns a `vgpu-bundler` command with a `megadl` on its path that has this behavior.
fn with_megadl(scratch: &Scratch, script: &str, words: &[&str]) -> Command {
    let bin = scratch.path("tools");
    fs::create_dir_all(&bin).unwrap();
    let megadl = bin.join("megadl");
    fs::write(&megadl, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >>{bin}/arguments\n{script}\n"))
        .unwrap();
    fs::set_permissions(&megadl, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = scratch.bundler(words);
    command.env("PATH", format!("{bin}:/usr/bin:/bin"));
    command
}

#[test]
fn a_link_to_mega_goes_through_megadl() {
    if !tools() {
        return;
    }
    let host = StandIn::host(VERSION);
    let scratch = laptop(&entry(&host.file_name(), "host", &format!("mega = \"{LINK}\"")));
    scratch.write("there.run", bytes(&host));
    let there = scratch.path("laptop/there.run");
    let said = run(with_megadl(&scratch, &format!("cat {there}"), &["lock"]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let arguments = fs::read_to_string(scratch.path("tools/arguments")).unwrap();
    assert_eq!(arguments, format!("--no-progress\n--path\n-\n{LINK}\n"));
    assert_eq!(built(&scratch, &host.file_name()), bytes(&host));
    // The key in the link gives access to the file, so it must not be in the bundle.
    let bundle = fs::read(scratch.path("laptop/node-1.vgpu.tar")).unwrap();
    assert!(!bundle.windows(8).any(|window| window == b"bauBlAkK"));
    assert!(!said.err.contains("bauBlAkK"), "{}", said.err);
    // The next download must be identical.
    fs::remove_dir_all(scratch.path("cache")).unwrap();
    let said = run(with_megadl(&scratch, "echo something else", &["fetch"]));
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("instead of"), "{}", said.err);
}

#[test]
fn a_link_to_mega_that_does_not_work_is_explained() {
    let scratch =
        laptop(&entry("host.run", "host", &format!("mega = \"{LINK}\"\nmax-size = \"1 MiB\"")));
    let mut absent = scratch.bundler(&["lock"]);
    absent.env("PATH", scratch.path("nowhere"));
    let said = run(absent);
    assert_eq!(said.code, Some(1));
    for word in ["`megadl`, which is not installed", "`megatools`", "https://mega.nz/file/7YVWhCzZ"]
    {
        assert!(said.err.contains(word), "{}", said.err);
    }
    for (script, word) in [
        (
            "echo 'ERROR: Object (typically, node or user) not found' >&2; exit 1",
            "node or user) not found",
        ),
        ("head -c 100000 /dev/zero; exit 1", "`megadl` failed: exit status: 1"),
        ("cat /dev/zero", "`megadl` sent more than 1.0 MiB"),
        ("kill -9 $$", "signal: 9"),
        ("true", "it is empty"),
    ] {
        let said = run(with_megadl(&scratch, script, &["lock"]));
        assert_eq!(said.code, Some(1), "{script}: {}", said.err);
        assert!(said.err.contains(word), "{script}: {}", said.err);
        assert!(!said.err.contains("bauBlAkK"), "{}", said.err);
    }
    let said = run(with_megadl(&scratch, "true", &["lock", "--offline"]));
    assert!(said.err.contains("`--offline` forbids"), "{}", said.err);
    scratch.write("bundle.toml", "[bundle]\nname = \"n\"\nchannel = \"c\"\n[[driver]]\nname = \"h\"\nmega = \"https://mega.example/x\"\n");
    let said = run(scratch.bundler(&["lock"]));
    assert!(
        said.err.contains("line 6") && said.err.contains("https://mega.nz/file/ID#KEY"),
        "{}",
        said.err
    );
}
