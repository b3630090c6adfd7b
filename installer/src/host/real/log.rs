//! The append-only log of executed commands.
//!
//! The log is for people: no code reads it. Therefore each line is written immediately, and a
//! failed write, for example on a full disk, does not fail the operation.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::timing::{On, Timing};
use super::tree::{self, Tree};
use vgpu_manifest::printable;

use crate::date::Date;
use crate::host::own;
use crate::host::{Command, Output, Secret};

/// The maximum length in bytes of a logged line; longer lines are split.
const LINE: usize = 4 << 10;

/// The number of bytes that are logged of a read-only command's output.
const ANSWER: usize = 16 << 10;

/// An additional destination for log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Echo {
    /// Nowhere.
    #[default]
    Off,
    /// To stderr: `--debug`.
    Terminal,
}

/// The log of a run.
#[derive(Debug, Default)]
pub struct RunLog {
    file: OnceLock<File>,
    echo: Echo,
    secret: OnceLock<Secret>,
    timing: Timing,
}

/// The subject of a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum About {
    /// The program itself.
    Program,
    /// The start of a command that changes the host.
    Run,
    /// The start of a read-only command.
    Look,
    /// The output of a command.
    Says,
    /// The end of a command.
    Exit,
}

impl About {
    fn word(self) -> &'static str {
        match self {
            Self::Program => "     ",
            Self::Run => "run  ",
            Self::Look => "look ",
            Self::Says => "   | ",
            Self::Exit => "exit ",
        }
    }
}

impl RunLog {
    /// Returns a log without a file.
    pub(super) fn of(echo: Echo) -> Self {
        Self { echo, ..Self::default() }
    }

    /// Opens the machine's file to append to it. Only root may read it.
    pub(super) fn open(&self, tree: &Tree) -> io::Result<()> {
        if self.file.get().is_some() {
            return Ok(());
        }
        let of = |path| tree.parent(path)?.ok_or(io::Error::from(io::ErrorKind::NotFound));
        let folder = own::log_dir();
        let (dir, name) = of(&folder)?;
        match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o700)) {
            Err(error) if error != Errno::EXIST => return Err(error.into()),
            _ => {}
        }
        let path = own::log_file();
        let (dir, name) = of(&path)?;
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
        let mode = Mode::from_raw_mode(0o600);
        let fd = rustix::fs::openat(dir, name, flags | OFlags::CLOEXEC, mode)?;
        let file = File::from(fd);
        // Nothing reads a pipe, so writing to it would block once it is full.
        tree::require_regular(&file)?;
        cut_to_last_line(&file)?;
        let _ = self.file.set(file);
        Ok(())
    }

    /// Redacts this secret in the log.
    pub(super) fn hide(&self, secret: Secret) {
        let _ = self.secret.set(secret);
    }

    /// Logs output that the program has already shown.
    pub fn message(&self, text: &str) {
        for line in text.lines() {
            self.write(About::Program, &printable(&self.safe(line)));
        }
    }

    /// Writes a line and echoes it.
    pub(super) fn note(&self, about: About, text: &str) {
        if self.file.get().is_none() && self.echo == Echo::Off {
            return;
        }
        let text = printable(&self.safe(text));
        self.write(about, &text);
        if self.echo == Echo::Terminal {
            let _ = writeln!(io::stderr(), "{}{text}", about.word());
        }
    }

    fn safe(&self, text: &str) -> String {
        self.secret.get().map_or_else(|| text.to_owned(), |secret| secret.hidden_in(text))
    }

    fn write(&self, about: About, text: &str) {
        let Some(mut file) = self.file.get() else { return };
        let (time, process) = (Date::from(SystemTime::now()), std::process::id());
        // One write: lines of several threads and processes do not mix.
        let line = format!("{time} [{process}] {}{text}\n", about.word());
        let _ = file.write_all(line.as_bytes());
    }

    /// Adds time that was spent outside this program.
    pub fn spend(&self, on: On, took: Duration) {
        self.timing.add(on, took);
    }

    /// Writes the exit status, the time and the memory of the program.
    pub fn close(&self, status: u8) {
        let timing = &self.timing;
        self.message(&format!("vgpu-installer ends with status {status} after {timing}"));
    }

    pub(super) fn begin(&self, about: About, command: &Command) -> Instant {
        self.note(about, &command.to_string());
        Instant::now()
    }

    pub(super) fn end(&self, since: Instant, how: &str) {
        let took = since.elapsed();
        self.spend(On::Programs, took);
        if took < Duration::from_millis(100) {
            self.note(About::Exit, how);
        } else {
            self.note(About::Exit, &format!("{how} after {:.1} s", took.as_secs_f64()));
        }
    }

    /// Writes the beginning of a read-only command's output.
    pub(super) fn answer(&self, output: &Output) {
        for bytes in [&output.stdout, &output.stderr] {
            let shown = &bytes[..bytes.len().min(ANSWER)];
            for line in shown.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                self.note(About::Says, &String::from_utf8_lossy(line));
            }
            if shown.len() < bytes.len() {
                self.note(About::Says, &format!("… and {} more bytes", bytes.len() - shown.len()));
            }
        }
    }
}

