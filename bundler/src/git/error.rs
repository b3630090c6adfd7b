use std::io;

use camino::Utf8PathBuf;
use vgpu_manifest::patch::TreePath;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::CommitId;

use super::{GitUrl, Named};

/// Something of a git repository cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum GitError {
    /// There is no git.
    #[error("there is no `git` on the PATH; install git")]
    NoGit,
    /// Git could not be run or read.
    #[error("cannot run `git`")]
    Pipe(#[source] io::Error),
    /// There is no room for what is checked out.
    #[error("cannot make a temporary folder")]
    Scratch(#[source] io::Error),
    /// The network is not to be used.
    #[error("commit {commit} of {url} is not in the cache, and `--offline` forbids to fetch it")]
    Offline {
        /// The repository.
        url: GitUrl,
        /// The commit, or what stands for it.
        commit: String,
    },
    /// Git says no.
    #[error("git cannot {doing}: {said}")]
    Refused {
        /// What it was to do.
        doing: String,
        /// Its last words, safe to show.
        said: String,
    },
    /// Nothing happens any more.
    #[error("git cannot {doing}: nothing has come for {seconds} s")]
    Silent {
        /// What it was to do.
        doing: String,
        /// How long.
        seconds: u64,
    },
    /// The server sends more than there may be.
    #[error("git cannot {doing}: it is more than {cap}")]
    TooMuch {
        /// What it was to do.
        doing: String,
        /// The most that there may be.
        cap: ByteSize,
    },
    /// Git answers more than there can be.
    #[error("git cannot {doing}: the answer is longer than any that makes sense")]
    Chatty {
        /// What it was to do.
        doing: String,
    },
    /// A folder of the cache cannot be used.
    #[error("cannot use `{path}` in the cache")]
    Cache {
        /// The folder.
        path: Utf8PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The repository has no such branch or tag.
    #[error("{url} has no {name}")]
    NoSuchName {
        /// The repository.
        url: GitUrl,
        /// The name.
        name: Named,
    },
    /// The repository has no such commit.
    #[error("{url} has no commit {commit}")]
    NoSuchCommit {
        /// The repository.
        url: GitUrl,
        /// The commit, or the beginning of its id.
        commit: String,
    },
    /// The id is that of something else.
    #[error("{commit} of {url} is a {kind} and not a commit")]
    NotACommit {
        /// The repository.
        url: GitUrl,
        /// The id.
        commit: CommitId,
        /// What it is, safe to show.
        kind: String,
    },
    /// The lock does not say which commit.
    #[error("nobody has found out yet which commit {0} is; run `vgpu-bundler lock`")]
    Open(String),
    /// Git's answer does not have its form.
    #[error("git answers something unexpected when it is to {0}")]
    Answer(&'static str),
    /// There is no such file or folder in the commit.
    #[error("there is no {what} `{path}` in commit {}", &.commit.as_str()[..12])]
    NoSuchPath {
        /// `file` or `folder`.
        what: &'static str,
        /// Its path.
        path: TreePath,
        /// The commit.
        commit: CommitId,
    },
    /// The commit has more files than we handle.
    #[error("the commit has more than {0} files")]
    TooManyFiles(usize),
    /// There is a submodule where files are wanted.
    #[error(
        "`{0}` is a submodule, which is another repository: leave it out with `exclude`, or name that repository as an item of its own"
    )]
    Submodule(String),
    /// What is wanted as a file is something else.
    #[error("`{0}` is a link and not a file; name the file that it leads to")]
    Link(TreePath),
    /// A name would not mean the same everywhere.
    #[error("the name `{path}` {why}")]
    Name {
        /// The path, escaped.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Something to be left out is not there.
    #[error("`{0}`, which is to be left out, is not there")]
    NothingToExclude(String),
    /// There are more bytes than there may be.
    #[error("`{what}` has {size}, more than the {cap} allowed")]
    TooLarge {
        /// What, escaped.
        what: String,
        /// How much it has.
        size: ByteSize,
        /// How much it may have.
        cap: ByteSize,
    },
    /// A file cannot be written down.
    #[error("cannot write `{}`", .path.as_str().escape_debug())]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// The last line that says something, without what a server has to say, and without secrets.
pub(super) fn tell(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines = || text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let fatal = lines().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
    let line = fatal.or_else(|| lines().next_back()).unwrap_or("it does not say why");
    let line = line.trim_start_matches("fatal: ").trim_start_matches("error: ");
    let short: String = without_user(line).chars().take(300).collect();
    short.escape_debug().to_string().replace("\\'", "'")
}

/// Addresses without user name and password: a user's `insteadOf` may have put some in.
fn without_user(line: &str) -> String {
    let mut parts = line.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', ' ', '\'']).unwrap_or(part.len());
        let (host, rest) = part.split_at(end);
        let host = host.rsplit('@').next().unwrap_or_default();
        clean.push_str("://");
        clean.push_str(host);
        clean.push_str(rest);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_short_and_safe() {
        let said = b"warning: x\nfatal: unable to access 'https://bob:secret@git.example/a/': \x1b[1m\r\nhint: y";
        let told = tell(said);
        assert_eq!(told, "unable to access 'https://git.example/a/': \\u{1b}[1m");
        assert_eq!(tell(b"remote: no\n"), "remote: no");
        assert_eq!(tell(b""), "it does not say why");
        assert!(tell(&[b'x'; 9000]).len() <= 300);
    }
}
