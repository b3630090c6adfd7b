use std::fs;

use super::Scene;
use crate::archive::Repository;
use crate::bundler::sandbox::bytes;

const ALL: [&str; 4] = [
    "apt/test/lib_1.0_amd64.deb",
    "apt/test/tool_1%3a2.0-1_amd64.deb",
    "apt/test/test_InRelease",
    "catalog.sqlite",
];

#[test]
fn what_a_package_needs_comes_along_and_stays_pinned() {
    let Some(Scene { sandbox, mut repo }) = Scene::new() else { return };
    let said = sandbox.ok(&["lock"]).err;
    assert!(said.contains("+ 2 packages: lib 1.0, tool 1:2.0-1"), "{said}");
    assert!(said.contains(&format!("signed by {}", signing_key(&said))), "{said}");
    assert!(said.contains("assumes that nodes have base 1.0+deb12u1"), "{said}");
    let lock = sandbox.read("bundle.lock");
    let scene = Scene { sandbox, repo };
    assert_eq!(scene.items(), ALL);
    let Scene { sandbox, repo: kept } = scene;
    repo = kept;

    // The archive publishes a new version; the lock keeps the old one until `update`.
    repo.add("lib", "1.1", "");
    repo.remove("lib", "1.0");
    repo.publish();
    assert!(sandbox.ok(&["lock"]).err.contains("is up to date"));
    sandbox.ok(&["lock", "--offline"]);
    assert_eq!(sandbox.read("bundle.lock"), lock);
    sandbox.ok(&["build"]);
    sandbox.ok(&["extract", "apt-1.vgpu.tar", "-o", "x"]);
    for (item, file) in [(ALL[0], "lib_1.0_amd64.deb"), (ALL[1], "tool_1%3a2.0-1_amd64.deb")] {
        assert_eq!(
            bytes(sandbox.work("x").join(item)),
            bytes(sandbox.work("repo/pool").join(file))
        );
    }

    let said = sandbox.ok(&["update", "apt"]).err;
    assert!(said.contains("~ 1 package newer: lib 1.0 → 1.1"), "{said}");
    assert!(!said.contains("+ apt/test/lib"), "{said}");
    assert!(said.contains("wrote `bundle.lock`: apt 2"), "{said}");
    assert!(sandbox.ok(&["update", "apt/test"]).err.contains("is up to date"));
    assert!(sandbox.fails(1, &["update", "apt/other"]).contains("no item `apt/other`"));
}

/// Returns the key fingerprint in the output of `lock`.
fn signing_key(said: &str) -> &str {
    let (_, rest) = said.split_once("signed by ").unwrap();
    let key = rest.lines().next().unwrap();
    assert_eq!(key.len(), 40, "{key}");
    key
}

#[test]
fn what_vouches_for_an_archive_is_kept_by_the_lock() {
    let Some(Scene { sandbox, mut repo }) = Scene::new() else { return };
    sandbox.ok(&["lock"]);
    let before = bytes(sandbox.work("repo/dists/test/InRelease"));
    // A day later, and on another machine.
    repo.add("other", "1", "");
    repo.publish();
    fs::remove_dir_all(sandbox.path("home/.cache")).unwrap();
    sandbox.ok(&["build"]);
    sandbox.ok(&["extract", "apt-1.vgpu.tar", "apt/test/test_InRelease", "-o", "x"]);
    assert_eq!(bytes(sandbox.work("x/apt/test/test_InRelease")), before);
    // Content pinned by the lock is checked like any other.
    let lock = sandbox.read("bundle.lock");
    let (head, rest) = lock.split_once("kept = \"").unwrap();
    let (kept, tail) = rest.split_once('"').unwrap();
    fs::remove_dir_all(sandbox.path("home/.cache")).unwrap();
    sandbox
        .write("bundle.lock", &format!("{head}kept = \"{}\"{tail}", &kept[..kept.len() / 8 * 4]));
    let error = sandbox.fails(1, &["build"]);
    assert!(error.contains("the lock is damaged") || error.contains("SHA-256"), "{error}");
}

