//! Starter recipes: by flags, and by interactive questions.

mod packages;
mod screens;

use std::fs;
use std::path::Path;

use crate::bundler::sandbox::Sandbox;

/// Returns a sandbox with the inventory of a simulated node.
fn sandbox(node: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("it/inventory/golden")
        .join(format!("{node}.json"));
    fs::copy(golden, sandbox.work("node.json")).unwrap();
    sandbox
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let sandbox = sandbox("tesla-t4");
    sandbox.ok(&["init", "--recipe", "bare.toml"]);
    assert!(sandbox.read("bare.toml").starts_with("[bundle]\nname = \"vgpu\"\n"));
    let said = sandbox.ok(&["init", "--name", "gpu", "--inventory", "node.json"]).err;
    assert!(said.contains("the mirrors of the inventory were not confirmed"), "{said}");
    let again = sandbox.fails(1, &["init", "--name", "gpu"]);
    assert!(again.contains("`bundle.toml` exists already; `init` overwrites no recipe"), "{again}");
    assert!(again.contains("hint: edit it, or name another file with `--recipe`"), "{again}");
    let help = sandbox.ok(&["init", "--help"]).out;
    let at = |word: &str| help.find(word).unwrap_or_else(|| panic!("{word}: {help}"));
    assert!(at("nvidia-dls") < at("fastapi-dls") && help.contains("[default: none]"), "{help}");
}

#[test]
fn what_cannot_be_meant_is_wrong_usage_and_leaves_nothing() {
    let sandbox = sandbox("tesla-t4");
    let key = format!("--archive-key=pve-no-subscription=k={}", "A".repeat(40));
    for (words, says) in [
        (
            &["--inventory", "node.json", &key][..],
            "names the archive `pve-no-subscription`, but the archives are: debian,",
        ),
        (&["--mirror", "debian=https://a.example/"], "`--mirror` has no effect"),
        (&["--mirror", "a=https://a.example/"], "`a` is not a known archive"),
        (&["--driver-file", "a"], "`--driver-file` has no effect"),
        (&["--accept-mirrors"], "--inventory"),
        (&["--licensing", "yes"], "`none`, `nvidia-dls` or `fastapi-dls[=IMAGE]`"),
    ] {
        let error = sandbox.fails(2, &[&["init", "--name", "gpu"], words].concat());
        assert!(error.contains(says), "{error}");
        assert!(!sandbox.work("bundle.toml").exists());
    }
}

#[test]
fn programs_are_told_what_is_left_to_do() {
    let sandbox = sandbox("tesla-t4");
    let words = ["init", "--name", "gpu", "--inventory", "node.json", "--accept-mirrors", "--json"];
    let json = sandbox.ok(&words).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["licensing"], "none");
    let packages = &json["packages"];
    assert_eq!(packages["mirrors"], "confirmed");
    assert_eq!(
        packages["archives"][2],
        serde_json::json!({
            "name": "pve-enterprise",
            "mirror": ["https://enterprise.example/debian/pve"]
        })
    );
}

#[test]
fn a_missing_driver_is_named_with_its_archive_and_its_folder() {
    let sandbox = sandbox("tesla-t4");
    sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
    sandbox.ok(&["init", "--name", "gpu", "--inventory", "node.json", "--driver", "18.4"]);
    let error = sandbox.fails(1, &["lock"]);
    let archive = "`NVIDIA-GRID-Linux-KVM-570.172.07-570.172.08-573.48.zip`";
    for says in [
        "cannot read `inputs/NVIDIA-Linux-x86_64-570.172.07-vgpu-kvm.run`",
        "hint: download NVIDIA vGPU 18.4 for the platform Linux KVM from NVIDIA's licensing portal",
        archive,
        "of its folder `Host_Drivers` into `inputs`",
    ] {
        assert!(error.contains(says), "{says}: {error}");
    }
    let ran = sandbox.bundler(&["doctor"]).output().unwrap();
    let ran = crate::bundler::sandbox::Ran::from(ran).expect(1, &["doctor"]);
    assert!(ran.out.contains("MISSING   input"), "{ran:?}");
    assert!(ran.out.contains(archive) && ran.err.contains("this machine lacks: input"), "{ran:?}");
}
