//! A laptop with a recipe for a driver, which proves it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use vgpu_manifest::Digest;
use vgpu_tests::roots::{Archive, Mirror, Release, Roots};
use vgpu_tests::scratch::{Said, Scratch, expect, run};

/// The words that prove the locked driver with the installer of this build.
const PROVE: [&str; 4] = ["prove", "--json", "--installer", env!("CARGO_BIN_EXE_demo")];

/// The driver of a recipe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Driver<'d> {
    pub(super) version: &'d str,
    /// Its release of vGPU.
    pub(super) release: &'d str,
}

pub(super) struct Laptop {
    scratch: Scratch,
    recipe: String,
    proxy: Option<String>,
    /// The lock of the folder of bases, which the laptops of other tests share.
    _lock: Option<File>,
}

impl Laptop {
    /// Creates a laptop with a key and a recipe for a driver on a release of Debian.
    pub(super) fn new(
        mirror: &Mirror,
        debian: Release,
        driver: Driver<'_>,
        more: &str,
    ) -> Option<Self> {
        let archives = mirror.archives(debian)?;
        let Driver { version, release } = driver;
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let words = ["key", "generate", "--principal", "alice", "--no-passphrase"];
        expect(scratch.bundler(&words), 0);
        // Bases take minutes, and are the same for every recipe of a release.
        let roots = Roots::folder().join("prove");
        let cache = scratch.path("cache/vgpu-offline");
        fs::create_dir_all(&cache).unwrap();
        let mut lock = None;
        if fs::create_dir_all(&roots).is_ok() {
            // Each run removes the roots of killed ones, and only the cache of one laptop is locked.
            let file = File::create(roots.join("laptop.lock")).unwrap();
            file.lock().unwrap();
            lock = Some(file);
            std::os::unix::fs::symlink(roots, cache.join("roots")).unwrap();
        }
        let (keyring, codename) = (mirror.keyring(), debian.codename());
        let keys: Vec<_> = mirror.fingerprints().iter().map(|key| format!("\"{key}\"")).collect();
        let keys = keys.join(", ");
        let mut recipe = format!(
            "[bundle]\nname = \"gpu\"\nchannel = \"stable\"\n\n\
             [targets]\ngpu = [\"10de:1eb8\"]\ndriver = \"{release}\"\n\n\
             [[driver]]\nname = \"driver/NVIDIA-Linux-x86_64-{version}-vgpu-kvm.run\"\n\
             path = \"host.run\"\nsha256 = \"@DRIVER@\"\n\n{more}\
             [[apt]]\nrelease = \"{codename}\"\n\
             install = [\"dkms\", \"gcc\", \"make\", \"linux-headers-amd64\"]\n"
        );
        for Archive { url, suite } in archives {
            write!(
                recipe,
                "\n[[apt.archive]]\nname = \"{suite}\"\nmirror = \"{url}\"\n\
                 components = [\"main\"]\nkeyring = \"{keyring}\"\nsigned-by = [{keys}]\n"
            )
            .unwrap();
        }
        let proxy = mirror.proxy().map(str::to_owned);
        Some(Self { scratch, recipe, proxy, _lock: lock })
    }

    /// Returns the path of a file in its folder.
    pub(super) fn path(&self, name: &str) -> Utf8PathBuf {
        self.scratch.path("laptop").join(name)
    }

    /// Writes a file in its folder.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) {
        self.scratch.write(name, bytes);
    }

    /// Returns the node of this laptop, whose installer trusts its key.
    pub(super) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.scratch.bundler(words);
        if let Some(proxy) = &self.proxy {
            command.env("http_proxy", proxy).env("https_proxy", proxy);
        }
        command
    }

    /// Runs `vgpu-bundler` and checks its exit status.
    pub(super) fn run(&self, words: &[&str], code: i32) -> Said {
        let said = run(self.command(words));
        assert_eq!(said.code, Some(code), "{words:?}: {}{}{}", said.out, said.err, self.end());
        said
    }

    /// Locks the recipe with the present driver, whose digest differs from the catalog's.
    pub(super) fn lock(&self) -> Said {
        let driver = Digest::of(&fs::read(self.path("host.run")).unwrap()).to_string();
        self.write("bundle.toml", self.recipe.replace("@DRIVER@", &driver).as_bytes());
        self.run(&["lock", "--allow-unsuitable"], 0)
    }

    /// Proves the locked driver with the installer of this build.
    pub(super) fn prove(&self, code: i32) -> Said {
        let began = std::time::Instant::now();
        let said = self.run(&PROVE, code);
        let took = began.elapsed().as_secs();
        eprintln!("proved in {took} s, exit {code}:\n{}", said.err);
        said
    }

    /// Returns the command that proves the locked driver.
    pub(super) fn proving(&self) -> Command {
        self.command(&PROVE)
    }

    /// Returns the proof that a run printed.
    pub(super) fn proof(said: &Said) -> Value {
        let report: Value = serde_json::from_str(&said.out).unwrap();
        report["proof"].clone()
    }

    /// Returns the log of the last proof.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.path("bundle.prove.log")).unwrap_or_default()
    }

    /// Returns the end of the log.
    pub(super) fn end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// Replaces a text in a file, which must have it.
pub(super) fn replace(path: &Utf8Path, from: &str, to: &str) -> std::io::Result<()> {
    let text = fs::read_to_string(path)?;
    assert!(text.contains(from), "{path}: {from}");
    fs::write(path, text.replace(from, to))
}
