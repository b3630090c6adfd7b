//! `write` to a folder and to a FAT image.

use std::fs;

use crate::bundler::sandbox::{Ran, Sandbox, bytes, has};

/// Returns a minimal program: an ELF header for x86-64 without a loader.
fn program() -> Vec<u8> {
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(64, 0);
    elf[16] = 2;
    elf[18] = 62;
    elf[32] = 64;
    elf[54] = 56;
    elf
}

fn laptop() -> Sandbox {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    fs::write(sandbox.work("vgpu-installer"), program()).unwrap();
    fs::create_dir(sandbox.work("stick")).unwrap();
    sandbox
}

const WRITE: [&str; 4] = ["write", "stick", "--installer", "vgpu-installer"];

fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.work("stick")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_stick_has_all_that_a_node_needs_and_nothing_else() {
    let sandbox = laptop();
    let ran = sandbox.ok(&[&WRITE[..], &["--json"]].concat());
    let expected =
        ["START-HERE.txt", "alice.pub", "node-1.vgpu.tar", "vgpu-installer", "vgpu-installer.sig"];
    assert_eq!(names(&sandbox), expected);
    assert_eq!(
        bytes(sandbox.work("stick/node-1.vgpu.tar")),
        bytes(sandbox.work("node-1.vgpu.tar"))
    );
    assert_eq!(bytes(sandbox.work("stick/vgpu-installer")), program());

    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(report["files"][0]["name"], "node-1.vgpu.tar");
    assert_eq!(report["files"][0]["state"], "written");
    let shown = sandbox.ok(&["key", "show"]).out;
    let fingerprint = shown.lines().nth(1).unwrap();
    assert_eq!(report["note-on-paper"][0]["fingerprint"], fingerprint);
    assert!(["all", "partly", "unknown"].contains(&report["read-back"].as_str().unwrap()));

    // The command prints the fingerprint to write down; the page does not contain it.
    let again = sandbox.ok(&WRITE);
    assert!(again.err.contains(fingerprint), "{}", again.err);
    assert!(again.err.contains("follow START-HERE.txt"), "{}", again.err);
    let page = fs::read_to_string(sandbox.work("stick/START-HERE.txt")).unwrap();
    assert!(!page.contains(fingerprint), "{page}");
    let again = sandbox.ok(&[&WRITE[..], &["--json"]].concat()).out;
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    let states = again["files"].as_array().unwrap().iter().map(|file| file["state"].as_str());
    assert!(states.into_iter().all(|state| state == Some("was-there")), "{again}");
}

/// The page is about the bundle that was written last.
#[test]
fn a_second_bundle_gets_its_own_page() {
    let sandbox = laptop();
    sandbox.ok(&WRITE);
    let recipe = sandbox.read("bundle.toml");
    sandbox.write("bundle.toml", &recipe.replace("[host]", "[host]\nkernel-words = ['quiet']"));
    sandbox.ok(&["lock"]);
    sandbox.ok(&["build"]);
    let report = sandbox.ok(&[&WRITE[..], &["--json"]].concat()).out;
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let files = report["files"].as_array().unwrap().iter();
    let states: Vec<_> = files.map(|it| (it["name"].as_str(), it["state"].as_str())).collect();
    assert!(states.contains(&(Some("START-HERE.txt"), Some("replaced"))), "{states:?}");
    assert!(sandbox.read("stick/START-HERE.txt").starts_with("START HERE: node 2"));
    let both = ["node-1.vgpu.tar", "node-2.vgpu.tar"];
    assert!(both.iter().all(|name| names(&sandbox).iter().any(|it| it == name)));
}

#[test]
fn no_foreign_file_is_overwritten() {
    let sandbox = laptop();
    fs::write(sandbox.work("stick/START-HERE.txt"), "mine\n").unwrap();
    fs::write(sandbox.work("stick/other"), "mine too\n").unwrap();
    let error = sandbox.fails(1, &WRITE);
    assert!(error.contains("`START-HERE.txt`") && error.contains("--replace"), "{error}");
    assert_eq!(names(&sandbox), ["START-HERE.txt", "other"]);
    assert_eq!(sandbox.read("stick/START-HERE.txt"), "mine\n");
    sandbox.ok(&[&WRITE[..], &["--replace"]].concat());
    assert!(sandbox.read("stick/START-HERE.txt").starts_with("START HERE: node 1"));
    assert_eq!(sandbox.read("stick/other"), "mine too\n");
}

