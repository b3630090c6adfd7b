//! The installer links no network code, and denies the network to itself and its children.

use std::process::Command;

use vgpu_tests::programs::Program;
use vgpu_tests::skip::have;

use crate::installer::fixture::{Site, Spec, key};

/// Crates for HTTP, TLS, sockets beyond the standard library, or an async runtime.
const BANNED: [&str; 16] = [
    "reqwest",
    "hyper",
    "hyper-util",
    "h2",
    "http",
    "rustls",
    "ring",
    "openssl",
    "native-tls",
    "tokio",
    "async-std",
    "smol",
    "futures",
    "mio",
    "socket2",
    "curl",
];

fn crates_of(package: &str) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn no_http_tls_or_async_crate_is_linked() {
    let crates = crates_of("vgpu-installer");
    assert!(crates.iter().any(|name| name == "vgpu-manifest"), "{crates:?}");
    let found: Vec<_> = crates.iter().filter(|name| BANNED.contains(&name.as_str())).collect();
    assert!(found.is_empty(), "{found:?}");
    // The list is current: the bundler depends on some of them.
    assert!(crates_of("vgpu-bundler").iter().any(|name| BANNED.contains(&name.as_str())));
}

#[test]
fn no_program_has_the_generator_of_schemas() {
    for package in ["vgpu-installer", "vgpu-bundler"] {
        assert!(!crates_of(package).iter().any(|name| name == "schemars"), "{package}");
    }
}

#[test]
fn the_crate_for_system_calls_has_no_sockets() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "--edges", "normal,features", "--prefix", "none"])
        .args(["--package", "vgpu-installer"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let features: Vec<_> = text.lines().filter(|line| line.starts_with("rustix feature")).collect();
    assert!(features.contains(&"rustix feature \"fs\""), "{features:?}");
    assert!(!features.contains(&"rustix feature \"net\""), "{features:?}");
}

/// Returns the lines of strace for one command, with all of its children.
fn trace(site: &Site, words: &[&str]) -> String {
    let log = site.path("trace");
    let mut strace = Command::new("strace");
    strace.args(["--follow-forks", "--trace=seccomp,socket", "--output", log.as_str()]);
    strace.arg(crate::program(Program::Installer)).args(["--root", site.root().as_str()]);
    strace.args(words).output().unwrap();
    std::fs::read_to_string(log).unwrap()
}

#[test]
fn commands_that_need_no_network_deny_it_to_themselves() {
    if !have("strace") {
        return;
    }
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(&Spec::small(1, "text"), &[&alice]);
    for words in [
        &["verify", &bundle][..],
        &["inspect", &bundle],
        &["inventory"],
        &["trust", "list"],
        &["trust", "set-floor", "stable", "0"],
        &["store", "gc"],
        &["guest-drivers"],
        &["sriov"],
        &["guard"],
    ] {
        let trace = trace(&site, words);
        assert!(trace.contains("seccomp(SECCOMP_SET_MODE_FILTER"), "{words:?}: {trace}");
        assert!(!trace.contains("socket("), "{words:?}: {trace}");
    }
    // The others start no program in a folder, and open no socket.
    for words in [&["plan", &bundle][..], &["apply", "--yes", &bundle], &["status"], &["report"]] {
        let trace = trace(&site, words);
        assert!(!trace.contains("socket("), "{words:?}: {trace}");
    }
}

#[test]
fn the_two_programs_do_not_know_each_other() {
    for (one, other) in [("vgpu-installer", "vgpu-bundler"), ("vgpu-bundler", "vgpu-installer")] {
        assert!(!crates_of(one).iter().any(|name| name == other), "{one} links {other}");
    }
}