#[test]
fn the_same_is_found_again_without_the_network_when_more_is_asked() {
    let Some(mut scene) = Scene::new() else { return };
    scene.repo.add("more", "3", "");
    scene.repo.publish();
    let shelf = crate::shelf::Shelf::new(&scene.sandbox.work("repo"));
    scene.recipe_from(&format!("'{}'", shelf.url()), "");
    scene.sandbox.ok(&["lock"]);
    let seen = shelf.seen().len();
    let recipe = scene.sandbox.read("bundle.toml").replace("['tool']", "['tool', 'more']");
    scene.sandbox.write("bundle.toml", &recipe);
    let said = scene.sandbox.ok(&["lock", "--offline"]).err;
    assert!(
        said.contains("the release of the last lock") && said.contains("+ 1 package: more 3"),
        "{said}"
    );
    assert_eq!(shelf.seen().len(), seen);
    assert!(scene.sandbox.fails(1, &["build", "--offline"]).contains("`--offline`"));
    scene.sandbox.ok(&["build"]);
}

#[test]
fn whole_indexes_ride_along_if_they_are_wanted() {
    let Some(scene) = Scene::new() else { return };
    scene.recipe("carry-index = true");
    let sandbox = &scene.sandbox;
    sandbox.ok(&["build"]);
    let index = "apt/test/test_main_Packages.gz";
    assert_eq!(scene.items()[3], index);
    sandbox.ok(&["extract", "apt-1.vgpu.tar", index, "-o", "x"]);
    assert_eq!(bytes(sandbox.work("x").join(index)), bytes(scene.repo.index("Packages.gz")));

    let upstream = ["verify", "apt-1.vgpu.tar", "--upstream", "--keyring"];
    let with = |keyring| [&upstream[..], &[keyring]].concat();
    let said = sandbox.ok(&with("keys.gpg")).err;
    assert!(said.contains("covers 2 packages"), "{said}");
    let stranger = Repository::new(sandbox.work("other"), "test");
    stranger.write_key(&sandbox.work("other.gpg"));
    assert!(sandbox.fails(1, &with("other.gpg")).contains("has no key"));
    assert!(sandbox.fails_to_parse(&upstream[..3]).contains("--keyring"));
    scene.recipe("");
    sandbox.ok(&["lock"]);
    sandbox.ok(&["build"]);
    let without = ["verify", "apt-2.vgpu.tar", "--upstream", "--keyring", "keys.gpg"];
    assert!(sandbox.fails(1, &without).contains("without `carry-index`"));
}

#[test]
fn a_bundle_with_something_else_than_the_archive_has_breaks_the_chain() {
    let Some(scene) = Scene::new() else { return };
    scene.recipe("carry-index = true");
    let sandbox = &scene.sandbox;
    sandbox.ok(&["lock"]);
    // The signer of the bundle has replaced the archive's package with another.
    let lock = sandbox.read("bundle.lock");
    for (old, new, word) in [
        (
            "Depends = \"lib (>= 1), base",
            "Depends = \"lib (>= 0), base",
            "the package `apt/test/tool",
        ),
        ("version = \"1.0\"", "version = \"1.1\"", "the package `apt/test/lib"),
    ] {
        assert!(lock.contains(old), "{lock}");
        sandbox.write("bundle.lock", &lock.replacen(old, new, 1));
        sandbox.ok(&["build"]);
        let words = ["verify", "apt-1.vgpu.tar", "--upstream", "--keyring", "keys.gpg"];
        let error = sandbox.fails(3, &words);
        assert!(error.contains("no index of the archive") && error.contains(word), "{error}");
        fs::remove_file(sandbox.work("apt-1.vgpu.tar")).unwrap();
    }
}

#[test]
fn what_cannot_be_installed_says_which_requirement_fails() {
    let Some(mut scene) = Scene::new() else { return };
    scene.repo.add("tool", "1:2.0-1", "Depends: lib (>= 2)\n");
    scene.repo.publish();
    let error = scene.sandbox.fails(4, &["lock"]);
    assert!(error.contains("lib (>= 2)"), "{error}");
    scene.repo.add("tool", "1:2.0-1", "Depends: nothing\n");
    scene.repo.publish();
    assert!(scene.sandbox.fails(4, &["lock"]).contains("nothing"));
    assert!(!scene.sandbox.work("bundle.lock").exists());
}

#[test]
fn headers_are_looked_into_although_they_are_only_pinned() {
    let Some(mut scene) = Scene::new() else { return };
    let deb = fs::read(scene.repo.root.join("pool/lib_1.0_amd64.deb")).unwrap();
    scene.repo.add_file("linux-headers-6.1", "1", "", deb);
    scene.repo.add("tool", "1:2.0-1", "Depends: linux-headers-6.1\n");
    scene.repo.publish();
    let error = scene.sandbox.fails(1, &["lock"]);
    assert!(error.contains("cannot inspect the package `apt/test/linux-headers-6.1_1_amd64.deb`"));
}
