//! Waiting for a program that may never end, or bring more than anybody can use.

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

use super::error::{PIPE, Refused, tell};

/// What is watched while a program runs.
#[derive(Clone, Copy)]
pub(super) struct Watched<'w> {
    /// The folder that it fills.
    pub(super) folder: &'w Utf8Path,
    /// How much larger the folder may become.
    pub(super) cap: ByteSize,
    /// Told how much the folder has grown.
    pub(super) progress: &'w dyn Fn(u64),
}

/// How often it is looked after.
const STEP: Duration = Duration::from_millis(20);

/// How long nothing may happen. Servers say how far they are when they compute something.
const PATIENCE: Duration = Duration::from_mins(2);

/// How much of the last words is kept, in bytes.
const LAST_WORDS: usize = 4096;

/// The most that an answer may have, in bytes.
const LONGEST_ANSWER: usize = 1 << 20;

/// Which end of what a program says matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    Beginning,
    End,
}

/// What a program says, read as it comes: a pipe that fills up would stop it.
struct Said {
    reader: JoinHandle<Vec<u8>>,
    count: Arc<AtomicU64>,
}

impl Said {
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

/// Wait for `child`, and return what it answers.
pub(super) fn run(
    mut child: Child,
    doing: &str,
    watched: Option<Watched<'_>>,
) -> anyhow::Result<Vec<u8>> {
    let answer = child.stdout.take().map(|pipe| Said::read(pipe, Keep::Beginning));
    let words = child.stderr.take().map(|pipe| Said::read(pipe, Keep::End));
    let count = || [&answer, &words].into_iter().flatten().map(Said::count).sum::<u64>();
    let status = wait(&mut child, doing, watched, &count)?;
    let too_long = answer.as_ref().is_some_and(|it| it.count() > LONGEST_ANSWER as u64);
    let finish = |said: Option<Said>| said.and_then(|said| said.reader.join().ok());
    let (answer, words) = (finish(answer).unwrap_or_default(), finish(words).unwrap_or_default());
    if !status.success() {
        return Err(Refused { doing: doing.to_owned(), said: tell(&words) }.into());
    }
    ensure!(!too_long, "git cannot {doing}: the answer has more than {LONGEST_ANSWER} bytes");
    Ok(answer)
}

/// Wait until it ends, and make it end when nothing happens or too much comes.
fn wait(
    child: &mut Child,
    doing: &str,
    watched: Option<Watched<'_>>,
    said: &dyn Fn() -> u64,
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
        if (grown, said()) != alive {
            (alive, since) = ((grown, said()), Instant::now());
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

/// Politely, so that git can stop its own children and remove what is half there.
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

/// How many bytes the files in a folder have. What vanishes meanwhile does not count.
fn size(folder: &Utf8Path) -> u64 {
    let Ok(entries) = folder.read_dir_utf8() else { return 0 };
    let size = |entry: Utf8DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