/// Cuts a file back to the end of its last line.
///
/// After a power cut, a file system can have recorded the new size but not the data, so that the
/// file ends in zeros.
fn cut_to_last_line(file: &File) -> io::Result<()> {
    let mut end = file.metadata()?.len();
    let mut piece = [0; LINE];
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let length = usize::try_from(end - start).unwrap_or(piece.len());
        let piece = &mut piece[..length];
        file.read_exact_at(piece, start)?;
        if let Some(at) = piece.iter().rposition(|b| *b == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < file.metadata()?.len() { file.set_len(end) } else { Ok(()) }
}

/// Splits the output of a running command into lines.
pub(super) struct Lines {
    log: Arc<RunLog>,
    rest: Vec<u8>,
}

impl Lines {
    pub(super) fn new(log: &Arc<RunLog>) -> Self {
        Self { log: Arc::clone(log), rest: Vec::new() }
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // A progress line that overwrites itself counts as many lines.
            if byte == b'\n' || byte == b'\r' || self.rest.len() >= LINE {
                self.flush();
            }
            if byte != b'\n' && byte != b'\r' {
                self.rest.push(byte);
            }
        }
    }

    fn flush(&mut self) {
        if !self.rest.is_empty() {
            self.log.note(About::Says, &String::from_utf8_lossy(&self.rest));
            self.rest.clear();
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use crate::host::door::RawHost as _;
    use crate::host::own;
    use crate::host::real::Exec;
    use crate::host::{Command, Look as _, Node, RealHost, Secret};

    /// Returns a folder whose commands really run, as this user and not confined to it.
    fn host() -> (tempfile::TempDir, RealHost) {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        std::fs::create_dir_all(root.join("var/log")).unwrap();
        (dir, RealHost::open(&root, Exec::Live).unwrap())
    }

    fn log(host: &RealHost) -> String {
        String::from_utf8(host.read(&own::log_file()).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn commands_and_their_output_are_appended_and_never_truncated() {
        let (dir, mut host) = host();
        host.run(&Command::new("echo", &["before"])).unwrap();
        assert!(host.stat(&own::log_file()).unwrap().is_none(), "no log was opened");

        host.begin_log().unwrap();
        host.keep_secret(Secret::new("correct horse".to_owned()).unwrap());
        let words = ["%s\\n", "one", "\u{1b}[2J two", "my correct horse"];
        host.run(&Command::new("printf", &words)).unwrap();
        host.run(&Command::new("sh", &["-c", "echo to stderr >&2; exit 3"])).unwrap_err();
        host.query(&Command::new("echo", &["looked"])).unwrap();
        host.run(&Command::new("no-such-program", &[])).unwrap_err();
        let first = log(&host);
        let expected = [
            "run  printf",
            "   | one",
            "   | \\u{1b}[2J two",
            "   | my (the secret)",
            "exit exit status 0",
            "run  sh -c",
            "   | to stderr",
            "exit exit status 3",
            "look echo looked",
            "   | looked",
            "exit exit status 0",
            "run  no-such-program",
            "exit not started: ",
        ];
        let mut rest = first.as_str();
        for line in expected {
            let at = rest.find(line).unwrap_or_else(|| panic!("{line:?} is not in\n{first}"));
            rest = &rest[at + line.len()..];
        }
        assert!(!first.contains("correct horse") && !first.contains('\u{1b}'), "{first}");
        let is_dated = |line: &str| line.get(19..25) == Some(" UTC [");
        assert!(first.lines().all(is_dated), "{first}");
        let Some(Node::File { meta, .. }) = host.node(&own::log_file()).unwrap() else {
            panic!("there is no log");
        };
        assert_eq!(meta.mode, own::private());

        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let mut again = RealHost::open(&root, Exec::Live).unwrap();
        again.begin_log().unwrap();
        again.run(&Command::new("echo", &["later"])).unwrap();
        assert!(log(&again).starts_with(&first) && log(&again).contains("   | later"));
    }

    #[test]
    fn what_a_power_cut_left_after_the_last_line_is_cut_off() {
        for (left, kept) in [
            ("a line\n".to_owned() + &"\0".repeat(200), "a line\n"),
            ("a line\n".to_owned() + &"\0".repeat(10_000), "a line\n"),
            ("a line\nhalf of a l".to_owned(), "a line\n"),
            ("\0".repeat(5_000), ""),
            ("two\nlines\n".to_owned(), "two\nlines\n"),
        ] {
            let (dir, host) = host();
            let folder = dir.path().join("var/log/vgpu-offline");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("installer.log"), &left).unwrap();
            host.begin_log().unwrap();
            assert_eq!(log(&host), kept, "{} bytes", left.len());
        }
    }
}
