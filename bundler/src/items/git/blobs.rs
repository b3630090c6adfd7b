use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, bail, ensure};
use camino::Utf8Path;

use super::error::PIPE;
use super::list::Entry;
use super::program::Git;

/// The bytes of files as committed, without filters and attributes.
///
/// One git process serves all of them, one after the other.
#[derive(Debug)]
pub(crate) struct Blobs {
    child: Child,
    ask: Option<ChildStdin>,
    answer: BufReader<ChildStdout>,
}

const ANSWER: &str = "git gave an unexpected answer about a file";

impl Blobs {
    pub(super) fn start(repository: &Utf8Path) -> anyhow::Result<Self> {
        let mut command = Git::at(repository).command(&["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context(PIPE)?;
        let ask = child.stdin.take();
        let answer = child.stdout.take().map(BufReader::new);
        let answer = answer.context(PIPE)?;
        Ok(Self { child, ask, answer })
    }

    /// Passes all bytes of `entry` to `out`.
    pub(crate) fn copy(
        &mut self,
        entry: &Entry,
        out: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut left = self.begin(entry)?;
        let mut buf = vec![0; 64 << 10];
        while left > 0 {
            let most = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = self.answer.read(&mut buf[..most]).context(PIPE)?;
            if n == 0 {
                bail!(ANSWER);
            }
            out(&buf[..n])?;
            left -= n as u64;
        }
        let mut end = [0];
        self.answer.read_exact(&mut end).context(PIPE)?;
        ensure!(end == *b"\n", ANSWER);
        Ok(())
    }

    /// Requests `entry` and returns how many bytes follow, as stated by the list of the commit.
    fn begin(&mut self, entry: &Entry) -> anyhow::Result<u64> {
        let ask = self.ask.as_mut().context(ANSWER)?;
        writeln!(ask, "{}", entry.object).and_then(|()| ask.flush()).context(PIPE)?;
        let mut head = String::new();
        // The line is an id, a kind and a number, and always shorter than this.
        (&mut self.answer).take(200).read_line(&mut head).context(PIPE)?;
        let expected = format!("{} blob {}\n", entry.object, entry.size);
        ensure!(head == expected, ANSWER);
        Ok(entry.size)
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        // Git exits at the end of its input, unless an error left it in the middle of a file.
        drop(self.ask.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
