//! Damage to the installer's own state, and the ways out that `repair` names.
//!
//! The matrix of files, kinds of damage and stages is next to the command
//! (`installer/src/cli/commands/repair/tests/`); this is the operator's view of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use camino::Utf8PathBuf;

use crate::installer::fixture::{Site, Spec, key};
use crate::installer::tree::tree;

const STATE: &str = "root/var/lib/vgpu-offline";

fn ready(spec: &Spec) -> (Site, String) {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(spec, &[&alice]);
    (site, bundle)
}

fn own(site: &Site, name: &str) -> Utf8PathBuf {
    site.path(&format!("{STATE}/{name}"))
}

#[test]
fn a_lost_journal_is_not_taken_for_an_untouched_host() {
    let (site, bundle) = ready(&Spec::full(1));
    let before = tree(&site.root());
    site.run(&["apply", "--yes", &bundle]).expect(10);
    let journal = own(&site, "journal.db");
    let whole = fs::read(&journal).unwrap();
    let mut flipped = whole.clone();
    let text = b"/opt/vgpu/bin/tool";
    let at = flipped.windows(text.len()).rposition(|it| it == text).unwrap();
    flipped[at + 1] ^= 1;
    for damaged in [None, Some(Vec::new()), Some(whole[..5000].to_vec()), Some(flipped)] {
        match &damaged {
            None => fs::remove_file(&journal).unwrap(),
            Some(bytes) => fs::write(&journal, bytes).unwrap(),
        }
        let ran = site.run(&["status"]).expect(1).says(&["journal", "vgpu-installer repair"]);
        assert!(!ran.out.contains("nothing is installed"), "{ran:?}");
        if damaged.as_ref().is_none_or(Vec::is_empty) {
            let known = ["/etc/modprobe.d/vgpu-offline.conf", "/opt/vgpu/bin/tool"];
            site.run(&["status"]).expect(1).says(&known).says(&["saved cop"]);
        }
        let json = site.run(&["status", "--json"]).expect(1).json();
        assert_eq!(
            (&json["state"], &json["damage"][0]["part"]),
            (&"damaged".into(), &"journal".into())
        );
        for command in
            [&["revert", "--yes"][..], &["forget", "--yes"], &["apply", "--yes", &bundle]]
        {
            site.run(command).expect(1).says(&["vgpu-installer repair"]);
        }
        let shown = site.run(&["repair"]).expect(1).out;
        assert!(shown.contains("run: vgpu-installer repair --heal"), "{shown}");
        assert!(shown.contains("lost if given up: "), "{shown}");
        site.run(&["repair", "--heal"]).expect(2).says(&["--yes"]);
        let healed = site.run(&["repair", "--heal", "--yes"]).expect(0);
        assert!(healed.out.contains("nothing is damaged"), "{healed:?}");
        assert!(site.run(&["status"]).expect(0).out.contains("everything is in sync"));
    }
    site.run(&["revert", "--yes"]).expect(0);
    assert_eq!(tree(&site.root()), before);
    site.run(&["forget", "--yes"]).expect(0);
    assert!(!site.path(STATE).exists());
}

#[test]
fn a_journal_that_is_given_up_leaves_a_list_and_its_copies() {
    let (site, bundle) = ready(&Spec::full(1));
    site.run(&["apply", "--yes", &bundle]).expect(10);
    for name in ["journal.db", "journal.copy.db"] {
        fs::write(own(&site, name), "noise").unwrap();
    }
    let give_up = ["repair", "--give-up", "/var/lib/vgpu-offline/journal.db"];
    site.run(&["repair", "--heal", "--yes"]).expect(1).says(&["cannot rebuild the journal"]);
    site.run(&give_up).expect(2).says(&["lost: ", "/opt/vgpu/bin/tool"]);
    site.run(&[&give_up[..], &["--yes"]].concat()).expect(0).says(&["a new journal was started"]);
    let status = site.run(&["status"]).expect(0).out;
    assert!(status.contains("/opt/vgpu/bin/tool: not restored, because the journal"), "{status}");
    site.run(&["store", "gc"]).expect(0).says(&["their journal was given up"]);
    site.run(&["forget", "--yes"]).expect(1).says(&["may be the only ones", "--discard-copies"]);
    site.run(&["forget", "--discard-copies", "--yes"]).expect(0);
    assert!(!site.path(STATE).exists());
}

