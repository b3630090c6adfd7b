//! Reviewed plans.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::json;

use crate::installer::fixture::{Site, Spec, key};
use crate::installer::tree::tree;

fn ready() -> (Site, String, String) {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(&Spec::full(1), &[&alice]);
    let file = site.path("stick/plan.json").into_string();
    (site, bundle, file)
}

#[test]
fn exactly_the_plan_that_was_reviewed_is_carried_out() {
    let (site, bundle, file) = ready();
    let shown = site.run(&["plan", "--output", &file, &bundle]).expect(0).says(&["wrote"]);
    assert!(shown.out.contains("/opt/vgpu/large"), "{}", shown.out);
    let json = site.run(&["plan", "--json", &bundle]).expect(0).out;
    assert_eq!(fs::read_to_string(&file).unwrap(), json, "the same document");
    site.run(&["apply", "--yes", "--plan", &file, &bundle]).expect(10);
    assert!(site.path("root/opt/vgpu/large").exists());
    // Once applied, the plan no longer matches the host.
    site.run(&["apply", "--yes", "--plan", &file, &bundle])
        .expect(1)
        .says(&["change: - new /opt/vgpu/large"]);
}

#[test]
fn any_difference_is_shown_and_nothing_is_changed() {
    let (site, bundle, file) = ready();
    site.run(&["plan", "--output", &file, "--no-resume", &bundle]).expect(0);
    let other = site.bundle(&Spec::small(2, "two"), &[&key(1)]);
    let refused = |bundle: &str, words: &[&str]| {
        let before = tree(&site.root());
        let words = [&["the plan differs from the reviewed one"], words].concat();
        site.run(&["apply", "--yes", "--plan", &file, bundle]).expect(1).says(&words);
        assert_eq!(tree(&site.root()), before);
        let store = site.path("root/var/lib/vgpu-offline/store");
        assert_eq!(fs::read_dir(store).unwrap().count(), 0, "nothing is staged");
    };
    refused(&other, &["bundle: ", "step: - write /opt/vgpu/large", "step: + write /etc/vgpu-note"]);

    // A file that the plan replaces, or a fact that it was made from, has changed.
    let mine = site.path("root/usr/local/sbin/other");
    let was = fs::read(&mine).unwrap();
    fs::write(&mine, "changed meanwhile").unwrap();
    refused(&bundle, &["change: + changed /usr/local/sbin/other"]);
    fs::write(&mine, was).unwrap();
    site.write("root/proc/sys/kernel/osrelease", b"6.8.12-9-pve\n");
    refused(&bundle, &["facts › kernels › running: null → \"6.8.12-9-pve\""]);
    fs::remove_file(site.path("root/proc/sys/kernel/osrelease")).unwrap();

    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("vfio.test=1", "vfio.test=2")).unwrap();
    refused(&bundle, &["vfio.test=2"]);
    fs::write(&file, "<html>").unwrap();
    site.run(&["apply", "--yes", "--plan", &file, &bundle]).expect(1).says(&["not a plan from"]);
    fs::write(&file, text).unwrap();
    site.run(&["apply", "--yes", "--plan", &file, &bundle]).expect(10);
}

#[test]
fn a_plan_says_already_what_would_be_chosen() {
    let (site, bundle, file) = ready();
    site.run(&["plan", "--output", &file, &bundle]).expect(0);
    let twice = ["apply", "--plan", &file, "--vgpu", "0000:41:00.0", &bundle];
    site.run(&twice).expect(2).says(&["cannot be used with"]);
    site.run(&["apply", "--plan", &file]).expect(2).says(&["apply --plan FILE BUNDLE"]);
}

#[test]
fn every_field_of_the_document_is_compared() {
    let (site, bundle, file) = ready();
    site.run(&["plan", "--output", &file, &bundle]).expect(0);
    let text = fs::read_to_string(&file).unwrap();
    let before = tree(&site.root());
    let refused = |text: &str, word: &str| {
        fs::write(&file, text).unwrap();
        let words = ["the plan differs from the reviewed one", word];
        site.run(&["apply", "--yes", "--plan", &file, &bundle]).expect(1).says(&words);
        assert_eq!(tree(&site.root()), before);
    };
    let fields = serde_json::from_str::<serde_json::Value>(&text).unwrap();
    for (name, value) in fields.as_object().unwrap() {
        let mut edited = fields.clone();
        match value {
            serde_json::Value::Array(_) => edited[name] = json!([]),
            serde_json::Value::Object(_) if name == "bundle" => edited[name] = json!({}),
            serde_json::Value::Bool(value) => edited[name] = json!(!value),
            serde_json::Value::Number(_) => edited[name] = json!(99),
            // The others are inputs, which the tests above change.
            _ => continue,
        }
        if edited != fields {
            refused(
                &(serde_json::to_string_pretty(&edited).unwrap() + "\n"),
                name.trim_end_matches('s'),
            );
        }
    }
    refused(&text.replace("  ", " "), "edited or reformatted");
    fs::write(&file, text).unwrap();
    site.run(&["apply", "--yes", "--plan", &file, &bundle]).expect(10);
}

