//! The one thread that packs, for all others.
//!
//! Packing takes some 30 MiB. The C library keeps what a thread has freed for that thread, so if
//! each packed its own archive, one after the other, the process would have that many times 30 MiB.

use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, anyhow};

use super::CANNOT_WRITE;
use super::pack::write;
use super::scan::Node;

/// An archive that is wanted.
struct Task {
    nodes: Vec<Node>,
    said: SyncSender<Said>,
}

/// What whoever wants it is told.
enum Said {
    /// So many more bytes of the files have been read.
    Read(usize),
    /// The next bytes of the archive.
    Packed(Vec<u8>),
    /// It ended, with the archive's length before compression.
    Ended(anyhow::Result<u64>),
}

/// How many messages may wait: some hundred KiB.
const AHEAD: usize = 16;

static PACKER: Mutex<Option<Sender<Task>>> = Mutex::new(None);

/// Write the archive of `nodes` to `out`, and return its length before compression.
///
/// `progress` is told how many more bytes of the files have been read.
pub(crate) fn pack(
    nodes: Vec<Node>,
    out: &mut dyn Write,
    progress: &dyn Fn(usize),
) -> anyhow::Result<u64> {
    let (said, answers) = mpsc::sync_channel(AHEAD);
    let gone = || anyhow!("{CANNOT_WRITE}: the thread that packs is gone");
    let packer = packer().context(CANNOT_WRITE)?;
    packer.send(Task { nodes, said }).map_err(|_| gone())?;
    for answer in answers {
        match answer {
            Said::Read(count) => progress(count),
            Said::Packed(bytes) => out.write_all(&bytes).context(CANNOT_WRITE)?,
            Said::Ended(ended) => return ended,
        }
    }
    Err(gone())
}

/// The thread, which is started when it is first needed and lives as long as the process.
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
    for Task { nodes, said } in tasks {
        // If nobody listens any more, writing fails, and with it the rest.
        let progress = |count| drop(said.send(Said::Read(count)));
        let ended = write(&nodes, &mut Pieces(&said), &progress);
        drop(said.send(Said::Ended(ended)));
    }
}

/// Hands on what is written to it.
struct Pieces<'s>(&'s SyncSender<Said>);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.send(Said::Packed(bytes.to_vec()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
