//! Unlock libraries from small crates without dependencies, so that no registry is contacted.

use std::fs;
use std::process::Command;

use crate::bundler::sandbox::{Ran, Sandbox, bytes, has};

/// A minimal library that exports only the symbol that is checked.
pub(super) const LIBRARY: &str = "#[unsafe(no_mangle)]
pub extern \"C\" fn ioctl(_: i32, _: u64, _: *mut u8) -> i32 {
    std::env::var(\"X\").map_or(1, |text| text.len() as i32)
}
";

pub(super) const MANIFEST: &str = "[package]
name = 'stand-in'
version = '0.1.0'
edition = '2024'
[lib]
crate-type = ['cdylib']
";

/// A repository with the sources of a library.
pub(super) struct Scene {
    pub(super) sandbox: Sandbox,
    pub(super) commit: String,
}

impl Scene {
    /// Returns `None` if the required programs are missing.
    pub(super) fn new(files: &[(&str, &str)]) -> Option<Self> {
        if !has("git") || !has("cargo") {
            return None;
        }
        let mut scene = Self { sandbox: Sandbox::empty(), commit: String::new() };
        fs::create_dir(scene.sandbox.work("repo")).unwrap();
        scene.git(&["init", "--quiet"]);
        scene.commit(files);
        Some(scene)
    }

    fn git(&self, args: &[&str]) -> String {
        let mut command = self.sandbox.command("git");
        command.current_dir(self.sandbox.work("repo"));
        let output = command.args(["-c", "user.name=a", "-c", "user.email=a@git.example"]);
        let output = output.args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits these files on top of the existing ones.
    fn commit(&mut self, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = self.sandbox.work("repo").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=x"]);
        self.commit = self.git(&["rev-parse", "HEAD"]);
    }

    fn write(&self, more: &str) {
        let commit = &self.commit;
        let text = format!(
            "[bundle]\nname = 'node'\nchannel = 'stable'\n[[unlock]]\nname = 'u/src.tar.zst'\n\
             git = 'repo'\ncommit = '{commit}'\n{more}"
        );
        self.sandbox.write("bundle.toml", &text);
    }

    /// Returns a bundler command with the compiler of the test run.
    fn bundler(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.bundler(args);
        for (name, folder) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
            let home = std::env::var_os("HOME").unwrap_or_default();
            let usual = std::path::Path::new(&home).join(folder);
            command.env(name, std::env::var_os(name).unwrap_or(usual.into()));
        }
        if let Some(toolchain) = std::env::var_os("RUSTUP_TOOLCHAIN") {
            command.env("RUSTUP_TOOLCHAIN", toolchain);
        }
        command
    }

    pub(super) fn run(&self, code: i32, args: &[&str]) -> String {
        let ran = Ran::from(self.bundler(args).output().unwrap()).expect(code, args);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran.err
    }

    /// Commits these files and checks that they are refused.
    fn refused(&mut self, files: &[(&str, &str)], more: &str) -> String {
        self.commit(files);
        self.write(more);
        let said = self.run(1, &["lock", "--offline"]);
        assert!(!self.sandbox.work("bundle.lock").exists());
        said
    }

    fn forget(&self, at: usize) {
        fs::remove_file(self.sandbox.cached(&self.sandbox.locked()[at])).unwrap();
    }
}

const GOOD: [(&str, &str); 2] = [("Cargo.toml", MANIFEST), ("src/lib.rs", LIBRARY)];

/// A glibc version as new as that of any test machine.
const NEW: &str = "glibc = '2.41'\n";

#[test]
fn a_library_is_built_once_and_comes_out_the_same_again() {
    let Some(scene) = Scene::new(&GOOD) else { return };
    scene.write(NEW);
    let said = scene.run(0, &["lock", "--offline"]);
    assert!(said.contains("libvgpu_unlock_rs.so: compiling, which takes minutes"), "{said}");
    let lock = scene.sandbox.read("bundle.lock");
    for word in [
        "[item.build.sources]",
        "[item.build.library]",
        "cargo-lock = \"\"\"",
        "rustc = \"rustc 1.",
        &scene.commit,
    ] {
        assert!(lock.contains(word), "{word}: {lock}");
    }
    assert!(scene.run(0, &["lock", "--offline"]).contains("up to date"));

    // A second recipe with the same sources, tools and glibc.
    let recipe = scene.sandbox.read("bundle.toml");
    scene.sandbox.write("two.toml", &recipe.replace("name = 'node'", "name = 'two'"));
    let said = scene.run(0, &["lock", "--offline", "--recipe", "two.toml"]);
    assert!(said.contains("libvgpu_unlock_rs.so: built before, taken from the cache"), "{said}");
    assert!(!said.contains("compiling"), "{said}");
    let items = |lock: &str| lock.split_once("[[item]]").unwrap().1.to_owned();
    assert_eq!(items(&scene.sandbox.read("two.lock")), items(&lock));

    // Elsewhere: an empty cache and another temporary folder.
    let first = scene.sandbox.cached(&scene.sandbox.locked()[1]);
    let library = bytes(&first);
    scene.forget(0);
    scene.forget(1);
    fs::create_dir(scene.sandbox.path("elsewhere")).unwrap();
    let mut fetch = scene.bundler(&["fetch", "--offline"]);
    let output = fetch.env("TMPDIR", scene.sandbox.path("elsewhere")).output().unwrap();
    Ran::from(output).expect(0, &["fetch"]);
    assert_eq!(bytes(&first), library);

    // A lock from another compiler.
    let sha = scene.sandbox.locked()[1].clone();
    let other =
        lock.replace(&sha, &"0".repeat(64)).replace("rustc = \"rustc 1.", "rustc = \"rustc 0.");
    scene.sandbox.write("bundle.lock", &other);
    let said = scene.run(1, &["fetch", "--offline"]);
    assert!(
        said.contains("differs from the locked one") && said.contains("made with rustc 0."),
        "{said}"
    );
    scene.sandbox.write("bundle.lock", &lock);

    // Configuration in a parent folder is refused, because it would change the build.
    scene.forget(1);
    fs::write(scene.sandbox.path("elsewhere/Cargo.toml"), "[workspace]\n").unwrap();
    let mut fetch = scene.bundler(&["fetch", "--offline"]);
    let output = fetch.env("TMPDIR", scene.sandbox.path("elsewhere")).output().unwrap();
    let said = Ran::from(output).expect(1, &["fetch"]).err;
    assert!(said.contains("elsewhere/Cargo.toml` would change the build"), "{said}");

    // The node builds: the bundle has the same sources and no library.
    scene.write("build = 'node'\n");
    let sources = scene.sandbox.locked()[0].clone();
    scene.run(0, &["lock", "--offline"]);
    assert_eq!(scene.sandbox.locked()[0], sources);
    assert_eq!(scene.sandbox.locked().len(), 2, "the sources and the catalog");
}

