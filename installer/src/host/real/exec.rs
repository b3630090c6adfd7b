use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::lock::Held;
use super::log::{About, Lines, RunLog};
use super::network;
use super::tree::{self, Tree};
use crate::host::own;
use crate::host::{Command, Exit, HostError, HostPath, MAX_READ, Output, Secret, Stat, Verb};

/// The handling of an installation's commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exec {
    /// Runs them directly: the machine is the running system.
    Live,
    /// Runs them with the prepared folder as their root directory, which requires root.
    Chroot,
    /// Does not run them. Commands that would change the machine are listed in its `commands.log`.
    Record,
}

/// The number of bytes of output that an error message keeps.
const TAIL: usize = 64 << 10;

/// The search path for programs, as root has it on a Proxmox host.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The place where a command runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) tree: &'p Tree,
    pub(super) exec: Exec,
    /// The lock that the command inherits, if it changes anything.
    pub(super) lock: Option<&'p Held>,
}

/// Runs a command that changes the host, and returns the end of its output.
pub(super) fn run(
    place: Place<'_>,
    command: &Command,
    secret: Option<&Secret>,
    log: &Arc<RunLog>,
) -> Result<String, HostError> {
    if place.exec == Exec::Record {
        return record(place.tree, command).map(|()| String::new());
    }
    let input = input(command, secret)?;
    let since = log.begin(About::Run, command);
    let ended = spawn_merged(place, command, input, Lines::new(log));
    log.end(since, &how(ended.as_ref().map(|(status, _)| *status)));
    let (status, tail) =
        ended.map_err(|source| HostError::Start { command: command.clone(), source })?;
    let tail = String::from_utf8_lossy(&tail).into_owned();
    if status.success() {
        return Ok(tail);
    }
    Err(HostError::Failed { command: command.clone(), exit: exit(status), tail })
}

/// The answers of read-only commands in this run.
#[derive(Debug, Default)]
pub(super) struct QueryCache(Vec<(Command, Option<Output>)>);

impl QueryCache {
    pub(super) fn answer(
        &mut self,
        command: &Command,
        query: impl FnOnce() -> Result<Option<Output>, HostError>,
    ) -> Result<Option<Output>, HostError> {
        if let Some((_, answer)) = self.0.iter().find(|(asked, _)| asked == command) {
            return Ok(answer.clone());
        }
        let answer = query()?;
        self.0.push((command.clone(), answer.clone()));
        Ok(answer)
    }
}

/// The answers of commands that depend only on a tree, with the state of that tree.
#[derive(Debug, Default)]
pub(super) struct TreeCache(Vec<(Command, BTreeMap<HostPath, Stat>, Output)>);

impl TreeCache {
    /// Returns the answer to `command` about a tree in this state.
    pub(super) fn answer(
        &mut self,
        command: &Command,
        tree: BTreeMap<HostPath, Stat>,
        query: impl FnOnce() -> Result<Option<Output>, HostError>,
    ) -> Result<Option<Output>, HostError> {
        let known = self.0.iter().find(|(asked, was, _)| asked == command && *was == tree);
        if let Some((.., answer)) = known {
            return Ok(Some(answer.clone()));
        }
        let answer = query()?;
        if let Some(answer) = &answer {
            self.0.retain(|(asked, ..)| asked != command);
            self.0.push((command.clone(), tree, answer.clone()));
        }
        Ok(answer)
    }
}

/// Runs a read-only command.
pub(super) fn query(
    place: Place<'_>,
    command: &Command,
    log: &RunLog,
) -> Result<Option<Output>, HostError> {
    if place.exec == Exec::Record {
        return Ok(None);
    }
    let input = input(command, None)?;
    let since = log.begin(About::Look, command);
    let ended = spawn_split(place, command, input);
    if let Ok(output) = &ended {
        log.answer(output);
    }
    log.end(since, &ended.as_ref().map_or_else(not_started, |output| output.exit.to_string()));
    ended.map(Some).map_err(|source| HostError::Start { command: command.clone(), source })
}

