//! A home, a cache and a folder for one test.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use vgpu_tests::programs::Program;
use vgpu_tests::scratch::{Said, run};

/// The environment of one test.
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Sandbox {
    /// Returns an empty sandbox.
    pub(crate) fn empty() -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(sandbox.path("home")).unwrap();
        fs::create_dir(sandbox.path("work")).unwrap();
        sandbox
    }

    /// Returns a sandbox with alice's key and her recipe of a file, a program and a folder.
    pub(crate) fn with_recipe() -> Self {
        let sandbox = Self::empty();
        sandbox.ok(&["key", "generate", "--principal", "alice", "--no-passphrase"]);
        sandbox.write("a.conf", "some = \"text\"\n");
        sandbox.write("tool", &"program ".repeat(1_000_000));
        fs::create_dir_all(sandbox.work("tree/src")).unwrap();
        sandbox.write("tree/src/main.rs", "fn main() {}\n");
        sandbox.write(
            "bundle.toml",
            "[bundle]\nname = 'node'\nchannel = 'stable'\n\
             [[file]]\nname = 'etc/a.conf'\npath = 'a.conf'\n\
             [[file]]\nname = 'bin/tool'\npath = 'tool'\nmode = '0755'\n\
             [[tree]]\nname = 'src.tar.zst'\npath = 'tree'\n\
             [host]\nmodules = ['vfio']\n\
             [[host.file]]\nitem = 'etc/a.conf'\npath = '/etc/a.conf'\n",
        );
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns a path in the working directory of the programs.
    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.path("work").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.work(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.work(name)).unwrap()
    }

    /// Returns a command for another program, without the environment of the tests.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("home"))
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null());
        command
    }

    /// Returns a command for `vgpu-bundler`.
    pub(crate) fn bundler(&self, args: &[&str]) -> Command {
        let mut command = self.command(crate::program(Program::Bundler));
        command.args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let Said { code, out, err } = run(self.bundler(args));
        Ran { code, out, err }
    }

    /// Runs a command that must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        self.run(args).expect(0, args)
    }

    /// Runs a command that must fail with this status.
    pub(crate) fn fails(&self, code: i32, args: &[&str]) -> String {
        let ran = self.run(args).expect(code, args);
        assert!(ran.err.contains("error: "), "{args:?}: {}", ran.err);
        assert!(!ran.err.contains("panicked"), "{args:?}: {}", ran.err);
        ran.err
    }

    /// Runs a command that must be rejected as a usage error.
    pub(crate) fn fails_to_parse(&self, args: &[&str]) -> String {
        self.run(args).expect(2, args).err
    }

    /// Returns the path of this content in the cache.
    pub(crate) fn cached(&self, sha256: &str) -> PathBuf {
        self.path("home/.cache/vgpu-offline/sha256").join(&sha256[..2]).join(sha256)
    }

    /// Returns every digest in the lock, in order.
    pub(crate) fn locked(&self) -> Vec<String> {
        let lock = self.read("bundle.lock");
        let digests = lock.lines().filter_map(|line| line.strip_prefix("sha256 = \""));
        digests.map(|rest| rest.trim_end_matches('"').to_owned()).collect()
    }
}

impl Ran {
    pub(crate) fn expect(self, code: i32, args: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{args:?}\n{}{}", self.out, self.err);
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Checks whether `program` is available. Prints a message if not, and fails if skipping is not
/// allowed.
pub(crate) fn has(program: &str) -> bool {
    let is_there = finds(program);
    if !is_there {
        skip(program);
    }
    is_there
}

/// Checks whether `program` is available.
pub(crate) fn finds(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Prints the requirement of a skipped test.
pub(crate) fn skip(what: &str) {
    assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "needs {what}");
    eprintln!("skipped: needs {what}");
}

/// Returns the bytes of a file.
pub(crate) fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path).unwrap()
}
