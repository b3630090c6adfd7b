use std::fs;

use crate::bundler::sandbox::{Sandbox, bytes};

#[test]
fn the_command_line_has_a_status_of_its_own() {
    let sandbox = Sandbox::empty();
    for args in [
        &[][..],
        &["nonsense"],
        &["verify"],
        &["init", "--name", "No Name"],
        &["init", "--name", "a", "--file", "../a=b"],
        &["init", "--name", "a", "--file", "a=https://user:secret@example.org/"],
        &["extract", "b", "../x"],
        &["build", "--key", "a", "--agent", "b"],
        &["lock", "--jobs", "0"],
    ] {
        let error = sandbox.fails_to_parse(args);
        assert!(!error.contains("panicked"), "{error}");
    }
    assert!(sandbox.ok(&["--help"]).out.contains("Usage: vgpu-bundler"));
    assert!(sandbox.ok(&["--version"]).out.starts_with("vgpu-bundler "));
}

#[test]
fn what_is_missing_is_named_with_the_way_out() {
    let sandbox = Sandbox::empty();
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("`bundle.toml`") && error.contains("`vgpu-bundler init`"), "{error}");
    sandbox.write(
        "bundle.toml",
        "[bundle]\nname = 'a'\nchannel = 'b'\n[[file]]\nname = 'x'\npath = 'x'\n",
    );
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("cannot read `x` for item `x`: No such file"), "{error}");
    let error = sandbox.fails(1, &["fetch"]);
    assert!(
        error.contains("no lock") && error.contains("hint: run `vgpu-bundler lock`"),
        "{error}"
    );
    let error = sandbox.fails(1, &["build"]);
    assert!(error.contains("hint: run `vgpu-bundler key generate`"), "{error}");
    let error = sandbox.fails(1, &["verify", "nothing"]);
    assert!(error.contains("no key is trusted yet"), "{error}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let sandbox = Sandbox::empty();
    let items = ["a", "b", "c"].map(|name| format!("[[file]]\nname = '{name}'\npath = '{name}'\n"));
    sandbox
        .write("bundle.toml", &format!("[bundle]\nname = 'a'\nchannel = 'b'\n{}", items.concat()));
    sandbox.write("b", "");
    let error = sandbox.fails(1, &["lock"]);
    assert!(error.contains("`a`: No such") && error.contains("`c`: No such"), "{error}");
    assert!(error.contains("2 of 3 items are unavailable"), "{error}");
}

#[test]
fn what_does_not_fit_into_a_bundle_is_refused_before_anything_is_written() {
    let sandbox = Sandbox::empty();
    sandbox.write("a", "");
    let recipe = |names: [&str; 2]| {
        let items = names.map(|name| format!("[[file]]\nname = \"{name}\"\npath = 'a'\n"));
        sandbox.write(
            "bundle.toml",
            &format!("[bundle]\nname = 'a'\nchannel = 'b'\n{}", items.concat()),
        );
    };
    for (names, word) in [
        (["x", "X"], "collide"),
        (["x", "x/y"], "collide"),
        (["x", "MANIFEST.json"], "is not the name of an item"),
        (["x", "\\u001b[2J"], "is not the name of an item"),
    ] {
        recipe(names);
        let error = sandbox.fails(1, &["lock"]);
        assert!(error.contains(word), "{error}");
        assert!(!error.contains('\u{1b}'), "{error:?}");
        assert!(!sandbox.work("bundle.lock").exists());
    }
}

#[test]
fn a_byte_that_changed_anywhere_is_corruption() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    let good = bytes(sandbox.work("node-1.vgpu.tar"));
    // In a signature, the root, the manifest, a header, padding, the payload, the end.
    for at in [600, 4700, 6000, 5120 + 512, 9000, 4_000_000, good.len() - 600, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(sandbox.work("bad.tar"), bad).unwrap();
        sandbox.fails(3, &["verify", "bad.tar"]);
    }
    for len in [0, 511, 5000, good.len() / 2, good.len() - 1] {
        fs::write(sandbox.work("bad.tar"), &good[..len]).unwrap();
        sandbox.fails(3, &["verify", "bad.tar"]);
    }
    sandbox.fails(1, &["verify", "not-there.tar"]);
    let error = sandbox.fails(1, &["extract", "node-1.vgpu.tar", "nothing"]);
    assert!(error.contains("no item `nothing`"), "{error}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let sandbox = Sandbox::with_recipe();
    sandbox.ok(&["build"]);
    let mut inspect = sandbox.bundler(&["inspect", "--json", "node-1.vgpu.tar"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = inspect.stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
