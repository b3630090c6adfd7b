//! A laptop and a node in one temporary folder, for end-to-end suites.
//!
//! Every function panics on failure, which fails the test.

#![expect(clippy::missing_panics_doc, reason = "said once, above")]

use std::fs;
use std::process::{Command, Output, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::PublicKey;

use crate::nodes::Node;
use crate::programs::{Program, Programs};
use crate::schema;

/// The folder; it is removed on drop.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    programs: Programs,
}

/// The output and the result of a program.
#[derive(Debug)]
pub struct Said {
    /// The exit code; `None` if it was killed.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Scratch {
    /// Creates a scratch folder in which `executable` (`env!("CARGO_BIN_EXE_demo")`) runs as the
    /// two programs.
    #[must_use]
    pub fn new(executable: &str) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let path = Utf8Path::from_path(folder.path()).expect("a UTF-8 path");
        let programs = Programs::link(Utf8Path::new(executable), &path.join("bin")).expect("links");
        fs::create_dir(path.join("laptop")).expect("a folder");
        Self { folder, programs }
    }

    /// Returns a path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path").join(name)
    }

    /// Writes a file of the laptop.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path("laptop").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Returns a `vgpu-bundler` command in the laptop's folder.
    #[must_use]
    pub fn bundler(&self, words: &[&str]) -> Command {
        let mut command = self.programs.command(Program::Bundler);
        command.current_dir(self.path("laptop")).args(words);
        self.isolate(command)
    }

    /// Returns a `vgpu-installer` command for the node.
    #[must_use]
    pub fn installer(&self, words: &[&str]) -> Command {
        self.installer_on(&self.path("node"), words)
    }

    /// Returns a `vgpu-installer` command for another root.
    #[must_use]
    pub fn installer_on(&self, root: &Utf8Path, words: &[&str]) -> Command {
        let mut command = self.programs.command(Program::Installer);
        command.arg("--root").arg(root).args(words);
        self.isolate(command)
    }

    fn isolate(&self, mut command: Command) -> Command {
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.env("XDG_CACHE_HOME", self.path("cache"));
        command.env("HOME", self.path("home")).env("NO_COLOR", "1").stdin(Stdio::null());
        command
    }

    /// Creates the signing key `alice`, and a node that trusts it for the channel `stable`.
    pub fn node(&self, node: Node) {
        node.write(&self.path("node")).expect("a node");
        expect(self.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"]), 0);
        self.trust_alice();
    }

    /// Lets the node trust the signing key `alice` for the channel `stable`.
    pub fn trust_alice(&self) {
        let key = self.path("config/vgpu-offline/key.pub");
        let fingerprint = fingerprint(&key);
        let words = [
            "trust",
            "add",
            key.as_str(),
            "--principal",
            "alice",
            "--channel",
            "stable",
            "--fingerprint",
            &fingerprint,
        ];
        expect(self.installer(&words), 0);
    }
}

/// Returns the fingerprint of a public key file.
#[must_use]
pub fn fingerprint(path: &Utf8Path) -> String {
    let text = fs::read_to_string(path).expect("a public key");
    text.trim().parse::<PublicKey>().expect("a public key").fingerprint().to_string()
}

/// Runs a command to its end.
#[must_use]
pub fn run(mut command: Command) -> Said {
    let Output { status, stdout, stderr } = command.output().expect("a program that starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8 output");
    let said = Said { code: status.code(), out: text(stdout), err: text(stderr) };
    let _ = schema::check(&command, &said.out);
    said
}

/// Runs a command that must exit with `code`, and returns its output.
#[expect(clippy::must_use_candidate, reason = "most callers only want the exit code")]
pub fn expect(command: Command, code: i32) -> Said {
    let words = format!("{command:?}");
    let said = run(command);
    assert_eq!(said.code, Some(code), "{words}\n{}{}", said.out, said.err);
    said
}

/// Returns the same command in an empty network namespace.
#[must_use]
pub fn without_network(command: &Command) -> Command {
    let mut alone = Command::new("unshare");
    alone.args(["--net", "--"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => alone.env(name, value),
            None => alone.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        alone.current_dir(folder);
    }
    alone
}
