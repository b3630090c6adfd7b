use std::fs;

use vgpu_manifest::PartSize;

use crate::installer::fixture::{Site, Spec, key};

#[test]
fn only_an_intact_bundle_of_trusted_people_is_verified() {
    let (site, [alice, mallory]) = (Site::new(), [key(1), key(2)]);
    let spec = Spec::full(1);
    let good = site.bundle_at("stick/good.tar", &spec, &[&alice], None);
    site.run(&["verify", &good]).expect(3).says(&["trusts no keys yet", "trust add"]);
    site.trust(&alice, "alice", &[]).expect(0);

    for deep in [&[][..], &["--deep"]] {
        let ran = site.run(&[&["verify", &good], deep].concat()).expect(0).says(&["6 items"]);
        assert!(ran.out.contains("test 1 of channel stable, signed by alice"), "{}", ran.out);
    }
    let unsigned = site.bundle_at("stick/unsigned.tar", &spec, &[], None);
    site.run(&["verify", &unsigned]).expect(3).says(&["not signed"]);
    let foreign = site.bundle_at("stick/foreign.tar", &spec, &[&mallory], None);
    site.run(&["verify", &foreign]).expect(3).says(&["not a trusted key"]);

    let bytes = fs::read(&good).unwrap();
    for at in [600, 5000, 6000, bytes.len() - 5000] {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        let bad = site.write("stick/bad.tar", &bad);
        site.run(&["verify", bad.as_str()]).expect(3);
    }
    let cut = site.write("stick/cut.tar", &bytes[..bytes.len() - 512]);
    site.run(&["verify", cut.as_str()]).expect(3).says(&["truncated"]);
    site.run(&["verify", "/nowhere.tar"]).expect(1).says(&["/nowhere.tar"]);
    assert!(!site.path("root/opt").exists());
}

#[test]
fn a_split_bundle_is_verified_by_its_first_part() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    site.bundle_at("stick/b.tar", &Spec::full(1), &[&alice], PartSize::new(4 << 20));
    let first = site.path("stick/b.tar.001");
    site.run(&["verify", first.as_str()]).expect(0);
    fs::remove_file(site.path("stick/b.tar.003")).unwrap();
    site.run(&["verify", first.as_str()]).expect(3).says(&["b.tar.003", "missing"]);
}

#[test]
fn the_contents_are_shown_after_the_signatures_were_checked() {
    let (site, alice) = (Site::new(), key(1));
    site.trust(&alice, "alice", &[]).expect(0);
    let good = site.bundle(&Spec::full(3), &[&alice]);
    let table = site.run(&["inspect", &good]).expect(0).out;
    assert!(table.contains("files/large") && table.contains("8.5 MiB"), "{table}");
    let json = site.run(&["inspect", "--json", &good]).expect(0).json();
    assert_eq!(json["manifest"]["sequence"], 3);
    assert_eq!(json["signed-by"][0], "alice");
    let unsigned = site.bundle_at("stick/u.tar", &Spec::full(3), &[], None);
    assert_eq!(site.run(&["inspect", &unsigned]).expect(3).out, "");
}

#[test]
fn usage_errors_and_help_have_their_exit_status() {
    let site = Site::new();
    site.run(&[]).expect(2);
    site.run(&["frobnicate"]).expect(2);
    site.run(&["verify"]).expect(2);
    assert!(site.run(&["--help"]).expect(0).out.contains("inventory"));
    assert!(site.run(&["--version"]).expect(0).out.starts_with("vgpu-installer "));
}
