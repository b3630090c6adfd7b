use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use camino::Utf8Path;

use super::error::GitError;
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

const ANSWER: GitError = GitError::Answer("read a file");

impl Blobs {
    pub(super) fn start(repository: &Utf8Path) -> Result<Self, GitError> {
        let mut command = Git::at(repository).command(&["cat-file", "--batch"]);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(GitError::Pipe)?;
        let ask = child.stdin.take();
        let answer = child.stdout.take().map(BufReader::new);
        let answer = answer.ok_or_else(|| GitError::Pipe(io::ErrorKind::BrokenPipe.into()))?;
        Ok(Self { child, ask, answer })
    }

    /// Give all bytes of `entry` to `out`, which says itself what its errors are.
    pub(crate) fn copy<E: From<GitError>>(
        &mut self,
        entry: &Entry,
        out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = self.begin(entry)?;
        let mut buf = vec![0; 64 << 10];
        while left > 0 {
            let most = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let n = self.answer.read(&mut buf[..most]).map_err(GitError::Pipe)?;
            if n == 0 {
                return Err(ANSWER.into());
            }
            out(&buf[..n])?;
            left -= n as u64;
        }
        let mut end = [0];
        self.answer.read_exact(&mut end).map_err(GitError::Pipe)?;
        if end == *b"\n" { Ok(()) } else { Err(ANSWER.into()) }
    }

    /// Ask for `entry`, and return how many bytes follow: as many as the list of the commit says.
    fn begin(&mut self, entry: &Entry) -> Result<u64, GitError> {
        let ask = self.ask.as_mut().ok_or(ANSWER)?;
        writeln!(ask, "{}", entry.object).and_then(|()| ask.flush()).map_err(GitError::Pipe)?;
        let mut head = String::new();
        // An id, a kind and a number; never as long as this.
        (&mut self.answer).take(200).read_line(&mut head).map_err(GitError::Pipe)?;
        let expected = format!("{} blob {}\n", entry.object, entry.size);
        if head == expected { Ok(entry.size) } else { Err(ANSWER) }
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
