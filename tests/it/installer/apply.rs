use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::installer::fixture::{Site, Spec, key};
use crate::installer::tree::tree;

/// Returns a host that trusts Alice, and a bundle signed by her.
fn ready(spec: &Spec) -> (Site, String) {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(spec, &[&alice]);
    (site, bundle)
}

fn list(site: &Site, name: &str) -> Vec<String> {
    let entries = fs::read_dir(site.path(name)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_host_is_changed_shown_and_brought_back_exactly() {
    let (site, bundle) = ready(&Spec::full(1));
    let other = site.path("root/usr/local/sbin/other");
    fs::set_permissions(other, fs::Permissions::from_mode(0o750)).unwrap();
    let before = tree(&site.root());

    let plan = site.run(&["plan", &bundle]).expect(0).out;
    assert!(
        plan.contains("/opt/vgpu/large") && plan.contains("reboot to activate all changes"),
        "{plan}"
    );
    let explained = site.run(&["plan", "--explain", &bundle]).expect(0).out;
    assert!(explained.contains("changed  /usr/local/sbin/other"), "{explained}");
    let json = site.run(&["plan", "--json", &bundle]).expect(0).json();
    assert_eq!(json["before-reboot"].as_array().unwrap().len(), 9, "{json:#}");
    assert_eq!(json["needs-reboot"], true);
    assert_eq!(tree(&site.root()), before, "a plan changes nothing");

    site.run(&["apply", &bundle]).expect(2).says(&["--yes"]);
    assert_eq!(tree(&site.root()), before, "without a yes nothing happens");
    site.run(&["apply", "--yes", &bundle])
        .expect(10)
        .says(&["staged 5 items", "reboot to activate"]);
    let read = |path: &str| fs::read_to_string(site.path("root").join(path)).unwrap();
    assert_eq!(read("opt/vgpu/bin/tool"), "#!/bin/sh\nexit 0\n");
    assert!(read("etc/default/grub.d/vgpu-offline.cfg").contains("intel_iommu=on"));
    assert!(site.path("root/usr/local/sbin/vgpu-installer").exists());
    let recorded = read("var/lib/vgpu-offline/commands.log");
    assert!(recorded.contains("update-grub") && recorded.contains("update-initramfs"));
    assert!(!list(&site, "root/var/lib/vgpu-offline/store").iter().any(|n| n.ends_with("partial")));

    let status = site.run(&["status"]).expect(0).out;
    assert!(status.contains("everything is in sync") && !status.contains("drifted"), "{status}");
    site.run(&["apply", "--yes", &bundle]).expect(0).says(&["nothing to do", "staged 0 items"]);

    fs::write(site.path("root/opt/vgpu/bin/tool"), "edited by hand").unwrap();
    let status = site.run(&["status", "--json"]).expect(5).json();
    assert_eq!(status["state"], "drifted");
    site.run(&["revert"]).expect(2).says(&["--yes"]);
    site.run(&["revert", "--yes"]).expect(0).says(&["kept:", "/opt/vgpu/bin/tool"]);
    fs::remove_dir_all(site.path("root/opt")).unwrap();
    assert_eq!(tree(&site.root()), before);
    site.run(&["revert", "--yes"]).expect(0).says(&["nothing to revert"]);
    assert!(site.run(&["status"]).expect(0).out.contains("nothing is installed"));
}

#[test]
fn what_is_forgotten_is_named_and_gone() {
    let (site, bundle) = ready(&Spec::small(1, "x"));
    let before = tree(&site.root());
    site.run(&["apply", "--yes", &bundle]).expect(0);
    site.run(&["forget", "--yes"]).expect(1).says(&["revert"]);
    site.run(&["revert", "--yes"]).expect(0);
    site.run(&["forget"]).expect(2).says(&["the trust policy", "--yes"]);
    site.run(&["forget", "--yes"]).expect(0).says(&["forgotten"]);
    assert_eq!(tree(&site.root()), before);
    assert!(!site.path("root/etc/vgpu-offline").exists());
    assert!(!site.path("root/var/lib/vgpu-offline").exists());
    site.run(&["verify", &bundle]).expect(3).says(&["trusts no keys"]);
    site.run(&["forget", "--yes"]).expect(0).says(&["nothing to forget"]);
}

#[test]
fn a_bundle_must_be_of_a_channel_and_from_the_floor_on() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = |sequence, text| {
        let spec = Spec::small(sequence, text);
        site.bundle_at(&format!("stick/{sequence}-{text}.tar"), &spec, &[&alice], None)
    };
    let edge = Spec { channel: "edge", ..Spec::small(1, "x") };
    let edge = site.bundle(&edge, &[&alice]);
    site.run(&["verify", &edge]).expect(0).says(&["note:", "`edge`"]);
    site.run(&["plan", &edge]).expect(3).says(&["channel `edge`", "`stable`"]);
    site.run(&["apply", "--yes", &edge]).expect(3);

    let [two, other, three, five] =
        [bundle(2, "two"), bundle(3, "other"), bundle(3, "three"), bundle(5, "five")];
    site.run(&["verify", &five]).expect(0);
    site.run(&["apply", "--yes", &three]).expect(0);
    site.run(&["apply", "--yes", &two]).expect(3).says(&["sequence 2", "only from 3"]);
    site.run(&["apply", "--yes", &other]).expect(3).says(&["was confirmed on this host"]);
    assert_eq!(fs::read_to_string(site.path("root/etc/vgpu-note")).unwrap(), "three");
    site.run(&["apply", "--yes", &five]).expect(0);
    site.run(&["apply", "--yes", &three]).expect(0);
    assert_eq!(fs::read_to_string(site.path("root/etc/vgpu-note")).unwrap(), "three");

    site.run(&["trust", "set-floor", "stable", "5"]).expect(0).says(&["from sequence 5"]);
    site.run(&["apply", "--yes", &three]).expect(3);
    site.run(&["trust", "set-floor", "stable", "1"]).expect(0);
    site.run(&["apply", "--yes", &two]).expect(0);
    site.run(&["trust", "set-floor", "elsewhere", "1"]).expect(2);

    site.run(&["revert", "--all", "--yes"]).expect(0);
    assert!(!site.path("root/etc/vgpu-note").exists());
    site.run(&["trust", "list"]).expect(0);
}

#[test]
fn damage_found_while_staging_changes_nothing() {
    let (site, bundle) = ready(&Spec::full(1));
    let before = tree(&site.root());
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    site.run(&["apply", "--yes", &bundle]).expect(3).says(&["files/large", "damaged"]);
    assert_eq!(tree(&site.root()), before);
    let store = list(&site, "root/var/lib/vgpu-offline/store");
    assert!(!store.iter().any(|name| name.ends_with("partial")), "{store:?}");
    assert!(store.iter().all(|name| name.starts_with("sha256-")), "the large item is damaged");
    assert!(site.run(&["status"]).expect(0).out.contains("nothing is installed"));
}

#[test]
fn two_runs_never_overlap() {
    let (site, bundle) = ready(&Spec::small(1, "x"));
    site.run(&["apply", "--yes", &bundle]).expect(0);
    let lock = fs::File::open(site.path("root/var/lib/vgpu-offline/lock")).unwrap();
    lock.lock().unwrap();
    site.run(&["apply", "--yes", &bundle]).expect(1).says(&["another vgpu-installer"]);
    site.run(&["revert", "--yes"]).expect(1).says(&["another vgpu-installer"]);
    site.run(&["trust", "set-floor", "stable", "9"]).expect(1);
    // dpkg's hooks run it in the middle of an apply, where it must not make a package fail.
    site.run(&["guard"]).expect(0).says(&["another vgpu-installer"]);
    drop(lock);
    site.run(&["guard"]).expect(0);
    site.run(&["revert", "--yes"]).expect(0);
}

#[test]
fn an_item_in_the_store_is_not_read_from_the_medium_again() {
    let (site, bundle) = ready(&Spec::full(1));
    site.run(&["apply", "--yes", &bundle]).expect(10);
    site.run(&["revert", "--yes"]).expect(0);
    let mut bytes = fs::read(&bundle).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    site.run(&["verify", &bundle]).expect(3);
    site.run(&["apply", "--yes", &bundle]).expect(10).says(&["staged 0 items"]);
}

#[test]
fn a_file_that_would_not_fit_is_refused_before_anything_is_written() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(&Spec::full(1), &[&alice]);
    let root = site.root();
    let mounted = std::process::Command::new("mount")
        .args([
            "-t",
            "tmpfs",
            "-o",
            "size=4m,mode=0700",
            "tmpfs",
            root.join("var/lib/vgpu-offline").as_str(),
        ])
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs the right to mount a tmpfs");
        eprintln!("skipped: needs the right to mount a tmpfs");
        return;
    }
    let before = tree(&root);
    let ran = site.run(&["apply", "--yes", &bundle]);
    let staged = list(&site, "root/var/lib/vgpu-offline");
    let umount =
        std::process::Command::new("umount").arg(root.join("var/lib/vgpu-offline")).status();
    assert!(umount.unwrap().success());
    ran.expect(4).says(&["/var/lib/vgpu-offline", "are needed there", "free some space"]);
    assert!(staged.is_empty(), "{staged:?}");
    assert_eq!(tree(&root), before);
}

