//! Interleaved runs of two sides, compared by their medians.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

/// The number of runs of each side.
pub(crate) const ROUNDS: usize = 7;

/// The commands of one side, in order.
pub(crate) type Side<'s> = dyn Fn() -> Vec<Command> + 's;

/// A comparison of this project with another tool.
pub(crate) struct Race {
    what: &'static str,
    bar: f64,
    memory_mib: u64,
    cold: Option<Utf8PathBuf>,
}

/// The measurements of one run.
struct Taken {
    time: Duration,
    memory_kib: u64,
}

impl Race {
    /// Starts a comparison in which this project may take at most `bar` times as long as the other
    /// tool.
    pub(crate) fn new(what: &'static str, bar: f64) -> Self {
        Self { what, bar, memory_mib: u64::MAX, cold: None }
    }

    /// Limits the memory of this project, in MiB.
    pub(crate) fn memory(self, mib: u64) -> Self {
        Self { memory_mib: mib, ..self }
    }

    /// Drops `file` from the page cache before each run.
    pub(crate) fn cold(self, file: &Utf8Path) -> Self {
        Self { cold: Some(file.to_owned()), ..self }
    }

    /// Runs both sides in turn and returns the row of the table.
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

/// Runs the commands with GNU time, which reports the peak memory of each.
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
        // 5: nodes differ; 10: a reboot is needed.
        assert!(matches!(output.status.code(), Some(0 | 5 | 10)), "{command:?}: {said}");
        let peak = said.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0);
        memory_kib = memory_kib.max(peak);
    }
    Taken { time: start.elapsed(), memory_kib }
}

/// Checks whether a tool is installed; the table omits missing ones.
pub(crate) fn have(tool: &str) -> bool {
    Command::new(tool).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}