#[test]
fn what_is_replaced_and_what_concerns_security_is_marked() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    for (path, text, mode) in [
        ("etc/shadow", "root:$6$secret:1::::::\n", 0o640),
        ("etc/motd", "one\ntwo\nthree\n", 0o644),
        ("opt/tool", "\u{7f}ELF\0", 0o755),
    ] {
        let path = site.write(&format!("root/{path}"), text.as_bytes());
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("ssh", site.path("root/etc/alias")).unwrap();
    fs::create_dir(site.path("root/etc/ssh")).unwrap();
    let items = vec![
        ("a", b"root::1::::::\n".to_vec()),
        ("b", b"one\n\x1b[2J\tto\nthree\n".to_vec()),
        ("c", b"one\nzwei\nthree\n".to_vec()),
    ];
    let wants = json!({
        "kernel-words": ["init=/bin/sh", "module.sig_enforce=0", "lockdown=none", "quiet"],
        "file": [
            { "item": "a", "path": "/etc/shadow" },
            { "item": "b", "path": "/opt/tool" },
            { "item": "c", "path": "/etc/motd", "mode": "0600" },
            { "item": "a", "path": "/etc/alias/sshd_config" },
            { "item": "a", "path": "/opt/new" },
        ],
        "unit": [{ "name": "x.service", "item": "a" }],
    });
    let bundle = site.bundle(&Spec { items, wants, ..Spec::small(1, "") }, &[&alice]);
    let out = site.run(&["plan", &bundle]).expect(0).out;
    for line in [
        "replaces existing files",
        "/etc/shadow: mode 0640 → 0644, owner 0:0, 23 → 14 bytes; content not shown: not everyone may read it",
        "/opt/tool: mode 0755 → 0644, owner 0:0, 5 → 18 bytes; content not shown: not text",
        "/etc/motd: mode 0644 → 0600, owner 0:0, 14 → 15 bytes; content not shown",
        "security-relevant",
        "/etc/shadow: accounts and passwords",
        "kernel parameter init=/bin/sh: starts another program in place of systemd",
        "kernel parameter module.sig_enforce=0: ",
        "kernel parameter lockdown=none: ",
        "/etc/alias/sshd_config, which is /etc/ssh/sshd_config: logins over SSH",
        "x.service: a systemd unit from the bundle",
    ] {
        assert!(out.contains(line), "{line:?} is not in\n{out}");
    }
    assert!(!out.contains("secret") && !out.contains('\u{1b}'), "{out}");
    assert!(!out.contains("quiet: ") && !out.contains("/opt/new: "), "{out}");

    let json = site.run(&["plan", "--json", &bundle]).expect(0).json();
    assert_eq!(json["replaces"][0]["path"], "/etc/motd");
    assert_eq!(json["replaces"][0]["was"]["meta"]["mode"], "0644");
    assert_eq!(json["security"].as_array().unwrap().len(), 6, "{json:#}");

    // Text that everyone may read is compared.
    let wants = json!({ "file": [{ "item": "c", "path": "/etc/motd" }] });
    let items = vec![("c", b"one\nzwei\nthree\n".to_vec())];
    let bundle = site.bundle(&Spec { items, wants, ..Spec::small(2, "") }, &[&alice]);
    let out = site.run(&["plan", &bundle]).expect(0).out;
    let diff = ["@@ -1,3 +1,3 @@", " one", "-two", "+zwei", " three"];
    let lines: Vec<_> =
        out.lines().map(|line| line.trim_start_matches(['│', '└', '├', '─'])).collect();
    let at = lines.iter().position(|line| line.contains("@@")).unwrap();
    for (line, expected) in lines[at..].iter().zip(diff) {
        assert!(line.ends_with(expected), "{expected:?} is not in\n{out}");
    }
}
