//! The demo: one bundle, from laptop to host and back, in a scratch folder.
//!
//! No network, no root, nothing outside of the folder. Every line that is not a heading is printed
//! by the real programs, or by the stock tools that a host has.

#![expect(clippy::print_stdout, reason = "it is a show")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::nodes::Node;
use vgpu_tests::programs::{Program, Programs, become_named_program};
use vgpu_tests::tree::Snapshot;

fn main() -> ExitCode {
    if let Some(code) = become_named_program() {
        return code;
    }
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The inputs of the demo, by path in the laptop's folder.
const INPUTS: [(&str, &str); 5] = [
    ("bundle.toml", include_str!("bundle.toml")),
    ("config.toml", include_str!("config.toml")),
    ("hello.service", include_str!("hello.service")),
    ("limits.conf", include_str!("limits.conf")),
    ("notes/README.txt", include_str!("notes/README.txt")),
];

fn play() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let scratch = Utf8Path::from_path(folder.path()).context("the scratch folder is not UTF-8")?;
    let show = Show::new(scratch)?;

    show.heading("On the laptop: a key, a recipe, a bundle");
    for (name, text) in INPUTS {
        let path = scratch.join("laptop").join(name);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(path, text)?;
    }
    show.bundler(&["key", "generate", "--principal", "alice", "--no-passphrase"], 0)?;
    show.tool("cat", &["bundle.toml"])?;
    show.bundler(&["lock"], 0)?;
    show.bundler(&["build"], 0)?;
    show.bundler(&["inspect", BUNDLE], 0)?;

    show.heading("What stock tools say of it, on a host where nothing of ours is trusted yet");
    show.tool("tar", &["-tvf", BUNDLE])?;
    show.tool(
        "dd",
        &[&format!("if={BUNDLE}"), "bs=512", "skip=1", "count=1", "of=slot", "status=none"],
    )?;
    show.tool("tar", &["--occurrence=1", "-xf", BUNDLE, "SHA256SUMS"])?;
    show.verify_by_hand()?;

    show.heading("On the node: an invented Proxmox VE 8 host with a Tesla T4");
    let node = scratch.join("node");
    Node::TeslaT4.write(&node)?;
    let before = snapshot(&node)?;
    fs::create_dir(scratch.join("stick"))?;
    fs::copy(scratch.join("laptop").join(BUNDLE), scratch.join(STICK))?;
    let fingerprint = show.fingerprint()?;
    let key = "config/vgpu-offline/key.pub";
    show.installer(
        &[
            "trust",
            "add",
            key,
            "--principal",
            "alice",
            "--channel",
            "stable",
            "--fingerprint",
            &fingerprint,
        ],
        0,
    )?;
    show.installer(&["verify", STICK], 0)?;
    show.installer(&["plan", STICK], 0)?;
    show.installer(&["apply", "--yes", STICK], 10)?;
    show.installer(&["status"], 0)?;

    show.heading("One byte of the bundle is changed on the stick");
    let stick = fs::File::options().write(true).open(scratch.join(STICK))?;
    let middle = stick.metadata()?.len() / 2;
    stick.write_all_at(b"!", middle)?;
    show.installer(&["verify", STICK], 3)?;

    show.heading("And back");
    show.installer(&["revert", "--yes"], 0)?;
    let differences = before.differences(&snapshot(&node)?);
    ensure!(differences.is_empty(), "the node is not what it was: {differences:#?}");
    println!("\n  {} paths of the node compared with what they were: no difference.", before.len());
    show.installer(&["forget", "--yes"], 0)?;
    Ok(())
}

const BUNDLE: &str = "demo-1.vgpu.tar";
const STICK: &str = "stick/demo-1.vgpu.tar";

/// The node but for what is the installer's own: trust, journal and stores survive a revert.
fn snapshot(node: &Utf8Path) -> Result<Snapshot> {
    Ok(Snapshot::of(node, &["etc/vgpu-offline", "var/lib/vgpu-offline"])?)
}

/// Runs things where the audience can see them.
struct Show {
    scratch: Utf8PathBuf,
    programs: Programs,
}

impl Show {
    fn new(scratch: &Utf8Path) -> Result<Self> {
        let executable = Utf8PathBuf::try_from(std::env::current_exe()?)?;
        let programs = Programs::link(&executable, &scratch.join("bin"))?;
        Ok(Self { scratch: scratch.to_owned(), programs })
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn heading(&self, text: &str) {
        println!("\n━━ {text}");
    }

    fn bundler(&self, words: &[&str], expected: i32) -> Result<()> {
        println!("\n$ vgpu-bundler {}", words.join(" "));
        let mut command = self.programs.command(Program::Bundler);
        command.current_dir(self.scratch.join("laptop"));
        self.run(command.args(words), expected)
    }

    fn installer(&self, words: &[&str], expected: i32) -> Result<()> {
        println!("\n# vgpu-installer {}", words.join(" "));
        let mut command = self.programs.command(Program::Installer);
        command.current_dir(&self.scratch).args(["--root", "node"]);
        self.run(command.args(words), expected)
    }

    /// Run a stock tool in the laptop's folder, if the machine has it.
    fn tool(&self, name: &str, words: &[&str]) -> Result<()> {
        println!("\n$ {name} {}", words.join(" "));
        if !self.has(name) {
            println!("  skipped: needs {name}");
            return Ok(());
        }
        let mut command = Command::new(name);
        self.run(command.args(words).current_dir(self.scratch.join("laptop")), 0)
    }

    /// `ssh-keygen` reads what it verifies from its standard input.
    fn verify_by_hand(&self) -> Result<()> {
        let signers = "../config/vgpu-offline/allowed_signers";
        let words =
            ["-Y", "verify", "-f", signers, "-I", "alice", "-n", "vgpu-bundle", "-s", "slot"];
        println!("\n$ ssh-keygen {} < SHA256SUMS", words.join(" "));
        if !self.has("ssh-keygen") {
            println!("  skipped: needs ssh-keygen");
            return Ok(());
        }
        let laptop = self.scratch.join("laptop");
        let mut command = Command::new("ssh-keygen");
        command.args(words).current_dir(&laptop).stdin(fs::File::open(laptop.join("SHA256SUMS"))?);
        self.run(&mut command, 0)
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn has(&self, name: &str) -> bool {
        let found = Command::new(name)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        found.and_then(|mut child| child.wait()).is_ok()
    }

    /// The fingerprint that the operator has on paper.
    fn fingerprint(&self) -> Result<String> {
        let text = fs::read_to_string(self.scratch.join("config/vgpu-offline/key.pub"))?;
        let key: vgpu_keys::PublicKey = text.trim().parse()?;
        Ok(key.fingerprint().to_string())
    }

    fn run(&self, command: &mut Command, expected: i32) -> Result<()> {
        let output = command
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env("XDG_CACHE_HOME", self.scratch.join("cache"))
            .env("NO_COLOR", "1")
            .output()?;
        for stream in [&output.stdout, &output.stderr] {
            for line in String::from_utf8_lossy(stream).lines() {
                println!("  {line}");
            }
        }
        let code = output.status.code();
        if code != Some(0) {
            println!(
                "  exit code {}",
                code.map_or_else(|| "none".to_owned(), |code| code.to_string())
            );
        }
        ensure!(code == Some(expected), "expected exit code {expected}: {command:?}");
        Ok(())
    }
}
