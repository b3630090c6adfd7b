use std::fs;
use std::time::{Duration, SystemTime};

use super::Scene;
use crate::archive::{Repository, rfc2822};
use crate::bundler::sandbox::Ran;
use crate::gpg::Form;

/// Checks that locking fails with this exit status and locks nothing.
fn refused(scene: &Scene, code: i32) -> String {
    let error = scene.sandbox.fails(code, &["lock"]);
    assert!(!scene.sandbox.work("bundle.lock").exists());
    error
}

fn in_release(scene: &Scene) -> std::path::PathBuf {
    scene.sandbox.work("repo/dists/test/InRelease")
}

#[test]
fn a_release_with_another_byte_is_not_trusted() {
    let Some(scene) = Scene::new() else { return };
    let path = in_release(&scene);
    let good = fs::read_to_string(&path).unwrap();
    for (old, new) in
        [("Origin: Test", "Origin: Tent"), ("main/binary-amd64/Packages\n", "main/x\n")]
    {
        assert!(good.contains(old));
        fs::write(&path, good.replacen(old, new, 1)).unwrap();
        let error = refused(&scene, 3);
        assert!(error.contains("its InRelease is not trusted"), "{error}");
        assert!(error.contains("is bad"), "{error}");
    }
}

#[test]
fn without_a_verifier_nothing_is_locked_and_the_hint_names_it() {
    let Some(scene) = Scene::new() else { return };
    let mut command = scene.sandbox.bundler(&["lock"]);
    let output = command.env("PATH", scene.sandbox.path("home")).output().unwrap();
    let error = Ran::from(output).expect(1, &["lock"]).err;
    assert!(error.contains("neither `gpgv` nor `sqv` is installed"), "{error}");
    assert!(error.contains("hint: install `gpgv` or `sqv`"), "{error}");
    assert!(!scene.sandbox.work("bundle.lock").exists());
    let mut command = scene.sandbox.bundler(&["doctor"]);
    let output = command.env("PATH", scene.sandbox.path("home")).output().unwrap();
    let error = Ran::from(output).expect(1, &["doctor"]).err;
    assert!(error.contains("this machine lacks: gpgv"), "{error}");
}

