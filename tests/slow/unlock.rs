//! A real Rust library with real crates in the role of `vgpu_unlock`: locked, built against the
//! glibc of Proxmox VE 7, preloaded, rebuilt elsewhere, and built from its item alone without a
//! network.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use camino::Utf8Path;
use vgpu_tests::scratch::{Scratch, expect};
use vgpu_tests::skip::{have, skip};

/// The crates of the real library, without its code.
const MANIFEST: &str = r#"[package]
name = "stand-in"
version = "0.1.0"
edition = "2018"

[lib]
name = "stand_in_rs"
crate-type = ["cdylib"]

[dependencies]
ctor = "0.2.7"
libc = "0.2.102"
parking_lot = "0.12.1"
serde = { version = "1.0.130", features = ["derive"] }
toml = "0.8.11"
"#;

/// Announces itself, and answers one request.
const LIBRARY: &str = r#"use std::os::raw::{c_int, c_ulong, c_void};

#[derive(serde::Deserialize)]
struct Config {
    answer: c_int,
}

static CONFIG: parking_lot::Mutex<Option<Config>> = parking_lot::const_mutex(None);

#[ctor::ctor]
fn begin() {
    *CONFIG.lock() = toml::from_str("answer = 42").ok();
}

#[no_mangle]
pub unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    match &*CONFIG.lock() {
        Some(config) if request == 0x5eed => config.answer,
        _ => libc::syscall(libc::SYS_ioctl, fd, request, argument) as c_int,
    }
}
"#;

/// Sends the request that only the library answers.
pub(crate) const ASK: &str = "import fcntl; print(fcntl.ioctl(1, 0x5eed, 0))";

#[test]
fn a_library_from_its_sources_to_a_preloaded_process() {
    if !tools() {
        return;
    }
    let here = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    let repo = here.path("laptop/repo");
    let commit = repository(&repo);
    let recipe = format!(
        "[bundle]\nname = \"unlock\"\nchannel = \"stable\"\n\n[[unlock]]\n\
         name = \"unlock/src.tar.zst\"\ngit = \"{repo}\"\ncommit = \"{commit}\"\n"
    );
    here.write("bundle.toml", &recipe);
    let key = here.path("key");
    let words = ["-q", "-t", "ed25519", "-N", "", "-f", key.as_str()];
    assert!(Command::new("ssh-keygen").args(words).status().unwrap().success());
    let build = ["build", "--key", key.as_str()];
    expect(with_rust(here.bundler(&build)), 0);
    let lock = fs::read_to_string(here.path("laptop/bundle.lock")).unwrap();
    for word in ["with zig ", "\nname = \"parking_lot\"\n"] {
        assert!(lock.contains(word), "{word}: {lock}");
    }
    expect(with_rust(here.bundler(&["lock"])), 0);
    assert_eq!(fs::read_to_string(here.path("laptop/bundle.lock")).unwrap(), lock);

    let policy = here.path("signers");
    let public = fs::read_to_string(format!("{key}.pub")).unwrap();
    fs::write(&policy, format!("a namespaces=\"vgpu-bundle\" {public}")).unwrap();
    let bundle = here.path("laptop/unlock-1.vgpu.tar");
    let out = here.path("out");
    let words = ["extract", bundle.as_str(), "-o", out.as_str(), "--signers", policy.as_str()];
    expect(here.bundler(&words), 0);
    let library = out.join("unlock/libvgpu_unlock_rs.so");
    loads_with_the_oldest_glibc(&library);
    builds_without_a_network(&out.join("unlock/src.tar.zst"), &here.path("node-src"));
    comes_out_the_same(&lock, &recipe);
}

/// Checks whether all required tools are present.
pub(crate) fn tools() -> bool {
    let zig = Command::new("python3").args(["-m", "ziglang", "version"]).output();
    let has_zig = zig.is_ok_and(|output| output.status.success());
    ["git", "cargo-zigbuild", "objdump"].into_iter().all(have)
        && (has_zig || skip("the Python package ziglang"))
}

/// Adds the library to a repository of the real git in `folder`; returns its commit.
pub(crate) fn repository(folder: &Utf8Path) -> String {
    fs::create_dir_all(folder.join("src")).unwrap();
    let files = [("Cargo.toml", MANIFEST), ("src/lib.rs", LIBRARY), (".gitignore", "Cargo.lock\n")];
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    for words in [
        &["init", "--quiet"] as &[&str],
        &["add", "--all"],
        &["-c", "user.name=a", "-c", "user.email=a@git.example", "commit", "--quiet", "-mx"],
    ] {
        assert!(Command::new("git").current_dir(folder).args(words).status().unwrap().success());
    }
    let head = Command::new("git").current_dir(folder).args(["rev-parse", "HEAD"]).output();
    String::from_utf8(head.unwrap().stdout).unwrap().trim().to_owned()
}

/// Checks that its symbol versions are those of glibc 2.31 at most, and that it works when
/// preloaded.
pub(crate) fn loads_with_the_oldest_glibc(library: &Utf8Path) {
    let dump = Command::new("objdump").args(["-T", library.as_str()]).output().unwrap();
    let dump = String::from_utf8(dump.stdout).unwrap();
    let versions = dump.split(|c: char| !(c.is_ascii_alphanumeric() || "._".contains(c)));
    let minors: Vec<u32> = versions
        .filter_map(|word| word.strip_prefix("GLIBC_2."))
        .map(|rest| rest.split('.').next().unwrap().parse().unwrap())
        .collect();
    assert!(minors.iter().max().is_some_and(|newest| *newest <= 31), "{dump}");
    assert!(dump.lines().any(|line| line.contains(".text") && line.ends_with(" ioctl")), "{dump}");

    let ask = |preload: &str| {
        let mut command = Command::new("python3");
        let output = command.args(["-c", ASK]).env("LD_PRELOAD", preload).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(ask(library.as_str()), "42\n");
    assert_eq!(ask(""), "");
}

/// Checks that the item alone is sufficient: stock tools unpack it, and cargo needs no network and
/// no home.
pub(crate) fn builds_without_a_network(item: &Utf8Path, folder: &Utf8Path) {
    fs::create_dir(folder).unwrap();
    let tar =
        Command::new("tar").args(["--zstd", "-xf", item.as_str(), "-C", folder.as_str()]).status();
    assert!(tar.unwrap().success());
    let mut build = Command::new("unshare");
    build.args([
        "--map-root-user",
        "--net",
        "cargo",
        "build",
        "--release",
        "--offline",
        "--locked",
    ]);
    let mut build = with_rust(build);
    build.current_dir(folder).env("CARGO_HOME", folder.join("home"));
    let output = build.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.join("target/release/libstand_in_rs.so").is_file());
}

/// Checks that another laptop with only the lock produces the same sources and the same library.
fn comes_out_the_same(lock: &str, recipe: &str) {
    let there = Scratch::new(env!("CARGO_BIN_EXE_demo"));
    there.write("bundle.toml", recipe);
    there.write("bundle.lock", lock);
    fs::create_dir(there.path("a temporary folder")).unwrap();
    let mut fetch = with_rust(there.bundler(&["fetch"]));
    fetch.env("TMPDIR", there.path("a temporary folder"));
    expect(fetch, 0);
}

/// Sets the paths of the Rust toolchain of the user who runs the tests, because programs of this
/// project get a separate home.
pub(crate) fn with_rust(mut command: Command) -> Command {
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    for (name, folder) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
        let there = std::env::var_os(name).unwrap_or_else(|| home.join(folder).into());
        command.env(name, there);
    }
    command
}
