use std::fs;
use std::path::Path;

use super::Scene;
use crate::bundler::sandbox::Ran;
use crate::shelf::Shelf;

#[test]
fn mirrors_are_tried_in_their_order() {
    let Some(scene) = Scene::new() else { return };
    let empty = Shelf::new(&scene.sandbox.path("home"));
    let good = Shelf::new(&scene.sandbox.work("repo"));
    let mirrors = format!("['file:/nowhere', '{}', '{}']", empty.url(), good.url());
    scene.recipe_from(&mirrors, "");
    let said = scene.sandbox.ok(&["build"]).err;
    assert!(said.contains("cannot use file:/nowhere"), "{said}");
    assert!(empty.seen().iter().all(|(_, status)| *status == 404));
    let seen = good.seen();
    assert!(seen.iter().any(|(path, _)| path == "/dists/test/InRelease"), "{seen:?}");
    assert!(seen.iter().any(|(path, _)| path.contains("/by-hash/SHA256/")), "{seen:?}");
    assert!(seen.iter().any(|(path, _)| path == "/pool/tool_1%253a2.0-1_amd64.deb"), "{seen:?}");
    // The content of the bundle does not depend on the mirror that served it.
    let shown = scene.sandbox.ok(&["inspect", "apt-1.vgpu.tar"]).out;
    assert!(!shown.contains("file:/nowhere"), "{shown}");
}

#[test]
fn a_mirror_that_is_not_there_is_named() {
    let Some(scene) = Scene::new() else { return };
    scene.recipe_from("'file:/nowhere'", "");
    let error = scene.sandbox.fails(1, &["lock"]);
    assert!(error.contains("cannot get the release of the archive `test`"), "{error}");
    assert!(error.contains("/nowhere/dists/test/Release"), "{error}");
    let shelf = Shelf::new(&scene.sandbox.work("repo"));
    scene.recipe_from(&format!("'{}'", shelf.url()), "");
    assert!(scene.sandbox.fails(1, &["lock", "--offline"]).contains("`--offline`"));
    assert!(shelf.seen().is_empty());
}

/// Checks whether any file of a folder contains a text verbatim.
fn occurs(folder: &Path, text: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return occurs(&path, text);
        }
        let is_ours = path.ends_with(".netrc") || path.ends_with("logins");
        !is_ours && fs::read(path).unwrap().windows(text.len()).any(|window| window == text)
    })
}

#[test]
fn a_login_goes_to_its_server_and_nowhere_else() {
    let Some(scene) = Scene::new() else { return };
    let sandbox = &scene.sandbox;
    // `echo -n me:top-secret | base64`
    let (secret, coded) = ("top-secret", "bWU6dG9wLXNlY3JldA==");
    let shelf = Shelf::locked(&sandbox.work("repo"), &format!("Basic {coded}"));
    scene.recipe_from(&format!("'{}'", shelf.url()), "carry-index = true");
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("answers 401 (it wants a login"), "{error}");

    let login = format!("machine {} login me password {secret}\n", shelf.url());
    let mut said = String::new();
    fs::write(sandbox.path("home/.netrc"), &login).unwrap();
    for words in [&["lock"][..], &["fetch"], &["build"], &["inspect", "apt-1.vgpu.tar"]] {
        let Ran { out, err, .. } = sandbox.ok(words);
        said += &(out + &err);
    }
    // The same through the environment.
    fs::remove_file(sandbox.path("home/.netrc")).unwrap();
    fs::write(sandbox.work("logins"), &login).unwrap();
    for (variable, value) in [("NETRC", "logins"), ("VGPU_LOGINS", login.as_str())] {
        fs::remove_dir_all(sandbox.path("home/.cache")).unwrap();
        let output = sandbox.bundler(&["build"]).env(variable, value).output().unwrap();
        said += &Ran::from(output).expect(0, &["build"]).err;
    }
    fs::remove_dir_all(sandbox.path("home/.cache")).unwrap();
    said += &sandbox.fails(1, &["build"]);
    for secret in [secret, coded] {
        assert!(!said.contains(secret), "{said}");
        assert!(!occurs(&sandbox.work(""), secret.as_bytes()));
        assert!(!occurs(&sandbox.path("home"), secret.as_bytes()));
    }

    // Credentials are not sent to another server, and not without TLS, where they could be
    // intercepted.
    for machine in ["other.example".to_owned(), shelf.url().replace("http://", "")] {
        let login = format!("machine {machine} login me password {secret}\n");
        let output = sandbox.bundler(&["build"]).env("VGPU_LOGINS", login).output().unwrap();
        assert!(Ran::from(output).expect(1, &["build"]).err.contains("answers 401"));
    }
    let login = "machine a login top-secret x y";
    let output = sandbox.bundler(&["build"]).env("VGPU_LOGINS", login).output().unwrap();
    let error = Ran::from(output).expect(1, &["build"]).err;
    assert!(error.contains("cannot read the logins") && !error.contains("top-secret"), "{error}");
}

#[test]
fn a_login_in_the_recipe_is_refused() {
    let Some(scene) = Scene::new() else { return };
    scene.recipe_from("'http://me:top-secret@127.0.0.1/'", "");
    let error = scene.sandbox.fails(1, &["lock"]);
    assert!(error.contains("~/.netrc") && !error.contains("top-secret"), "{error}");
}