/// Runs a read-only command with this standard input, and passes its stdout on as it comes.
pub(super) fn stream(
    place: Place<'_>,
    command: &Command,
    log: &RunLog,
    input: BorrowedFd<'_>,
    take: &mut dyn io::Write,
) -> Result<Option<Output>, HostError> {
    if place.exec == Exec::Record {
        return Ok(None);
    }
    let since = log.begin(About::Look, command);
    let ended = spawn_streaming(place, command, input, take);
    log.end(since, &ended.as_ref().map_or_else(not_started, |output| output.exit.to_string()));
    ended.map(Some).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => HostError::Start { command: command.clone(), source },
        _ => HostError::Output { command: command.clone(), source },
    })
}

fn spawn_streaming(
    place: Place<'_>,
    command: &Command,
    input: BorrowedFd<'_>,
    take: &mut dyn io::Write,
) -> io::Result<Output> {
    let [(mut out, out_end), (err, err_end)] = [io::pipe()?, io::pipe()?];
    let mut process = prepare(place, command);
    let process_input = input.try_clone_to_owned()?;
    process.stdin(process_input).stdout(out_end).stderr(err_end);
    let mut child = place.spawn(command, process)?;
    let stderr = collect(err, Keep::Tail, None);
    let copied = io::copy(&mut out, take);
    if copied.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    copied?;
    Ok(Output { exit: exit(status), stdout: Vec::new(), stderr: stderr.received()? })
}

fn how(ended: Result<ExitStatus, &io::Error>) -> String {
    ended.map_or_else(not_started, |status| exit(status).to_string())
}

fn not_started(error: &io::Error) -> String {
    format!("not started: {error}")
}

/// One pipe for stdout and stderr, so that their lines stay in order.
fn spawn_merged(
    place: Place<'_>,
    command: &Command,
    input: Option<Zeroizing<String>>,
    lines: Lines,
) -> io::Result<(ExitStatus, Vec<u8>)> {
    let (reader, writer) = io::pipe()?;
    let mut process = prepare(place, command);
    process.stdout(writer.try_clone()?).stderr(writer);
    let child = place.spawn(command, process)?;
    let tail = collect(reader, Keep::Tail, Some(lines));
    let status = feed_and_wait(child, input)?;
    Ok((status, tail.received()?))
}

fn spawn_split(
    place: Place<'_>,
    command: &Command,
    input: Option<Zeroizing<String>>,
) -> io::Result<Output> {
    let [(out, out_end), (err, err_end)] = [io::pipe()?, io::pipe()?];
    let mut process = prepare(place, command);
    process.stdout(out_end).stderr(err_end);
    let child = place.spawn(command, process)?;
    let [stdout, stderr] = [collect(out, Keep::All, None), collect(err, Keep::Tail, None)];
    let status = feed_and_wait(child, input)?;
    Ok(Output { exit: exit(status), stdout: stdout.received()?, stderr: stderr.received()? })
}

/// Returns the process to start: a small fixed environment, the root directory as working
/// directory, no terminal.
///
/// Nothing is inherited: `vgpu-installer guard` runs in hooks of dpkg, and with their
/// `DEB_MAINT_PARAMS=remove` the hooks that `proxmox-boot-tool refresh` runs would do nothing
/// (proxmox-kernel-helper 8.1.0, `zz-proxmox-boot`).
fn prepare(place: Place<'_>, command: &Command) -> std::process::Command {
    let mut words = command.words();
    if place.exec == Exec::Chroot {
        words.splice(0..0, ["chroot", place.tree.path().as_str()]);
    }
    let mut process = std::process::Command::new(words[0]);
    let reads = command.input().is_some() || command.secret().is_some();
    let stdin = if reads { Stdio::piped() } else { Stdio::null() };
    process
        .args(&words[1..])
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .current_dir("/")
        .stdin(stdin);
    process
}