#[test]
fn a_lost_copy_is_named_and_given_up() {
    let (site, bundle) = ready(&Spec::full(1));
    let before = tree(&site.root());
    site.run(&["apply", "--yes", &bundle]).expect(10);
    let applied = tree(&site.root());
    for entry in fs::read_dir(own(&site, "undo")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let says = ["/usr/local/sbin/other: ", "undo/sha256-", "is missing", "vgpu-installer repair"];
    site.run(&["revert", "--yes"]).expect(1).says(&says);
    assert_eq!(tree(&site.root()), applied);
    assert!(site.run(&["status"]).expect(1).out.contains("next: vgpu-installer repair"));
    let give_up = ["repair", "--yes", "--give-up", "/usr/local/sbin/other"];
    site.run(&["repair", "--yes", "--give-up", "/etc/passwd"])
        .expect(2)
        .says(&["nothing is lost at"]);
    site.run(&give_up).expect(0).says(&["lost: the previous file: mode 0644"]);
    site.run(&["revert", "--yes"]).expect(0).says(&["kept: /usr/local/sbin/other: given up"]);
    let differ: Vec<_> = tree(&site.root())
        .into_iter()
        .filter(|(path, entry)| before.get(path) != Some(entry))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(differ, ["usr/local/sbin/other"]);
    assert!(site.run(&["status"]).expect(0).out.contains("kept by the last revert"));
}

#[test]
fn a_damaged_item_is_healed_by_a_good_medium() {
    let (site, bundle) = ready(&Spec::small(1, "the note"));
    site.run(&["store", "add", &bundle]).expect(0).says(&["staged 1 items"]);
    site.run(&["store", "add", &bundle]).expect(0).says(&["staged 0 items"]);
    let item = fs::read_dir(own(&site, "store")).unwrap().map(|it| it.unwrap().path());
    let item = item.into_iter().find(|it| fs::metadata(it).unwrap().len() == 8).unwrap();
    for heal in [&["store", "add", &bundle][..], &["repair", "--heal", "--yes"]] {
        fs::write(&item, "the nose").unwrap();
        site.run(&["apply", "--yes", &bundle])
            .expect(1)
            .says(&["the bytes of /var/lib/vgpu-offline/store/sha256-", "vgpu-installer repair"]);
        site.run(&["revert", "--yes"]).expect(0);
        let shown = site.run(&["repair"]).expect(1).out;
        assert!(shown.contains("its digest does not match"), "{shown}");
        assert!(shown.contains(" or: vgpu-installer store add BUNDLE"), "{shown}");
        site.run(heal).expect(0);
        site.run(&["repair"]).expect(0);
        site.run(&["apply", "--yes", &bundle]).expect(0);
        site.run(&["revert", "--yes"]).expect(0);
    }
}

#[test]
fn records_for_people_and_foreign_names_block_nothing() {
    let (site, bundle) = ready(&Spec::full(1));
    let before = tree(&site.root());
    let odd = own(&site, "x").with_file_name("").into_std_path_buf();
    fs::write(odd.join(OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    site.run(&["apply", "--yes", &bundle]).expect(10);
    let noise = |path: &Utf8PathBuf| fs::write(path, "\u{7f}noise").unwrap();
    let folder = |path: &Utf8PathBuf| fs::create_dir(path).unwrap();
    let fifo = |path: &Utf8PathBuf| {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let mut damages: Vec<fn(&Utf8PathBuf)> = vec![noise, folder];
    damages.extend(vgpu_tests::skip::have("mkfifo").then_some(fifo as fn(&Utf8PathBuf)));
    for damage in damages {
        for name in ["bundles.json", "guard.json", "seen.json", "trust.log", "floors.json"] {
            let path = own(&site, name);
            if path.is_dir() {
                fs::remove_dir(&path).unwrap();
            } else {
                let _ = fs::remove_file(&path);
            }
            damage(&path);
        }
        assert!(site.run(&["status"]).expect(0).out.contains("damaged, harmless"));
        site.run(&["trust", "list"]).expect(0);
        site.run(&["verify", &bundle]).expect(0);
        site.run(&["report", "--json"]).expect(0);
        site.run(&["revert", "--yes"]).expect(0);
        assert_eq!(tree(&site.root()), before);
        site.run(&["apply", "--yes", &bundle]).expect(10);
        site.run(&["trust", "set-floor", "stable", "1"]).expect(0);
        let json = site.run(&["repair", "--json"]).json();
        assert_eq!(json["ignored-names"], 1, "{json:#}");
        site.run(&["repair", "--heal", "--yes"]).expect(0);
    }
    site.run(&["revert", "--yes"]).expect(0);
    site.run(&["forget", "--yes"]).expect(0);
    assert!(!site.path(STATE).exists());
}

#[test]
fn a_damaged_policy_is_set_aside_and_made_anew() {
    let (site, bundle) = ready(&Spec::small(1, "one"));
    let policy = site.path("root/etc/vgpu-offline/policy.toml");
    let path = "/etc/vgpu-offline/policy.toml";
    fs::write(&policy, "noise").unwrap();
    site.run(&["verify", &bundle]).expect(3);
    site.trust(&key(2), "bob", &[]).expect(3);
    assert!(site.run(&["repair"]).expect(1).out.contains("revocations"));
    site.run(&["repair", "--yes", "--give-up", path]).expect(0).says(&["policy.toml.damaged"]);
    assert_eq!(fs::read(policy.with_extension("toml.damaged")).unwrap(), b"noise");
    site.run(&["verify", &bundle]).expect(3);
    site.trust(&key(1), "alice", &[]).expect(0);
    site.run(&["verify", &bundle]).expect(0);
}

#[test]
fn a_damaged_floors_file_accepts_no_older_bundle() {
    let (site, bundle) = ready(&Spec::small(5, "five"));
    site.run(&["apply", "--yes", &bundle]).expect(0);
    let older = site.bundle(&Spec::small(4, "four"), &[&key(1)]);
    let floors = own(&site, "floors.json");
    let lowered = fs::read_to_string(&floors).unwrap().replace('5', "1");
    for text in ["", "{", "{}", &lowered] {
        fs::write(&floors, text).unwrap();
        site.run(&["plan", &older]).expect(3).says(&["sequence 4", "only from 5"]);
    }
    fs::remove_file(&floors).unwrap();
    site.run(&["plan", &older]).expect(3);
    fs::write(&floors, "{").unwrap();
    fs::write(own(&site, "floors.copy.json"), "{").unwrap();
    site.run(&["plan", &older]).expect(1).says(&["the floors of this host are lost", "repair"]);
    let give_up = ["repair", "--yes", "--give-up", "/var/lib/vgpu-offline/floors.json"];
    site.run(&give_up).expect(0).says(&["stable is accepted from sequence 5"]);
    site.run(&["plan", &older]).expect(3);
}
