//! Running two things in turn and comparing their medians.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

/// How often each side of a comparison runs.
pub(crate) const ROUNDS: usize = 7;

/// What one side does: commands, one after the other.
pub(crate) type Side<'s> = dyn Fn() -> Vec<Command> + 's;

/// A comparison of something of ours with something else.
pub(crate) struct Race {
    what: &'static str,
    bar: f64,
    memory_mib: u64,
    cold: Option<Utf8PathBuf>,
}

/// What one run took.
struct Taken {
    time: Duration,
    memory_kib: u64,
}

impl Race {
    /// Ours must take at most `bar` times as long as the other.
    pub(crate) fn new(what: &'static str, bar: f64) -> Self {
        Self { what, bar, memory_mib: u64::MAX, cold: None }
    }

    /// Ours may use this many MiB.
    pub(crate) fn memory(self, mib: u64) -> Self {
        Self { memory_mib: mib, ..self }
    }

    /// Drop `file` from the page cache before each run.
    pub(crate) fn cold(self, file: &Utf8Path) -> Self {
        Self { cold: Some(file.to_owned()), ..self }
    }

    /// Run both in turn and describe the outcome as a row of the table.
    pub(crate) fn against(self, other: &str, ours: &Side<'_>, theirs: &Side<'_>) -> String {
        let mut times = [Vec::new(), Vec::new()];
        let mut memory = 0;
        for _ in 0..ROUNDS {
            for (index, side) in [ours, theirs].into_iter().enumerate() {
                let commands = side();
                self.chill();
                let taken = run(commands);
                times[index].push(taken.time);
                if index == 0 {
                    memory = memory.max(taken.memory_kib);
                }
            }
        }
        let [ours, theirs] = times.map(median);
        let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
        let mib = memory.div_ceil(1024);
        let holds = ratio <= self.bar && mib <= self.memory_mib;
        let (bar, holds) = if self.bar.is_finite() {
            (format!("≤ {:.2}", self.bar), if holds { "yes" } else { "**no**" })
        } else {
            ("–".to_owned(), if mib <= self.memory_mib { "–" } else { "**no**" })
        };
        let Self { what, .. } = self;
        format!(
            "| {what} | {:.0} ms | {other} | {:.0} ms | {ratio:.2} | {bar} | {holds} | {mib} MiB |",
            ours.as_secs_f64() * 1e3,
            theirs.as_secs_f64() * 1e3,
        )
    }

    fn chill(&self) {
        let Some(path) = &self.cold else { return };
        let file = std::fs::File::open(path).unwrap();
        file.sync_all().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Run the commands through GNU time, which knows the peak memory of each.
fn run(commands: Vec<Command>) -> Taken {
    let start = Instant::now();
    let mut memory_kib = 0;
    for command in commands {
        let mut timed = Command::new("/usr/bin/time");
        timed
            .args(["--quiet", "-f", "%M", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        for (key, value) in command.get_envs() {
            if let Some(value) = value {
                timed.env(key, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            timed.current_dir(folder);
        }
        let output = timed.stdin(Stdio::null()).stdout(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 10)), "{command:?}: {said}");
        let peak = said.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0);
        memory_kib = memory_kib.max(peak);
    }
    Taken { time: start.elapsed(), memory_kib }
}

/// Whether a tool is installed; the table leaves out what is not.
pub(crate) fn have(tool: &str) -> bool {
    Command::new(tool).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
