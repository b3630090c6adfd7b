//! The edges of a host: reserved paths behind links, folders that others can change, limits, files
//! without an end, a damaged store.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vgpu_tests::skip::skip;

use crate::installer::fixture::{Site, Spec, key};
use crate::installer::tree::tree;
use crate::program;
use vgpu_tests::programs::Program;

fn ready() -> Site {
    let site = Site::new();
    site.trust(&key(1), "alice", &[]).expect(0);
    site
}

fn placing(site: &Site, path: &str) -> String {
    let wants = json!({ "file": [{ "item": "note", "path": path }] });
    site.bundle(&Spec { wants, ..Spec::small(1, "x") }, &[&key(1)])
}

#[test]
fn a_reserved_path_is_refused_also_behind_links() {
    let site = ready();
    symlink("vgpu-offline", site.path("root/etc/alias")).unwrap();
    symlink("/etc", site.path("root/opt-etc")).unwrap();
    let policy = fs::read(site.path("root/etc/vgpu-offline/policy.toml")).unwrap();
    let before = tree(&site.root());
    // No bundle names such a path itself: the manifest would be malformed.
    for path in ["/etc/alias/policy.toml", "/opt-etc/alias/new"] {
        let bundle = placing(&site, path);
        for command in ["plan", "apply"] {
            let yes: &[&str] = if command == "apply" { &["--yes"] } else { &[] };
            let ran = site.run(&[&[command], yes, &[&bundle]].concat());
            assert!(matches!(ran.code, 1 | 4), "{path}: {ran:?}");
            assert!(ran.err.contains("belongs to the installer"), "{ran:?}");
        }
    }
    assert_eq!(tree(&site.root()), before);
    assert_eq!(fs::read(site.path("root/etc/vgpu-offline/policy.toml")).unwrap(), policy);
}

#[test]
fn a_folder_of_the_installer_that_others_can_change_is_refused_with_the_fix() {
    let site = ready();
    let bundle = site.bundle(&Spec::small(1, "x"), &[&key(1)]);
    site.run(&["apply", "--yes", &bundle]).expect(0);
    let commands = [
        &["plan", &bundle][..],
        &["apply", "--yes", &bundle],
        &["status"],
        &["revert", "--yes"],
        &["trust", "set-floor", "stable", "1"],
    ];
    for folder in ["/etc/vgpu-offline", "/var/lib/vgpu-offline", "/var/lib/vgpu-offline/store"] {
        let path = site.path("root").join(folder.trim_start_matches('/'));
        let mode = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        for words in commands {
            let fix = format!("run `chmod go-w {folder}`");
            site.run(words).expect(1).says(&["mode 0777", &fix]);
        }
        // Hooks of dpkg must not make a package fail.
        site.run(&["guard"]).expect(0).says(&["chmod go-w"]);
        fs::set_permissions(&path, mode).unwrap();
        site.run(&["status"]).expect(0);
        if rustix::process::geteuid().is_root() {
            chown(&path, Some(7), None).unwrap();
            let fix = format!("run `chown root:root {folder}`");
            site.run(&["status"]).expect(1).says(&["belongs to user 7", &fix]);
            chown(&path, Some(0), None).unwrap();
        }
    }
    // Behind a link, the folder itself counts.
    let moved = site.path("root/srv");
    fs::rename(site.path("root/var/lib/vgpu-offline"), &moved).unwrap();
    symlink("/srv", site.path("root/var/lib/vgpu-offline")).unwrap();
    site.run(&["status"]).expect(0);
    fs::set_permissions(&moved, fs::Permissions::from_mode(0o770)).unwrap();
    site.run(&["status"]).expect(1).says(&["`chmod go-w /srv`"]);
}

#[test]
fn counts_beyond_the_limits_are_refused_in_time() {
    let site = ready();
    for (field, element, count) in [
        ("kernel-words", json!("a=1"), 100_000),
        ("modules", json!("vfio"), 100_000),
        ("modprobe", json!("blacklist nouveau"), 100_000),
        ("file", json!({ "item": "note", "path": "/opt/x" }), 40_000),
    ] {
        // What no writer of this project makes: the manifest is exchanged and signed again.
        let elements: Vec<Value> = vec![element; count];
        let wants = json!({ field: elements });
        let manifest = json!({ "format": 1, "needs": "0.1.0", "made-by": "0.1.0", "name": "a",
            "channel": "stable", "sequence": 1, "created": 1, "wants": wants, "items": [] });
        let start = Instant::now();
        let error = vgpu_manifest::Manifest::parse(manifest.to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().contains("exceed the limit of a bundle"), "{field}: {error}");
        assert!(start.elapsed() < Duration::from_secs(5), "{field}: {:?}", start.elapsed());
    }
    // The bundler says it already for the recipe.
    let words = vec!["\"a=1\""; 129].join(", ");
    let recipe =
        format!("[bundle]\nname = \"a\"\nchannel = \"stable\"\n[host]\nkernel-words = [{words}]\n");
    let recipe = site.write("stick/bundle.toml", recipe.as_bytes());
    let mut lock = Command::new(program(Program::Bundler));
    let output = lock.args(["lock", "--recipe", recipe.as_str()]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("129 kernel parameters exceed the limit of a bundle (128)"), "{said}");
}

#[test]
fn a_file_without_an_end_is_refused_by_both_programs() {
    let site = ready();
    let bundle = site.bundle(&Spec::small(1, "x"), &[&key(1)]);
    let zero = "/dev/zero";
    for words in [
        &["apply", "--yes", "--plan", zero, &bundle][..],
        &["trust", "add", zero, "--principal", "a"],
        &["trust", "update", zero, zero],
        &["trust", "revoke", "--key", zero],
        &["license", "use", "--token", zero],
        &["license", "restore", zero],
        &["verify", zero],
    ] {
        let ran = site.run(words);
        assert!(matches!(ran.code, 1..=3), "{words:?}: {ran:?}");
    }
    let good = site.public(&key(1), "good");
    for words in [
        &["verify", &bundle, "--signers", zero][..],
        &["verify", &bundle, "--signers", &good, "--revoked", zero],
        &["inspect", zero, "--signers", &good],
        &["lock", "--recipe", zero],
        &["key", "show", "--key", zero],
        &["key", "list", "--signers", zero],
        &["sign", &bundle, "--key", zero],
        &["init", "--inventory", zero],
        &["fleet", "compare", zero, zero],
    ] {
        let mut command = Command::new(program(Program::Bundler));
        command.args(words).current_dir(site.path("stick")).env("HOME", site.path("home"));
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(1..=3)), "{words:?}: {said}");
        assert!(!said.contains("unexpected argument"), "{words:?}: {said}");
    }
    let recipe = "[bundle]\nname = \"a\"\nchannel = \"stable\"\n";
    site.write("stick/bundle.toml", recipe.as_bytes());
    symlink(zero, site.path("stick/bundle.lock")).unwrap();
    let mut lock = Command::new(program(Program::Bundler));
    let output = lock.arg("lock").current_dir(site.path("stick")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("larger than"), "{said}");
}

#[test]
fn an_ordinary_user_s_own_folder_is_as_root_s() {
    if !rustix::process::geteuid().is_root() {
        let _ = skip("to be root, to become another user");
        return;
    }
    let site = ready();
    for folder in ["root/etc/vgpu-offline", "root/var/lib/vgpu-offline"] {
        chown(site.path(folder), Some(1234), Some(1234)).unwrap();
    }
    // Root does not take over what the user has prepared.
    site.run(&["status"]).expect(1).says(&["belongs to user 1234", "chown root:root"]);
}
