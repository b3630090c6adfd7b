//! Runs things where the audience can see them.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::PublicKey;
use vgpu_tests::programs::{Program, Programs};
use vgpu_tests::stock;

use crate::node::Rights;

/// The lines of a program's output that are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lines {
    All,
    /// As many from the start.
    First(usize),
    /// Those that contain one of these texts.
    With(&'static [&'static str]),
    Nothing,
}

/// The most columns of a line.
const WIDTH: usize = 100;

pub(crate) struct Show {
    pub(crate) scratch: Utf8PathBuf,
    programs: Programs,
    rights: Option<Rights>,
    /// Whether every line is shown.
    all: bool,
}

impl Show {
    pub(crate) fn new(scratch: &Utf8Path, rights: Option<Rights>) -> Result<Self> {
        let executable = Utf8PathBuf::try_from(std::env::current_exe()?)?;
        let programs = Programs::link(&executable, &scratch.join("bin"))?;
        let all = std::env::args().any(|word| word == "--all");
        Ok(Self { scratch: scratch.to_owned(), programs, rights, all })
    }

    pub(crate) fn bundler(&self, words: &[&str], lines: Lines, expected: i32) -> Result<()> {
        println!("$ vgpu-bundler {}", self.shown(words));
        let mut command = self.programs.command(Program::Bundler);
        command.current_dir(self.scratch.join("laptop"));
        self.run(command.args(words), lines, expected)
    }

    pub(crate) fn installer(&self, words: &[&str], lines: Lines, expected: i32) -> Result<()> {
        println!("# vgpu-installer {}", self.shown(words));
        let program = self.programs.path(Program::Installer);
        let mut command = match self.rights {
            Some(rights) => {
                let mut command = rights.command(program.as_str());
                command.arg("--chroot");
                command
            }
            None => Command::new(program),
        };
        command.current_dir(&self.scratch).args(["--root", "node"]);
        self.run(command.args(words), lines, expected)
    }

    /// Runs a stock tool in the laptop's folder, if this machine has it.
    pub(crate) fn tool(&self, words: &[&str], lines: Lines) -> Result<()> {
        println!("$ {}", self.shown(words));
        if !has(words[0]) {
            println!("  skipped: needs {}", words[0]);
            return Ok(());
        }
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.scratch.join("laptop")).stdin(Stdio::null());
        self.run(&mut command, lines, 0)
    }

    /// Runs the commands of `docs/STOCK-RECIPE.md` literally, if this machine has the tools.
    pub(crate) fn stock_recipe(&self, bundle: &str, lines: Lines) -> Result<()> {
        println!(
            "$ export WHO=alice BUNDLE=$PWD/{bundle} SIGNERS=$PWD/config/vgpu-offline/allowed_signers"
        );
        if let Some(tool) = ["tar", "ssh-keygen", "sha256sum"].into_iter().find(|it| !has(it)) {
            println!("  skipped: needs {tool}");
            return Ok(());
        }
        let mut command = Command::new("sh");
        command.args(["-c", &stock::recipe()]).current_dir(&self.scratch);
        command.env("BUNDLE", self.scratch.join(bundle)).env("WHO", "alice");
        command.env("SIGNERS", self.scratch.join("config/vgpu-offline/allowed_signers"));
        self.run(&mut command, lines, 0)
    }

    /// Returns the fingerprint that the operator has on paper.
    pub(crate) fn fingerprint(&self) -> Result<String> {
        let text = fs::read_to_string(self.scratch.join("config/vgpu-offline/key.pub"))?;
        Ok(text.trim().parse::<PublicKey>()?.fingerprint().to_string())
    }

    fn run(&self, command: &mut Command, lines: Lines, expected: i32) -> Result<()> {
        let output = command
            .env("XDG_CONFIG_HOME", self.scratch.join("config"))
            .env("XDG_CACHE_HOME", self.scratch.join("cache"))
            .env("SOURCE_DATE_EPOCH", "1767225600")
            .env("NO_COLOR", "1")
            .output()?;
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code();
        ensure!(code == Some(expected), "expected exit status {expected}: {command:?}\n{out}{err}");
        let all: Vec<&str> = out.lines().chain(err.lines()).collect();
        let shown: Vec<&str> = match if self.all { Lines::All } else { lines } {
            Lines::All => all.clone(),
            Lines::First(count) => all.iter().copied().take(count).collect(),
            Lines::With(texts) => {
                let is_shown = |line: &&str| texts.iter().any(|text| line.contains(text));
                all.iter().copied().filter(is_shown).collect()
            }
            Lines::Nothing => Vec::new(),
        };
        for line in &shown {
            println!("  {}", self.cut(line));
        }
        if expected != 0 {
            println!("  exit status {expected}");
        }
        Ok(())
    }

    fn shown(&self, words: &[&str]) -> String {
        self.cut(&words.join(" "))
    }

    /// Returns a line without the scratch folder, and not longer than a terminal.
    fn cut(&self, line: &str) -> String {
        let line = line.replace(&format!("{}/", self.scratch), "");
        let mut cut: String = line.chars().take(WIDTH).collect();
        if cut.len() < line.len() {
            cut.push('…');
        }
        cut
    }
}

/// Prints a heading.
pub(crate) fn heading(text: &str) {
    println!("\n━━ {text}");
}

/// Prints a sentence of the demo itself.
pub(crate) fn say(text: &str) {
    println!("  {text}");
}

/// Whether this machine has a program.
pub(crate) fn has(name: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}
