//! A temporary folder for cargo, and runs of cargo.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::cannot_use;
use crate::items::git::Reach;

/// A temporary folder, removed on drop.
#[derive(Debug)]
pub(super) struct Workshop {
    _dir: tempfile::TempDir,
    top: Utf8PathBuf,
}

/// Files above the folder that would affect the build.
const ABOVE: [&str; 5] =
    ["Cargo.toml", ".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"];

/// The environment variables of a build. All others could change the result.
const KEPT: [&str; 9] = [
    "CARGO_ZIGBUILD_CACHE_DIR",
    "HOME",
    "PATH",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "ZIG_GLOBAL_CACHE_DIR",
    "ZIG_LOCAL_CACHE_DIR",
];

/// The environment of a run of cargo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surroundings {
    /// The configuration of the user, which names the registry.
    Users,
    /// No configuration, for reproducible results.
    Bare,
}

impl Workshop {
    /// Creates a folder without files above it that would affect the build.
    pub(super) fn new() -> anyhow::Result<Self> {
        let place = std::env::temp_dir().to_string_lossy().into_owned();
        let unusable = || format!("cannot use `{place}`");
        let dir = tempfile::Builder::new().prefix("vgpu-unlock-").tempdir();
        let dir = dir.with_context(unusable)?;
        let top = dir.path().canonicalize().with_context(unusable)?;
        let top = Utf8PathBuf::from_path_buf(top);
        let top = top.map_err(|_| anyhow!("cannot use `{place}`: its name is not UTF-8"))?;
        let above = top.ancestors().skip(1);
        let mut found = above.flat_map(|folder| ABOVE.map(|name| folder.join(name)));
        if let Some(found) = found.find(|path| path.exists()) {
            bail!(
                "`{found}` would change the build; set TMPDIR to a folder without such a file above it"
            );
        }
        let workshop = Self { _dir: dir, top };
        for folder in [workshop.sources(), workshop.home()] {
            fs::create_dir(&folder).with_context(|| cannot_use(&folder))?;
        }
        Ok(workshop)
    }

    pub(super) fn top(&self) -> &Utf8Path {
        &self.top
    }

    pub(super) fn sources(&self) -> Utf8PathBuf {
        self.top.join("src")
    }

    /// Returns the `CARGO_HOME` of a bare build.
    fn home(&self) -> Utf8PathBuf {
        self.top.join("home")
    }

    pub(super) fn target(&self) -> Utf8PathBuf {
        self.top.join("target")
    }

    /// Returns a command for cargo or one of its subcommands, in the folder of the sources.
    pub(super) fn cargo(&self, program: &'static str, surroundings: Surroundings) -> Command {
        let mut command = Command::new(program);
        if surroundings == Surroundings::Bare {
            command.env_clear().env("CARGO_HOME", self.home()).env("LC_ALL", "C");
            let kept = KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
            command.envs(kept);
        }
        command
            .current_dir(self.sources())
            .env("CARGO_TARGET_DIR", self.target())
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TERM_PROGRESS_WHEN", "never");
        command
    }

    /// Runs the command; `doing` is for the error. Calls `watch` several times a second with
    /// the last line that the command has printed.
    pub(super) fn run(
        &self,
        mut command: Command,
        program: &'static str,
        doing: &'static str,
        watch: &mut dyn FnMut(&str),
    ) -> anyhow::Result<()> {
        let path = self.top.join("output");
        let mut output = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .with_context(|| cannot_use(&path))?;
        let stderr = output.try_clone().with_context(|| cannot_use(&path))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let cannot_run = || format!("cannot run `{program}`");
        let mut child = command.spawn().with_context(cannot_run)?;
        let status = loop {
            match child.try_wait().with_context(cannot_run)? {
                Some(status) => break status,
                None => thread::sleep(TICK),
            }
            if let Some(line) = last_line(&path) {
                watch(&line);
            }
        };
        if status.success() {
            return Ok(());
        }
        let len = output.metadata().map_or(0, |meta| meta.len());
        let mut last = Vec::new();
        let read = output
            .seek(SeekFrom::Start(len.saturating_sub(LAST_WORDS)))
            .and_then(|_| output.take(LAST_WORDS).read_to_end(&mut last));
        read.with_context(|| cannot_use(&path))?;
        bail!("cargo cannot {doing}: {}", summary(&last))
    }
}

/// The time between two looks at the output.
const TICK: Duration = Duration::from_millis(200);

/// Returns the last complete line of the output.
fn last_line(path: &Utf8Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let len = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(1 << 10))).ok()?;
    let mut end = Vec::new();
    file.take(1 << 10).read_to_end(&mut end).ok()?;
    let end = String::from_utf8_lossy(&end);
    let (lines, _) = end.rsplit_once('\n')?;
    lines.lines().next_back().map(|line| line.trim().to_owned())
}

/// How much of the end of the output is searched for the error, in bytes.
const LAST_WORDS: u64 = 16 << 10;

/// Returns the option that keeps cargo off the network.
pub(super) fn offline(reach: Reach) -> Option<&'static str> {
    (reach == Reach::Here).then_some("--offline")
}

/// Returns the error message of cargo with its causes, escaped for output.
fn summary(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let first = lines.iter().position(|line| line.starts_with("error"));
    let from = first.unwrap_or(lines.len().saturating_sub(4));
    let shown: Vec<&str> = lines.into_iter().skip(from).take(6).collect();
    let shown: String = shown.join("; ").chars().take(600).collect();
    let shown = shown.trim_start_matches("error: ").escape_debug().to_string();
    if shown.is_empty() { "it does not say why".to_owned() } else { shown.replace("\\'", "'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_shown_with_its_cause() {
        let output = b"   Compiling a\nerror: no\x1b[1m\n\nCaused by:\n  because\n";
        assert_eq!(summary(output), "no\\u{1b}[1m; Caused by:; because");
        assert_eq!(summary(b"a\nb"), "a; b");
        assert_eq!(summary(b""), "it does not say why");
    }

    #[test]
    fn a_build_sees_nothing_of_the_user() {
        let workshop = Workshop::new().unwrap();
        let command = workshop.cargo("env", Surroundings::Bare);
        let names: Vec<_> = command.get_envs().filter(|(_, value)| value.is_some()).collect();
        for (name, _) in &names {
            let name = name.to_str().unwrap();
            let ours = name.starts_with("CARGO_") || name == "LC_ALL" || KEPT.contains(&name);
            assert!(ours, "{name}");
        }
        assert!(workshop.sources().is_dir());
        let top = workshop.top().to_owned();
        drop(workshop);
        assert!(!top.exists());
    }
}
