use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::bundler::sandbox::{Ran, Sandbox, bytes, has};

#[test]
fn from_a_recipe_to_a_bundle_and_back() {
    let sandbox = Sandbox::with_recipe();
    let lock = sandbox.ok(&["lock"]);
    assert!(lock.err.contains("+ etc/a.conf: 14 B"), "{}", lock.err);
    let built = sandbox.ok(&["build", "--output", "out"]);
    assert_eq!(built.out, "out/node-1.vgpu.tar\n");

    let verified = sandbox.ok(&["verify", "--deep", "out/node-1.vgpu.tar"]).out;
    assert!(verified.starts_with("node 1 of channel stable: 4 items, 8.1 MiB\n"), "{verified}");
    assert!(verified.contains("\nsigned by alice\n"), "{verified}");

    let shown = sandbox.ok(&["inspect", "out/node-1.vgpu.tar"]).out;
    for line in ["etc/a.conf", "0755", "tree, 2.5 KiB unpacked", "wants module `vfio` at boot"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let json = sandbox.ok(&["inspect", "--json", "out/node-1.vgpu.tar"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["manifest"]["items"][1]["name"], "bin/tool");
    assert_eq!(json["signed-by"][0], "alice");

    sandbox.ok(&["extract", "out/node-1.vgpu.tar", "bin/tool", "src.tar.zst", "-o", "x"]);
    assert_eq!(bytes(sandbox.work("x/bin/tool")), bytes(sandbox.work("tool")));
    let mode = fs::metadata(sandbox.work("x/bin/tool")).unwrap().permissions().mode();
    assert_eq!(mode & 0o100, 0o100);
    let tar = zstd::decode_all(&*bytes(sandbox.work("x/src.tar.zst"))).unwrap();
    assert!(tar.windows(12).any(|window| window == b"fn main() {}"));
    // Existing files are not overwritten.
    let error = sandbox.fails(1, &["extract", "out/node-1.vgpu.tar", "bin/tool", "-o", "x"]);
    assert!(error.contains("x/bin/tool"), "{error}");
}

#[test]
fn stock_tools_agree() {
    if !has("ssh-keygen") || !has("sha256sum") || !has("tar") {
        return;
    }
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    let run = |program: &str, args: &[&str]| {
        Ran::from(sandbox.command(program).args(args).output().unwrap()).expect(0, args)
    };
    run("tar", &["-xf", "node-1.vgpu.tar", "--one-top-level=x"]);
    run("dd", &["if=node-1.vgpu.tar", "of=sig", "bs=512", "skip=1", "count=1", "status=none"]);
    let signers = sandbox.path("home/.config/vgpu-offline/allowed_signers");
    let mut verify = sandbox.command("ssh-keygen");
    verify.args(["-Y", "verify", "-n", "vgpu-bundle", "-I", "alice", "-s", "sig", "-f"]);
    verify.arg(signers).stdin(fs::File::open(sandbox.work("x/SHA256SUMS")).unwrap());
    Ran::from(verify.output().unwrap()).expect(0, &["ssh-keygen"]);
    let mut check = sandbox.command("sha256sum");
    check.args(["-c", "--strict", "SHA256SUMS"]).current_dir(sandbox.work("x"));
    let checked = Ran::from(check.output().unwrap()).expect(0, &["sha256sum"]);
    assert_eq!(checked.out.matches(": OK\n").count(), 5);
}

#[test]
fn a_lock_says_what_has_changed_and_counts() {
    let sandbox = Sandbox::with_recipe();
    let lock_at = |time: &str| {
        Ran::from(sandbox.bundler(&["lock"]).env("SOURCE_DATE_EPOCH", time).output().unwrap())
    };
    lock_at("1000").expect(0, &[]);
    let first = sandbox.read("bundle.lock");
    assert!(first.contains("\nsequence = 1\ncreated = 1000\n"), "{first}");
    // The recipe is unchanged, so the lock is too.
    let again = lock_at("2000").expect(0, &[]);
    assert!(again.err.contains("is up to date"), "{}", again.err);
    assert_eq!(sandbox.read("bundle.lock"), first);

    sandbox.write("a.conf", "other\n");
    let changed = lock_at("3000").expect(0, &[]).err;
    assert!(changed.contains("~ sequence: 1 → 2\n"), "{changed}");
    assert!(changed.contains("~ etc/a.conf: 14 B (") && changed.contains("→ 6 B ("), "{changed}");
    assert!(sandbox.read("bundle.lock").contains("\nsequence = 2\ncreated = 3000\n"));

    let bad = lock_at("noon").expect(1, &[]);
    assert!(bad.err.contains("`SOURCE_DATE_EPOCH` is `noon`"), "{}", bad.err);
}

#[test]
fn a_build_takes_what_was_locked() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["lock"]);
    std::thread::sleep(std::time::Duration::from_millis(50));
    sandbox.write("a.conf", "changed since\n");
    let built = sandbox.ok(&["build"]);
    assert!(
        built.err.contains("`a.conf` was changed after item `etc/a.conf` was locked"),
        "{}",
        built.err
    );
    sandbox.ok(&["extract", "node-1.vgpu.tar", "etc/a.conf", "-o", "x"]);
    assert_eq!(sandbox.read("x/etc/a.conf"), "some = \"text\"\n");

    // A changed recipe is refused.
    let recipe = sandbox.read("bundle.toml").replace("'vfio'", "'vfio_pci'");
    sandbox.write("bundle.toml", &recipe);
    let error = sandbox.fails(1, &["build"]);
    assert!(
        error.contains("the recipe has changed") && error.contains("hint: run `vgpu-bundler lock`"),
        "{error}"
    );

    // Without the cache, the locked content is no longer available.
    sandbox.write("bundle.toml", &recipe.replace("'vfio_pci'", "'vfio'"));
    fs::remove_dir_all(sandbox.path("home/.cache")).unwrap();
    let error = sandbox.fails(1, &["build"]);
    assert!(error.contains("`a.conf` does not match item") && error.contains("hint: "), "{error}");
}

