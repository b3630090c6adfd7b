//! Reviewed plans.

use std::fs;

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
