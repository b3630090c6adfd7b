//! A single thread that packs for all others.
//!
//! Packing takes about 30 MiB. The C library keeps freed memory per thread, so with one packing
//! thread for each archive the process would hold that many times 30 MiB.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, anyhow};

use super::CANNOT_WRITE;
use super::pack::write;
use super::scan::Node;

/// A request for an archive.
struct Task {
    nodes: Vec<Node>,
    answers: SyncSender<Answer>,
}

/// A message to the requesting thread.
enum Answer {
    /// The number of bytes read since the last message.
    Read(usize),
    /// The next bytes of the archive.
    Packed(Vec<u8>),
    /// The result: the length of the archive before compression.
    Ended(anyhow::Result<u64>),
}

/// The number of queued messages: a few hundred KiB.
const AHEAD: usize = 16;

static PACKER: Mutex<Option<Sender<Task>>> = Mutex::new(None);

/// Writes the archive of `nodes` to `out`, and returns its length before compression.
///
/// `progress` is called with the number of bytes read since the last call.
pub(crate) fn pack(
    nodes: Vec<Node>,
    out: &mut dyn Write,
    progress: &dyn Fn(usize),
) -> anyhow::Result<u64> {
    let (sender, answers) = mpsc::sync_channel(AHEAD);
    let gone = || anyhow!("{CANNOT_WRITE}: the thread that packs is gone");
    let packer = packer().context(CANNOT_WRITE)?;
    packer.send(Task { nodes, answers: sender }).map_err(|_| gone())?;
    for answer in answers {
        match answer {
            Answer::Read(count) => progress(count),
            Answer::Packed(bytes) => out.write_all(&bytes).context(CANNOT_WRITE)?,
            Answer::Ended(ended) => return ended,
        }
    }
    Err(gone())
}

/// Returns the channel to the thread, which is started on first use and never ends.
fn packer() -> io::Result<Sender<Task>> {
    let mut packer = PACKER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(packer) = &*packer {
        return Ok(packer.clone());
    }
    let (sender, tasks) = mpsc::channel();
    thread::Builder::new().name("packer".to_owned()).spawn(move || work(&tasks))?;
    *packer = Some(sender.clone());
    Ok(sender)
}

fn work(tasks: &Receiver<Task>) {
    for Task { nodes, answers } in tasks {
        // After the requesting thread has given up, writing fails and ends this task.
        let progress = |count| drop(answers.send(Answer::Read(count)));
        let ended = write(&nodes, &mut Pieces(&answers), &progress);
        drop(answers.send(Answer::Ended(ended)));
    }
}

/// A writer that sends the bytes as messages.
struct Pieces<'s>(&'s SyncSender<Answer>);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(Answer::Packed(bytes.to_vec()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
