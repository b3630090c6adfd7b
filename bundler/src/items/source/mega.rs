use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use vgpu_manifest::{Measured, PIECE};

use super::Sources;
use crate::fetch::FetchError;
use crate::types::{Expected, MegaLink, Pin};

const CANNOT_RUN: &str = "cannot run `megadl`";

/// The time limit for `megadl` to send data.
const PATIENCE: Duration = Duration::from_mins(2);

/// The number of bytes of its error output that are kept.
const LAST_WORDS: u64 = 4096;

impl Sources<'_> {
    /// Downloads a file from mega with `megadl`, because the protocol is proprietary and encrypted.
    pub(super) fn mega(&self, link: &MegaLink, want: Expected<'_>) -> anyhow::Result<Pin> {
        if let Some(pin) = self.cached(want)? {
            return Ok(pin);
        }
        if self.fetcher.client.is_none() {
            let name = want.name.to_string();
            return Err(FetchError::Offline { name }.into());
        }
        let failed = || format!("cannot get item `{}` from {link}", want.name);
        let measured = self.megadl(link, want).with_context(failed)?;
        Ok(Pin::plain(&measured))
    }

    fn megadl(&self, link: &MegaLink, want: Expected<'_>) -> anyhow::Result<Measured> {
        let transfer = self.fetcher.ui.transfer("fetch", want.name.as_str());
        transfer.expect(want.size, 0);
        let mut running = Running::start(link)?;
        let mut incoming = self.fetcher.cache.incoming()?;
        while let Some(bytes) = running.next()? {
            if incoming.len() + bytes.len() as u64 > want.cap.bytes() {
                bail!("`megadl` sent more than {}", want.cap);
            }
            incoming.add(&bytes)?;
            transfer.advance(bytes.len() as u64);
        }
        // Only the exit status says whether the file is complete: megadl verifies mega's checksum.
        running.finish()?;
        let measured = incoming.finish(want.sha256)?;
        transfer.done(measured.size);
        Ok(measured)
    }
}

/// A running `megadl`, ended on drop.
struct Running {
    child: Child,
    pieces: Receiver<io::Result<Vec<u8>>>,
    words: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    /// Starts it with output to stdout: this applies backpressure, and the remote file name never
    /// reaches this machine.
    fn start(link: &MegaLink) -> anyhow::Result<Self> {
        let mut command = Command::new("megadl");
        command.args(["--no-progress", "--path", "-", link.secret()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!(
                "links to mega need the program `megadl`, which is not installed; install the package `megatools`, or download the file manually and set its `path`"
            ),
            _ => anyhow::Error::new(error).context(CANNOT_RUN),
        })?;
        let missing = || anyhow!("it has no output").context(CANNOT_RUN);
        let mut out = child.stdout.take().ok_or_else(missing)?;
        let err = child.stderr.take().ok_or_else(missing)?;
        // A read could block forever, so a thread reads and this one waits with a timeout.
        let (sender, pieces) = mpsc::sync_channel(2);
        thread::spawn(move || {
            loop {
                let mut piece = vec![0; PIECE];
                let read = out.read(&mut piece).map(|n| {
                    piece.truncate(n);
                    piece
                });
                let is_last = read.as_ref().map_or(true, Vec::is_empty);
                if sender.send(read).is_err() || is_last {
                    return;
                }
            }
        });
        let words = thread::spawn(move || last_words(err));
        Ok(Self { child, pieces, words: Some(words) })
    }

    /// Returns further bytes; `None` at the end.
    fn next(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        match self.pieces.recv_timeout(PATIENCE) {
            Ok(Ok(piece)) => Ok(Some(piece).filter(|piece| !piece.is_empty())),
            Ok(Err(error)) => Err(error).context(CANNOT_RUN),
            Err(RecvTimeoutError::Timeout) => {
                bail!("`megadl` sent no data for {} s", PATIENCE.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    /// Waits for the exit, and returns an error if it failed.
    fn finish(mut self) -> anyhow::Result<()> {
        let status = self.child.wait().context(CANNOT_RUN)?;
        let words = self.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&words);
        let last = words.lines().rev().find(|line| !line.trim().is_empty());
        let last = last.map_or_else(|| status.to_string(), str::to_owned);
        bail!("`megadl` failed: {}", last.escape_debug())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program has exited, or its remaining output is not needed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the end of a program's output, of any length.
fn last_words(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    loop {
        let mut more = Vec::new();
        match from.by_ref().take(LAST_WORDS).read_to_end(&mut more) {
            Ok(1..) => {
                kept.extend(more);
                let excess = kept.len().saturating_sub(usize::try_from(LAST_WORDS).unwrap_or(0));
                kept.drain(..excess);
            }
            _ => return kept,
        }
    }
}