#[test]
fn a_program_without_a_trusted_signature_is_not_written() {
    if !has("ssh-keygen") {
        return;
    }
    let sandbox = laptop();
    let keygen = |words: &[&str]| {
        Ran::from(sandbox.command("ssh-keygen").args(words).output().unwrap()).expect(0, words)
    };
    let sign = |key: &str, namespace: &str| {
        let _ = fs::remove_file(sandbox.work("vgpu-installer.sig"));
        keygen(&["-q", "-Y", "sign", "-f", key, "-n", namespace, "vgpu-installer"]);
    };
    let own = sandbox.path("home/.config/vgpu-offline/key");
    let own = own.to_str().unwrap();

    // A signature by ssh-keygen in the program's folder is used as it is.
    sign(own, "vgpu-installer");
    sandbox.ok(&WRITE);
    assert_eq!(
        bytes(sandbox.work("stick/vgpu-installer.sig")),
        bytes(sandbox.work("vgpu-installer.sig"))
    );

    for (key, namespace, words) in [
        (own, "vgpu-bundle", "wrong namespace"),
        (own, "file", "is not the signature of a program"),
        ("mallory", "vgpu-installer", "is not a trusted key"),
    ] {
        if key == "mallory" {
            keygen(&["-q", "-t", "ed25519", "-N", "", "-f", "mallory"]);
        }
        sign(key, namespace);
        let error = sandbox.fails(3, &WRITE);
        assert!(error.contains(words), "{words}: {error}");
    }
    sign(own, "vgpu-installer");
    let mut other = program();
    other[40] = 1;
    fs::write(sandbox.work("vgpu-installer"), other).unwrap();
    assert!(sandbox.fails(3, &WRITE).contains("the signature by"), "changed after signing");

    fs::write(sandbox.work("vgpu-installer"), "#!/bin/sh\n").unwrap();
    fs::remove_file(sandbox.work("vgpu-installer.sig")).unwrap();
    assert!(sandbox.fails(1, &WRITE).contains("is not a program for the node"));
}

#[test]
fn a_bundle_that_is_damaged_stays_here() {
    let sandbox = laptop();
    let mut bundle = bytes(sandbox.work("node-1.vgpu.tar"));
    let middle = bundle.len() / 2;
    bundle[middle] ^= 1;
    fs::write(sandbox.work("node-1.vgpu.tar"), bundle).unwrap();
    let error = sandbox.fails(3, &WRITE);
    assert!(error.contains("item `bin/tool` is damaged"), "{error}");
    assert_eq!(names(&sandbox), [""; 0]);

    fs::remove_file(sandbox.work("node-1.vgpu.tar")).unwrap();
    let error = sandbox.fails(1, &WRITE);
    assert!(error.contains("there is no bundle `node-1.vgpu.tar` here"), "{error}");
    let error = sandbox.fails(1, &["write", "nowhere", "node-1.vgpu.tar"]);
    assert!(error.contains("node-1.vgpu.tar"), "{error}");
}

/// FAT accepts every name and returns every byte, whole and split.
#[test]
fn what_is_written_survives_a_fat_file_system() {
    if !has("mformat") || !has("mcopy") || !has("mdir") {
        return;
    }
    let sandbox = laptop();
    sandbox.ok(&[&WRITE[..], &["--part-size", "4MiB"]].concat());
    let expected = [
        "START-HERE.txt",
        "alice.pub",
        "node-1.vgpu.tar.001",
        "node-1.vgpu.tar.002",
        "node-1.vgpu.tar.003",
        "vgpu-installer",
        "vgpu-installer.sig",
    ];
    assert_eq!(names(&sandbox), expected);
    // FAT32, the usual format of sticks.
    fs::File::create(sandbox.work("fat.img")).unwrap().set_len(64 << 20).unwrap();
    let run = |program: &str, words: &[&str]| {
        Ran::from(sandbox.command(program).args(words).output().unwrap()).expect(0, words)
    };
    run("mformat", &["-i", "fat.img", "-F", "::"]);
    let files: Vec<String> = expected.iter().map(|name| format!("stick/{name}")).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    run("mcopy", &[&["-i", "fat.img"], &files[..], &["::"]].concat());
    // `-b` lists full names: a name that does not fit FAT would appear as another one.
    let listed = run("mdir", &["-i", "fat.img", "-b", "::"]).out;
    let mut listed: Vec<&str> = listed.lines().map(|line| line.trim_start_matches("::/")).collect();
    listed.sort_unstable();
    assert_eq!(listed, expected);
    fs::create_dir(sandbox.work("back")).unwrap();
    let inside: Vec<String> = expected.iter().map(|name| format!("::{name}")).collect();
    let inside: Vec<&str> = inside.iter().map(String::as_str).collect();
    run("mcopy", &[&["-i", "fat.img"], &inside[..], &["back"]].concat());
    for name in expected {
        let [there, back] = ["stick", "back"].map(|dir| bytes(sandbox.work(dir).join(name)));
        assert!(there == back, "{name}");
    }
    sandbox.ok(&["verify", "back/node-1.vgpu.tar.001"]);
}