#[test]
fn two_bundles_are_compared_in_words() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    assert_eq!(sandbox.ok(&["diff", "node-1.vgpu.tar", "node-1.vgpu.tar"]).out, "");
    let recipe = sandbox.read("bundle.toml").replace("'vfio'", "'vfio_pci'");
    sandbox.write("bundle.toml", &recipe.replace("mode = '0755'\n", ""));
    sandbox.ok(&["lock"]);
    sandbox.ok(&["build"]);
    let changes = sandbox.ok(&["diff", "node-1.vgpu.tar", "node-2.vgpu.tar"]).out;
    let expected = "~ sequence: 1 → 2\n~ bin/tool: mode 0755 → 0644\n\
                    - host: module `vfio` at boot\n+ host: module `vfio_pci` at boot\n";
    assert_eq!(changes, expected);
    let json = sandbox.ok(&["diff", "--json", "node-1.vgpu.tar", "node-2.vgpu.tar"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["change"], "property");
}

#[test]
fn parts_are_one_bundle() {
    let sandbox = Sandbox::with_recipe();
    let built = sandbox.ok(&["build", "--split=4MiB"]);
    assert_eq!(built.out, "./node-1.vgpu.tar.001\n");
    sandbox.ok(&["verify", "node-1.vgpu.tar.001"]);
    sandbox.ok(&["build", "-o", "whole"]);
    let mut parts = bytes(sandbox.work("node-1.vgpu.tar.001"));
    for part in ["node-1.vgpu.tar.002", "node-1.vgpu.tar.003"] {
        parts.extend(bytes(sandbox.work(part)));
    }
    assert_eq!(parts, bytes(sandbox.work("whole/node-1.vgpu.tar")));
    fs::remove_file(sandbox.work("node-1.vgpu.tar.002")).unwrap();
    let error = sandbox.fails(3, &["verify", "node-1.vgpu.tar.001"]);
    assert!(error.contains("node-1.vgpu.tar.002"), "{error}");
    assert!(sandbox.fails_to_parse(&["build", "--split=5MiB"]).contains("multiple of 4 MiB"));
}

#[test]
fn init_writes_a_recipe_that_can_be_built() {
    let sandbox = Sandbox::empty();
    sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
    sandbox.write("a.conf", "text\n");
    sandbox.ok(&[
        "init",
        "--name",
        "gpu",
        "--channel",
        "stable",
        "--file",
        "a.conf=a.conf",
        "--iommu",
    ]);
    sandbox.ok(&["build"]);
    assert!(sandbox.ok(&["inspect", "gpu-1.vgpu.tar"]).out.contains("wants IOMMU on"));
    let error = sandbox.fails(1, &["init", "--name", "gpu"]);
    assert!(error.contains("`bundle.toml`") && error.contains("hint: "), "{error}");
}
