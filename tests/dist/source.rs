//! The sources, and commands whose results depend on nothing else.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use camino::{Utf8Path, Utf8PathBuf};

use crate::programs::Program;

/// The target of both programs.
pub(crate) const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Environment variables that change what a compiler writes.
const FLAGS: [&str; 8] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "RUSTC_WRAPPER",
    "CC",
    "AR",
];

/// Prefixes of such variables: settings of a profile, a target or a build, and the variables that
/// Cargo sets for the program that it runs, which is this one.
const PREFIXES: [&str; 6] = [
    "CARGO_PROFILE_",
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_",
    "CARGO_BUILD_",
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CFLAGS_",
];

/// A checkout of this project.
pub(crate) struct Source {
    pub(crate) folder: Utf8PathBuf,
    pub(crate) version: String,
    /// The time of the commit, or that of `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub(crate) epoch: u64,
    commit: String,
    /// Folders whose paths compilers write into programs, and the names to write instead. If
    /// several match, the last one counts.
    remaps: Vec<(Utf8PathBuf, String)>,
}

impl Source {
    /// Returns the checkout that the current folder is in.
    pub(crate) fn of_current_folder() -> Result<Self> {
        let manifest =
            output(Command::new(cargo()).args(["locate-project", "--workspace"]).args(PLAIN))?;
        let manifest = Utf8PathBuf::from(manifest);
        let folder = manifest.parent().context("`Cargo.toml` has no folder")?.to_owned();
        let text = fs::read_to_string(&manifest)?;
        let table: toml::Table =
            text.parse().with_context(|| format!("cannot read `{manifest}`"))?;
        let package = table.get("workspace").and_then(|it| it.get("package"));
        let version = package.and_then(|it| it.get("version")).and_then(toml::Value::as_str);
        let version = version.with_context(|| format!("`{manifest}` names no version"))?.to_owned();
        let commit = commit(&folder)?;
        let epoch = epoch(&folder)?;
        let remaps = remaps(&folder)?;
        Ok(Self { folder, version, epoch, commit, remaps })
    }

    /// Returns a Cargo command in the checkout whose result depends on the sources and the tools.
    pub(crate) fn cargo(&self, words: &[&str]) -> Command {
        let mut command = Command::new(cargo());
        command.current_dir(&self.folder).args(words);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if FLAGS.contains(&&*text) || PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.env("SOURCE_DATE_EPOCH", self.epoch.to_string());
        command
    }

    /// Returns a command that builds a program in release mode, without this machine's paths in it.
    pub(crate) fn release(&self, words: &[&str], target_dir: &Utf8Path) -> Command {
        let flags: Vec<String> = self
            .remaps
            .iter()
            .map(|(from, to)| format!("'--remap-path-prefix={from}={to}'"))
            .collect();
        let c_flags: Vec<String> =
            self.remaps.iter().map(|(from, to)| format!("-ffile-prefix-map={from}={to}")).collect();
        let mut command = self.cargo(words);
        command.args(["--locked", "--target-dir", target_dir.as_str(), "--config"]);
        command.arg(format!("target.{TARGET}.rustflags = [{}]", flags.join(", ")));
        command.env("CFLAGS", c_flags.join(" "));
        // Incremental builds split crates differently.
        command.env("CARGO_INCREMENTAL", "0");
        command
    }

    /// Returns the inputs of the build besides the sources: another builder needs the same.
    pub(crate) fn build_info(&self, programs: &[Program]) -> Result<String> {
        let mut text = format!(
            "version: {}\ncommit: {}\nsource-date-epoch: {}\n",
            self.version, self.commit, self.epoch
        );
        let mut tools: Vec<&[&str]> =
            vec![&["cargo", "-V"], &["rustc", "-V"], &["cc", "--version"]];
        tools.extend([&["ld", "--version"][..], &["ldd", "--version"], &["dpkg-deb", "--version"]]);
        if programs.contains(&Program::Bundler) {
            tools.push(&["cargo-zigbuild", "-V"]);
        }
        for words in tools {
            writeln!(text, "{}: {}", words[0], self.first_line(words)?)?;
        }
        if programs.contains(&Program::Bundler) {
            // As a package of Python, or on its own.
            let zig = self.first_line(&["python3", "-m", "ziglang", "version"]);
            let zig = zig.or_else(|_| self.first_line(&["zig", "version"]))?;
            writeln!(text, "zig: {zig}")?;
        }
        Ok(text)
    }

    fn first_line(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new(words[0]);
        let said = output(command.args(&words[1..]).current_dir(&self.folder))?;
        Ok(said.lines().next().unwrap_or_default().to_owned())
    }
}

const PLAIN: [&str; 2] = ["--message-format", "plain"];

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn git(folder: &Utf8Path, words: &[&str]) -> Result<String> {
    output(Command::new("git").args(words).current_dir(folder))
}

fn commit(folder: &Utf8Path) -> Result<String> {
    if !folder.join(".git").exists() {
        return Ok("unknown".to_owned());
    }
    let commit = git(folder, &["rev-parse", "HEAD"])?;
    let is_clean = git(folder, &["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Ok(if is_clean { commit } else { format!("{commit}, with local changes") })
}

fn epoch(folder: &Utf8Path) -> Result<u64> {
    let text = match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) if folder.join(".git").exists() => git(folder, &["log", "-1", "--format=%ct"])?,
        Err(_) => bail!("`{folder}` is no git checkout: set SOURCE_DATE_EPOCH"),
    };
    text.parse().with_context(|| format!("`{text}` is not a number of seconds since 1970"))
}

fn remaps(folder: &Utf8Path) -> Result<Vec<(Utf8PathBuf, String)>> {
    let home = env::var("CARGO_HOME").ok().map(Utf8PathBuf::from);
    let home = match home {
        Some(home) => home,
        None => Utf8PathBuf::from(env::var("HOME").context("HOME is not set")?).join(".cargo"),
    };
    let mut remaps = vec![(folder.to_owned(), "/source".to_owned())];
    // A mirror of the registry has a folder of its own.
    let sources = home.join("registry/src");
    for entry in sources.read_dir_utf8().with_context(|| format!("`{sources}`: fetch first"))? {
        remaps.push((entry?.into_path(), "/crates".to_owned()));
    }
    // The standard library, where its sources are installed.
    let details = output(Command::new("rustc").arg("-vV").current_dir(folder))?;
    let hash = details.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]).current_dir(folder))?;
    if let Some(hash) = hash {
        let std = Utf8Path::new(&sysroot).join("lib/rustlib/src/rust");
        remaps.push((std, format!("/rustc/{hash}")));
    }
    Ok(remaps)
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run `{name}`"))?;
    ensure!(status.success(), "`{name}` failed: {status}\n  {command:?}");
    Ok(())
}

/// Returns the output of a command that must succeed, without the last line break.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let said = command.output().with_context(|| format!("cannot run `{name}`"))?;
    ensure!(
        said.status.success(),
        "`{name}` failed: {}\n{}",
        said.status,
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(String::from_utf8(said.stdout)?.trim_end().to_owned())
}
