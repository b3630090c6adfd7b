//! The installer links no network code.

use std::process::Command;

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
fn the_two_programs_do_not_know_each_other() {
    for (one, other) in [("vgpu-installer", "vgpu-bundler"), ("vgpu-bundler", "vgpu-installer")] {
        assert!(!crates_of(one).iter().any(|name| name == other), "{one} links {other}");
    }
}
