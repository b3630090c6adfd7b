use super::Scene;

const STATUS: &str = "\
Package: base
Status: install ok installed
Architecture: amd64
Version: 1.0+deb12u1

Package: lib
Status: install ok installed
Architecture: amd64
Version: 1.0
";

#[test]
fn only_what_a_node_lacks_is_carried() {
    let Some(scene) = Scene::new() else { return };
    scene.sandbox.write("status", STATUS);
    scene.recipe("installed = 'status'");
    let said = scene.sandbox.ok(&["lock"]).err;
    assert!(said.contains("+ 1 package: tool 1:2.0-1"), "{said}");
    assert!(!said.contains("assumes"), "{said}");
    // Another node needs another resolution.
    let (base, _) = STATUS.split_once("\n\n").unwrap();
    scene.sandbox.write("status", base);
    assert!(scene.sandbox.ok(&["lock"]).err.contains("+ 1 package: lib 1.0"));
    scene.sandbox.write("status", "nothing\n");
    assert!(scene.sandbox.fails(1, &["lock"]).contains("is not a dpkg status file"));
    scene.recipe("installed = 'nowhere'");
    assert!(scene.sandbox.fails(1, &["lock"]).contains("cannot read the package list `nowhere`"));
    scene.recipe("inventory = 'status'");
    assert!(scene.sandbox.fails(1, &["lock"]).contains("cannot use the inventory `status`"));
}

#[test]
fn upgrades_need_leave_and_are_named() {
    let Some(mut scene) = Scene::new() else { return };
    scene.repo.add("lib", "2.0", "");
    scene.repo.add("tool", "1:2.0-1", "Depends: lib (= 2.0)\n");
    scene.repo.publish();
    scene.sandbox.write("status", STATUS);
    scene.recipe("installed = 'status'");
    let error = scene.sandbox.fails(4, &["lock"]);
    assert!(error.contains("lib (= 2.0)") && error.contains("coupled"), "{error}");

    scene.recipe("installed = 'status'\nupgrades = 'coupled'");
    let said = scene.sandbox.ok(&["lock"]).err;
    assert!(
        said.contains("upgrade: lib 1.0 → 2.0, because tool 1:2.0-1 needs lib (= 2.0)"),
        "{said}"
    );
    // The old version is included so that the upgrade can be reverted.
    let lock = scene.sandbox.read("bundle.lock");
    assert!(lock.contains("reason = \"return\"") && lock.contains("reason = \"upgrade\""));
    assert!(scene.items().contains(&"apt/test/lib_1.0_amd64.deb".to_owned()));
    scene.sandbox.ok(&["build"]);

    scene.repo.remove("lib", "1.0");
    scene.repo.publish();
    let said = scene.sandbox.ok(&["update", "apt"]).err;
    assert!(said.contains("no archive offers the old version any more"), "{said}");
    assert!(!scene.sandbox.read("bundle.lock").contains("reason = \"return\""));
}

#[test]
fn with_leave_to_upgrade_what_every_node_has_rides_along() {
    let Some(scene) = Scene::new() else { return };
    scene.recipe("upgrades = 'coupled'");
    let said = scene.sandbox.ok(&["lock"]).err;
    assert!(said.contains("included for nodes with an older version: base"), "{said}");
    assert!(scene.items().contains(&"apt/test/base_1.0+deb12u1_amd64.deb".to_owned()));
}

#[test]
fn packages_that_no_archive_has_are_named() {
    let Some(scene) = Scene::new() else { return };
    let inventory = include_str!("../../inventory/golden/tesla-t4.json");
    scene.sandbox.write("node.json", inventory);
    scene.recipe("inventory = 'node.json'");
    let said = scene.sandbox.ok(&["lock"]).err;
    let names = "adduser, apt, base-files, bash, coreutils, dpkg, genisoimage";
    assert!(said.contains(&format!("packages that no archive has: {names}")), "{said}");
    assert!(said.contains(" and 11 more; their dependencies are unknown"), "{said}");

    // The dpkg status records the dependencies of each package.
    let own = "\nPackage: own\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n";
    scene.sandbox.write("status", &format!("{STATUS}{own}"));
    scene.recipe("installed = 'status'");
    let said = scene.sandbox.ok(&["lock"]).err;
    assert!(said.contains("packages that no archive has: own\n"), "{said}");
}