impl Place<'_> {
    /// Starts a process. One that changes anything inherits the lock, and gets a process group of
    /// its own: Ctrl-C in a terminal would otherwise cut it off.
    fn spawn(self, command: &Command, mut process: std::process::Command) -> io::Result<Child> {
        let program = command.words()[0];
        match self.lock {
            Some(lock) => {
                process.process_group(0);
                lock.lend(command, || network::spawn(program, process))
            }
            None => network::spawn(program, process),
        }
    }
}

/// Writes a command's standard input.
fn input(
    command: &Command,
    secret: Option<&Secret>,
) -> Result<Option<Zeroizing<String>>, HostError> {
    match (command.secret(), secret) {
        (None, _) => Ok(command.input().map(|input| Zeroizing::new(input.to_owned()))),
        (Some(how), Some(secret)) => Ok(Some(secret.input(how))),
        (Some(_), None) => Err(HostError::NoSecret { command: command.clone() }),
    }
}

fn feed_and_wait(mut child: Child, input: Option<Zeroizing<String>>) -> io::Result<ExitStatus> {
    let mut fed = Ok(());
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        fed = match stdin.write_all(input.as_bytes()) {
            // A program may exit without reading to the end; its status tells whether that was an
            // error.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        };
    }
    // Also after an error: this run must not end, and release the lock, before its command.
    let status = child.wait()?;
    fed.map(|()| status)
}

/// The part of a command's output that is kept.
#[derive(Clone, Copy)]
enum Keep {
    /// The last [`TAIL`] bytes.
    Tail,
    /// Everything; more than [`MAX_READ`] is an error.
    All,
}

/// The bytes read from a pipe so far, and the notification of its end.
struct Collected {
    kept: Arc<Mutex<Vec<u8>>>,
    end: Receiver<io::Result<()>>,
}

/// Reads the pipe to its end in parallel with the command, which would block on a full pipe.
fn collect(mut reader: PipeReader, keep: Keep, mut lines: Option<Lines>) -> Collected {
    let (sender, end) = mpsc::channel();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let collected = Collected { kept: Arc::clone(&kept), end };
    thread::spawn(move || {
        let mut buffer = [0; 8 << 10];
        let result = loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break Err(error),
            };
            if let Some(lines) = &mut lines {
                lines.take(&buffer[..n]);
            }
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(&buffer[..n]);
            match keep {
                Keep::Tail if kept.len() > 2 * TAIL => {
                    let surplus = kept.len() - TAIL;
                    kept.drain(..surplus);
                }
                Keep::All if kept.len() as u64 > MAX_READ => {
                    break Err(io::Error::new(
                        io::ErrorKind::FileTooLarge,
                        "its output is larger than 1 MiB",
                    ));
                }
                _ => {}
            }
        };
        // Log the rest of an incomplete line before the caller continues.
        drop(lines.take());
        // The receiver is gone only if the command left a daemon behind and the wait timed out.
        let _ = sender.send(result);
    });
    collected
}

/// The time for which a pipe may stay open after its command has ended: a daemon may have inherited
/// it.
const LINGER: Duration = Duration::from_secs(2);

impl Collected {
    /// Returns all received bytes. The output is kept even if a daemon holds the pipe open.
    fn received(self) -> io::Result<Vec<u8>> {
        self.end.recv_timeout(LINGER).unwrap_or(Ok(()))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut kept))
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => unreachable!("a process that was waited for has exited or was killed"),
    }
}

/// Adds the command to the list of commands that were not run.
fn record(tree: &Tree, command: &Command) -> Result<(), HostError> {
    let path = own::commands_log();
    append(tree, &path, command).map_err(|error| HostError::path(Verb::Write, &path, error))
}

fn append(tree: &Tree, path: &HostPath, command: &Command) -> io::Result<()> {
    let (dir, name) = tree.parent(path)?.ok_or(io::ErrorKind::NotFound)?;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW;
    // Opening or writing a pipe would wait for a reader.
    let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o600))?;
    let mut file = std::fs::File::from(fd);
    tree::require_regular(&file)?;
    writeln!(file, "{command}")?;
    file.sync_data()
}