#[test]
fn text_around_the_signed_one_is_refused() {
    let Some(scene) = Scene::new() else { return };
    let path = in_release(&scene);
    let good = fs::read_to_string(&path).unwrap();
    for (bad, word) in [
        (format!("Origin: evil\n{good}"), "does not begin with"),
        (format!("{good}Origin: evil\n"), "text follows its signature"),
        (format!("{good}{good}"), "text follows its signature"),
        ("<html>\n".to_owned(), "does not begin with"),
    ] {
        fs::write(&path, bad).unwrap();
        let error = refused(&scene, 3);
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn only_pinned_keys_and_strong_hashes_count() {
    let Some(mut scene) = Scene::new() else { return };
    let stranger = Repository::new(scene.sandbox.work("other"), "test");
    let ours = std::mem::replace(&mut scene.repo.signer, stranger.signer);
    scene.repo.publish();
    let error = refused(&scene, 3);
    assert!(error.contains("not pinned or not in the keyring"), "{error}");
    // The key is in the keyring, but not pinned.
    scene.repo.write_key(&scene.sandbox.work("other.gpg"));
    let mut both = fs::read(scene.sandbox.work("keys.gpg")).unwrap();
    both.extend(fs::read(scene.sandbox.work("other.gpg")).unwrap());
    fs::write(scene.sandbox.work("keys.gpg"), both).unwrap();
    assert!(refused(&scene, 3).contains("not pinned"));

    scene.repo.signer = ours;
    for (form, hash) in [(Form::Inline, "SHA1"), (Form::Detached, "RIPEMD160")] {
        (scene.repo.form, scene.repo.hash) = (form, hash);
        scene.repo.publish();
        let error = refused(&scene, 3);
        assert!(error.contains(&format!("{hash}, which is weak")), "{error}");
    }
    // The recipe pins a key that is not in the keyring.
    fs::copy(scene.sandbox.work("other.gpg"), scene.sandbox.work("keys.gpg")).unwrap();
    let error = refused(&scene, 1);
    assert!(error.contains("has no key") && error.contains("it has "), "{error}");
}

#[test]
fn a_detached_signature_serves_where_there_is_no_inline_one() {
    let Some(mut scene) = Scene::new() else { return };
    scene.repo.form = Form::Detached;
    scene.repo.publish();
    scene.sandbox.ok(&["build"]);
    let items = scene.items();
    assert_eq!(items[2..4], ["apt/test/test_Release", "apt/test/test_Release.gpg"]);
    let lock = scene.sandbox.read("bundle.lock");
    assert!(lock.contains("signature = \"apt/test/test_Release.gpg\""));
    fs::remove_file(scene.sandbox.work("bundle.lock")).unwrap();
    let path = scene.sandbox.work("repo/dists/test/Release");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("Test", "Tent")).unwrap();
    assert!(refused(&scene, 3).contains("its Release is not trusted"));
}

#[test]
fn a_release_that_says_that_it_is_too_old_is_not_taken_for_the_newest() {
    let Some(mut scene) = Scene::new() else { return };
    let past = rfc2822(SystemTime::now() - Duration::from_hours(24));
    scene.repo.head = format!("Valid-Until: {past}\n");
    scene.repo.publish();
    let error = refused(&scene, 1);
    assert!(error.contains("was valid until") && error.contains("expired = \"accept\""), "{error}");
    let recipe = scene.sandbox.read("bundle.toml");
    scene.sandbox.write("bundle.toml", &format!("{recipe}expired = 'accept'\n"));
    assert!(scene.sandbox.ok(&["lock"]).err.contains("test: its release was valid until"));
    let Some(mut scene) = Scene::new() else { return };
    let later = rfc2822(SystemTime::now() + Duration::from_hours(24));
    scene.repo.head = format!("Valid-Until: {later}\n");
    scene.repo.publish();
    assert!(!scene.sandbox.ok(&["lock"]).err.contains("was valid until"));
}

#[test]
fn an_older_release_than_the_locked_one_is_told() {
    let Some(scene) = Scene::new() else { return };
    let old = fs::read(in_release(&scene)).unwrap();
    let packages = scene.repo.packages();
    std::thread::sleep(Duration::from_millis(1100));
    scene.repo.publish_index(&packages);
    scene.sandbox.ok(&["lock"]);
    fs::write(in_release(&scene), old).unwrap();
    assert!(scene.sandbox.ok(&["update"]).err.contains("the mirror is older than the locked one"));
}

#[test]
fn a_release_of_something_else_is_refused() {
    let Some(mut scene) = Scene::new() else { return };
    scene.repo.suite = "other";
    scene.repo.publish();
    fs::copy(scene.sandbox.work("repo/dists/other/InRelease"), in_release(&scene)).unwrap();
    let error = refused(&scene, 1);
    assert!(error.contains("it is the release of `other`, expected that of `test`"), "{error}");
}

#[test]
fn an_index_must_be_the_one_that_was_signed() {
    let Some(scene) = Scene::new() else { return };
    let packages = scene.repo.packages();
    for name in ["Packages", "Packages.gz"] {
        fs::write(scene.repo.index(name), packages.replace("lib", "lob")).unwrap();
    }
    // The package is still available by its digest.
    scene.sandbox.ok(&["lock"]);
    let Some(scene) = Scene::new() else { return };
    fs::remove_dir_all(scene.repo.index("by-hash")).unwrap();
    scene.sandbox.ok(&["lock"]);
    let Some(scene) = Scene::new() else { return };
    fs::remove_dir_all(scene.repo.index("by-hash")).unwrap();
    fs::write(scene.repo.index("Packages.gz"), "something else").unwrap();
    assert!(refused(&scene, 1).contains("has another content"));
}

#[test]
fn hostile_stanzas_do_no_harm() {
    let Some(scene) = Scene::new() else { return };
    let good = scene.repo.packages();
    let cases = [
        (good.replace("Filename: pool/lib", "Filename: ../../lib"), 1, "no usable `Filename`"),
        (good.replace("Filename: pool/lib", "Filename: /lib"), 1, "no usable `Filename`"),
        (good.replacen("SHA256: ", "SHA256: x", 2), 1, "no usable `SHA256`"),
        (good.replace("Package: lib\n", "Package: lib\nPackage: lib\n"), 4, "lib"),
        (good.replace("Package: lib\n", "Package: l\u{1b}[2Jib\n"), 4, "lib"),
        (good.replace("Version: 1.0\n", "Version: 1.0; reboot\n"), 4, "lib"),
        (
            format!("Package: x\nArchitecture: all\nX: {}\n\n{good}", "y".repeat(2 << 20)),
            1,
            "more than 1048576",
        ),
        (format!("Version: 1\n\n{good}"), 1, "no `Package`"),
        ("\0".repeat(100), 1, "no `Package`"),
    ];
    for (text, code, word) in cases {
        scene.repo.publish_index(&text);
        let error = refused(&scene, code);
        assert!(error.contains(word), "{word}: {error}");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}