#[test]
fn a_bundle_that_does_not_suit_the_host_is_refused() {
    let (site, bundle) = ready(&Spec::full(1));
    fs::write(site.path("root/proc/cpuinfo"), "vendor_id\t: CentaurHauls\n").unwrap();
    site.run(&["plan", &bundle]).expect(4).says(&["neither from Intel nor from AMD"]);
    site.run(&["apply", "--yes", &bundle]).expect(4);
}

#[test]
fn an_interrupted_apply_goes_on_without_the_medium() {
    let (site, bundle) = ready(&Spec::full(1));
    let before = tree(&site.root());
    site.run(&["apply"]).expect(2).says(&["name a bundle"]);
    // The commands that regenerate derived files cannot be recorded, so they fail.
    let log = site.path("root/var/lib/vgpu-offline/commands.log");
    fs::create_dir_all(&log).unwrap();
    site.run(&["apply", "--yes", &bundle]).expect(1).says(&["commands.log", "hint:", "revert"]);
    assert_eq!(site.run(&["status", "--json"]).expect(1).json()["state"], "failed");
    let other = site.bundle(&Spec::small(2, "x"), &[&key(1)]);
    let refused = site.run(&["apply", "--yes", &other]).expect(1).says(&["is interrupted"]).err;
    assert!(!refused.contains("├──"), "no plan is shown: {refused}");
    site.run(&["plan", &other]).expect(1).says(&["is interrupted"]);
    site.run(&["forget", "--yes"]).expect(1);
    fs::remove_dir(log).unwrap();
    fs::remove_file(&bundle).unwrap();
    site.run(&["apply"]).expect(10);
    site.run(&["status"]).expect(0);
    site.run(&["revert", "--yes"]).expect(0);
    assert_eq!(tree(&site.root()), before);
}

#[test]
fn what_is_in_the_way_is_found_before_anything_is_changed() {
    let (site, bundle) = ready(&Spec::full(1));
    fs::create_dir_all(site.path("root/etc/default/grub.d/vgpu-offline.cfg")).unwrap();
    let before = tree(&site.root());
    site.run(&["apply", "--yes", &bundle]).expect(1).says(&["is a directory", "move it away"]);
    assert_eq!(tree(&site.root()), before);
    assert!(site.run(&["status"]).expect(0).out.contains("nothing is installed"));
}
