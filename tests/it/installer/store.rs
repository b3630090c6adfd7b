//! Retention of items in the store.

use std::fs;

use crate::installer::fixture::{Site, Spec, key};

fn names(site: &Site, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(site.path(&format!("root/var/lib/vgpu-offline/{folder}"))).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn manifests(site: &Site) -> usize {
    names(site, "").iter().filter(|name| name.starts_with("manifest-")).count()
}

#[test]
fn what_nothing_needs_goes_and_what_an_undo_needs_stays() {
    let (site, alice) = (Site::new(), key(1));
    site.run(&["store", "gc"]).expect(0).says(&["no bundle was applied here"]);
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = |sequence, text: &str| {
        let name = format!("stick/{sequence}.tar");
        site.bundle_at(&name, &Spec::small(sequence, text), &[&alice], None)
    };
    let full = site.bundle(&Spec::full(1), &[&alice]);
    site.run(&["apply", "--yes", &full]).expect(10);
    let before = names(&site, "store");
    assert!(site.run(&["store", "gc"]).expect(0).out.contains("freed 0 B"));
    assert_eq!((names(&site, "store"), manifests(&site)), (before.clone(), 1));

    // Two more bundles, the first of which is replaced: the previous state is that of the first.
    let [two, three] = [bundle(2, "two"), bundle(3, "three")];
    for bundle in [&two, &three] {
        site.run(&["apply", "--yes", bundle]).expect(0);
        site.run(&["revert", "--yes"]).expect(0);
    }
    let dry = site.run(&["store", "gc", "--dry-run"]).expect(0).out;
    assert!(dry.contains("items: sha256-") && dry.contains("manifests: manifest-"), "{dry}");
    assert!(dry.contains("would free"), "{dry}");
    assert_eq!(names(&site, "store").len(), before.len() + 2, "nothing has gone");
    site.run(&["store", "gc"]).expect(0);
    // The third is the last confirmed bundle, so it is retained together with the first, which is
    // applied.
    assert_eq!((names(&site, "store").len(), manifests(&site)), (before.len() + 1, 2));
    site.run(&["apply", "--yes", &three]).expect(0).says(&["staged 0 items"]);
    site.run(&["revert", "--yes"]).expect(0);

    // The files that the first bundle replaced are retained while it can be reverted, and no
    // longer.
    assert!(!names(&site, "undo").is_empty());
    site.run(&["revert", "--yes"]).expect(0);
    assert!(site.run(&["store", "gc"]).expect(0).out.contains("replaced files: "));
    assert!(names(&site, "undo").is_empty());
    assert_eq!((names(&site, "store").len(), manifests(&site)), (1, 1));

    site.run(&["store", "add", &full]).expect(0).says(&["staged 5 items"]);
    assert!(names(&site, "store").len() >= before.len());
    site.run(&["store", "add", "/nowhere"]).expect(1);
    assert!(site.run(&["status"]).expect(0).out.contains("nothing is installed"));
}

#[test]
fn nothing_is_pruned_while_another_process_works() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(&Spec::small(1, "x"), &[&alice]);
    site.run(&["apply", "--yes", &bundle]).expect(0);
    let lock = fs::File::open(site.path("root/var/lib/vgpu-offline/lock")).unwrap();
    lock.lock().unwrap();
    site.run(&["store", "gc"]).expect(1).says(&["another vgpu-installer"]);
}
