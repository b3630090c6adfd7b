//! The time that commands take, and the system calls that they make.

use std::fs;
use std::ops::Add;
use std::process::Command;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;

/// The time that a command took, or that several took together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    pub(super) wall: Duration,
    /// The time on all cores, of the command and its descendants.
    pub(super) cpu: Duration,
}

/// The start of a measurement.
pub(super) struct Begun(Instant, Duration);

impl Spent {
    /// Starts to measure the next command.
    pub(super) fn so_far() -> Begun {
        Begun(Instant::now(), cpu_of_children())
    }
}

impl Begun {
    /// Returns the time since then.
    pub(super) fn until_now(self) -> Spent {
        Spent { wall: self.0.elapsed(), cpu: cpu_of_children().saturating_sub(self.1) }
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { wall: self.wall + other.wall, cpu: self.cpu + other.cpu }
    }
}

/// Returns `cutime` and `cstime` of `proc_pid_stat(5)`, in which the kernel counts ticks of 10 ms.
fn cpu_of_children() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program, in parentheses, may contain spaces.
    let fields = text.rsplit_once(") ").unwrap().1.split(' ');
    let ticks: u64 = fields.skip(13).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// A trace of every command, in files of this machine.
#[derive(Debug)]
pub(super) struct Watch {
    folder: tempfile::TempDir,
    arguments: &'static [&'static str],
    /// The number of commands so far.
    traced: usize,
}

impl Watch {
    /// Traces the system calls that these arguments of strace select.
    pub(super) fn new(arguments: &'static [&'static str]) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), arguments, traced: 0 }
    }

    /// Returns the same command under strace, which follows all of its descendants.
    pub(super) fn over(&mut self, command: &Command) -> Command {
        self.traced += 1;
        let mut strace = Command::new("strace");
        strace.args(["--follow-forks", "--seccomp-bpf", "--quiet=all", "--output"]);
        strace.arg(self.file(self.traced)).args(self.arguments).arg("--");
        strace.arg(command.get_program()).args(command.get_args());
        // A command in a root has no other environment.
        strace.env_clear();
        strace.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        strace.stdin(std::process::Stdio::null());
        strace
    }

    /// Returns the trace of the last command.
    pub(super) fn last(&self) -> String {
        self.trace(self.traced)
    }

    /// Returns the trace of one command; the first has the number 1.
    pub(super) fn trace(&self, number: usize) -> String {
        fs::read_to_string(self.file(number)).unwrap()
    }

    fn file(&self, number: usize) -> Utf8PathBuf {
        let folder = Utf8PathBuf::from_path_buf(self.folder.path().to_owned()).unwrap();
        folder.join(number.to_string())
    }
}
