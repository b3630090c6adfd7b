//! Supervision of a program that may hang, or produce too much.

use std::io::Read;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use camino::{Utf8DirEntry, Utf8Path};
use rustix::process::{Pid, Signal};
use vgpu_manifest::ui::ByteSize;

use super::error::{PIPE, Refused, reason};

/// The limits of a running program.
#[derive(Clone, Copy)]
pub(super) struct Watched<'w> {
    /// The folder that the program writes to.
    pub(super) folder: &'w Utf8Path,
    /// The most that the folder may grow.
    pub(super) cap: ByteSize,
    /// Called with the growth of the folder in bytes.
    pub(super) progress: &'w dyn Fn(u64),
}

/// The polling interval.
const STEP: Duration = Duration::from_millis(20);

/// The longest silence. Servers report progress while they compute.
const PATIENCE: Duration = Duration::from_mins(2);

/// How much of the end of stderr is kept, in bytes.
const LAST_WORDS: usize = 4096;

/// The longest output, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// The end of an output to keep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Beginning,
    End,
}

/// A thread that reads an output continuously, because a full pipe would block the program.
struct Output {
    reader: JoinHandle<Vec<u8>>,
    count: Arc<AtomicU64>,
}

impl Output {
    fn read(mut pipe: impl Read + Send + 'static, keep: Keep) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&count);
        let reader = thread::spawn(move || {
            let mut kept = Vec::new();
            let mut buf = [0; LAST_WORDS];
            while let Ok(n @ 1..) = pipe.read(&mut buf) {
                counter.fetch_add(n as u64, Ordering::Relaxed);
                if keep == Keep::End {
                    kept.extend_from_slice(&buf[..n]);
                    let excess = kept.len().saturating_sub(LAST_WORDS);
                    kept.drain(..excess);
                } else if kept.len() < LONGEST_ANSWER {
                    kept.extend_from_slice(&buf[..n]);
                }
            }
            kept
        });
        Self { reader, count }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Waits for `child` and returns its output.
pub(super) fn run(
    mut child: Child,
    doing: &str,
    watched: Option<Watched<'_>>,
) -> anyhow::Result<Vec<u8>> {
    let answer = child.stdout.take().map(|pipe| Output::read(pipe, Keep::Beginning));
    let words = child.stderr.take().map(|pipe| Output::read(pipe, Keep::End));
    let count = || [&answer, &words].into_iter().flatten().map(Output::count).sum::<u64>();
    let status = wait(&mut child, doing, watched, &count)?;
    let too_long = answer.as_ref().is_some_and(|it| it.count() > LONGEST_ANSWER as u64);
    let finish = |output: Option<Output>| output.and_then(|output| output.reader.join().ok());
    let (answer, words) = (finish(answer).unwrap_or_default(), finish(words).unwrap_or_default());
    if !status.success() {
        return Err(Refused { doing: doing.to_owned(), why: reason(&words) }.into());
    }
    ensure!(!too_long, "git cannot {doing}: the answer has more than {LONGEST_ANSWER} bytes");
    Ok(answer)
}

/// Waits for the program, and stops it after a silence or on too much output.
fn wait(
    child: &mut Child,
    doing: &str,
    watched: Option<Watched<'_>>,
    received: &dyn Fn() -> u64,
) -> anyhow::Result<ExitStatus> {
    let size = || watched.map_or(0, |watched| size(watched.folder));
    let before = size();
    let mut alive = (0, 0);
    let mut since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context(PIPE)? {
            return Ok(status);
        }
        let grown = size().saturating_sub(before);
        if (grown, received()) != alive {
            (alive, since) = ((grown, received()), Instant::now());
            if let Some(watched) = watched {
                (watched.progress)(grown);
            }
        }
        if since.elapsed() > PATIENCE {
            stop(child);
            bail!("git cannot {doing}: nothing has come for {} s", PATIENCE.as_secs());
        }
        if let Some(Watched { cap, .. }) = watched.filter(|it| grown > it.cap.bytes()) {
            stop(child);
            bail!("git cannot {doing}: it is more than {cap}");
        }
        thread::sleep(STEP);
    }
}

/// Stops the program with SIGTERM first, so that git can stop its children and clean up.
fn stop(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            if matches!(child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(STEP);
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Returns the bytes of all files in a folder. Files that vanish meanwhile do not count.
fn size(folder: &Utf8Path) -> u64 {
    let Ok(entries) = folder.read_dir_utf8() else { return 0 };
    let size = |entry: Utf8DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
