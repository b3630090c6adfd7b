use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use vgpu_tests::programs::Program;

use crate::bundler::sandbox::{Ran, Sandbox, bytes, finds, has, skip};

/// Changes the owner of everything in `path`.
fn give(path: &Path, user: u32) {
    std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let status = Command::new("cp").arg("-r").arg(from.join(".")).arg(to).status().unwrap();
    assert!(status.success());
}

#[test]
fn the_same_lock_gives_the_same_bundle_to_anybody_anywhere_at_any_time() {
    let here = Sandbox::with_recipe();
    let lock = here.bundler(&["lock"]).env("SOURCE_DATE_EPOCH", "1700000000").output().unwrap();
    Ran::from(lock).expect(0, &["lock"]);
    let mut build = here.bundler(&["build"]);
    build.env("TZ", "Asia/Kathmandu").env("LC_ALL", "C");
    Ran::from(build.output().unwrap()).expect(0, &["build"]);

    // Another folder and home, other file times, another cache.
    let there = Sandbox::empty();
    copy(&here.path("work"), &there.path("work"));
    copy(&here.path("home/.config"), &there.path("home/.config"));
    fs::remove_file(there.work("node-1.vgpu.tar")).unwrap();
    fs::rename(there.path("work"), there.path("a folder with spaces")).unwrap();

    let mut words = Vec::new();
    // Without that program, only the time-related message differs.
    if finds("faketime") {
        words.extend(["faketime", "2001-02-03 04:05:06"].map(str::to_owned));
    }
    let program = there.path("vgpu-bundler");
    fs::copy(crate::program(Program::Bundler), &program).unwrap();
    // Only root can switch users.
    if rustix::process::geteuid().is_root() && has("setpriv") {
        fs::set_permissions(there.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        give(&there.path("home"), 65534);
        give(&there.path("a folder with spaces"), 65534);
        chown(there.path(""), Some(65534), Some(65534)).unwrap();
        words.extend(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"].map(str::to_owned),
        );
    } else if !rustix::process::geteuid().is_root() {
        skip("root, to become another user");
    }
    // A shell sets the umask for the program.
    words.extend(["sh", "-c", "umask 077; exec \"$@\"", "sh"].map(str::to_owned));
    words.extend([program.to_str().unwrap().to_owned(), "build".to_owned()]);

    let mut build = there.command(&words[0]);
    build.args(&words[1..]).current_dir(there.path("a folder with spaces"));
    build.env("TZ", "America/St_Johns").env("LANG", "tr_TR.UTF-8").env("LC_ALL", "tr_TR.UTF-8");
    build.env("SOURCE_DATE_EPOCH", "1").env("USER", "another-user");
    Ran::from(build.output().unwrap()).expect(0, &["build"]);

    let [a, b] = [here.work("node-1.vgpu.tar"), there.path("a folder with spaces/node-1.vgpu.tar")];
    assert!(bytes(a) == bytes(b), "the bundles differ");
}

#[test]
fn the_same_inputs_at_the_same_time_give_the_same_lock() {
    let locks = ["Asia/Kathmandu", "America/St_Johns"].map(|zone| {
        let sandbox = Sandbox::with_recipe();
        let mut lock = sandbox.bundler(&["lock"]);
        lock.env("SOURCE_DATE_EPOCH", "1700000000").env("TZ", zone);
        Ran::from(lock.output().unwrap()).expect(0, &["lock"]);
        sandbox.read("bundle.lock")
    });
    assert_eq!(locks[0], locks[1]);
    assert!(locks[0].contains("created = 1700000000"));
}