#[test]
fn what_is_no_library_for_a_host_is_refused_with_the_reason() {
    let Some(mut scene) = Scene::new(&[("README", "x")]) else { return };
    let said = scene.refused(&[("README", "y")], NEW);
    assert!(said.contains("no `Cargo.toml` at its top"), "{said}");
    let said = scene.refused(&[("Cargo.toml", "[package]\nname = 3\n"), GOOD[1]], NEW);
    assert!(said.contains("cargo cannot find out the versions"), "{said}");
    let said = scene.refused(&[GOOD[0], ("src/lib.rs", "pub fn f() {}\n")], NEW);
    assert!(said.contains("does not export `ioctl`"), "{said}");
    let rlib = MANIFEST.replace("cdylib", "rlib");
    let said = scene.refused(&[("Cargo.toml", &rlib), GOOD[1]], NEW);
    assert!(said.contains("builds no shared library"), "{said}");
    let said = scene.refused(&[GOOD[0], ("src/lib.rs", "compile_error!(\"no\");\n")], NEW);
    assert!(said.contains("cargo cannot build the library: no"), "{said}");

    let foreign = "version = 4\n[[package]]\nname = 'stand-in'\nversion = '0.1.0'\n\
                   [[package]]\nname = 'b'\nversion = '1.0.0'\n\
                   source = 'git+https://git.invalid/b#0123456789'\n";
    let said = scene.refused(&[GOOD[1], ("Cargo.lock", foreign)], NEW);
    assert!(said.contains("depends on the crate `b`, which is not from a registry"), "{said}");
    fs::remove_file(scene.sandbox.work("repo/Cargo.lock")).unwrap();
    let said =
        scene.refused(&[(".cargo/config.toml", "[build]\nrustc-wrapper = '/bin/false'\n")], NEW);
    assert!(said.contains("has its own `.cargo`"), "{said}");
    fs::remove_dir_all(scene.sandbox.work("repo/.cargo")).unwrap();

    // A glibc function that the hosts lack, whether the linker or the final check reports it. zig
    // replaces simpler ones, such as `arc4random`, by its own.
    let new = "unsafe extern \"C\" { fn _dl_find_object(address: *mut u8, result: *mut u8) -> u32; }
#[unsafe(no_mangle)]
pub extern \"C\" fn ioctl() -> u32 { unsafe { _dl_find_object(core::ptr::null_mut(), core::ptr::null_mut()) } }\n";
    let said = scene.refused(&[("src/lib.rs", new)], "glibc = '2.31'\n");
    assert!(said.contains("needs glibc 2.3") || said.contains("_dl_find_object"), "{said}");
}

#[test]
fn a_fork_that_is_not_for_the_driver_is_refused_before_anything_is_built() {
    let Some(scene) = Scene::new(&GOOD) else { return };
    let targets = "[targets]\ngpu = ['10de:1e30']\ndriver = '17.5'\n";
    // The catalog does not list this commit, which only causes a message.
    scene.write(&format!("build = 'node'\n{targets}"));
    let said = scene.run(0, &["lock", "--offline", "--allow-unsuitable"]);
    assert!(said.contains("is for vGPU 17.5 is not known"), "{said}");

    // The catalog lists this one for others. Nothing is fetched to find that out.
    let unfit = format!("71ec870{}", "0".repeat(33));
    let recipe = scene.sandbox.read("bundle.toml");
    let recipe = recipe.replace(&scene.commit, &unfit).replace("17.5", "19.4");
    scene.sandbox.write("bundle.toml", &recipe);
    let said = scene.run(4, &["lock", "--offline"]);
    assert!(said.contains("to use commit 5ad3ee6 of"), "{said}");
    assert!(said.contains("remove `git`, `commit`, `branch` and `tag`"), "{said}");
}
