use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, bail, ensure};
use camino::Utf8Path;

use super::error::PIPE;
use super::list::Entry;
use super::program::Git;

/// The bytes of files, as they were committed: no filter and no attribute has a say.
///
/// One git process answers for all of them, one after the other.
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

    /// Give all bytes of `entry` to `out`, which says itself what its errors are.
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

    /// Ask for `entry`, and return how many bytes follow: as many as the list of the commit says.
    fn begin(&mut self, entry: &Entry) -> anyhow::Result<u64> {
        let ask = self.ask.as_mut().context(ANSWER)?;
        writeln!(ask, "{}", entry.object).and_then(|()| ask.flush()).context(PIPE)?;
        let mut head = String::new();
        // An id, a kind and a number; never as long as this.
        (&mut self.answer).take(200).read_line(&mut head).context(PIPE)?;
        let expected = format!("{} blob {}\n", entry.object, entry.size);
        ensure!(head == expected, ANSWER);
        Ok(entry.size)
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        // It ends when there is nothing more to answer; after an error it is in the middle of it.
        drop(self.ask.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
