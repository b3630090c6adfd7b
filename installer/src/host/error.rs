use std::fmt;
use std::io;

use camino::Utf8PathBuf;
use vgpu_manifest::printable;
use vgpu_manifest::ui::Explain;

use super::{Command, Exit, HostPath};

/// The host would not do, or show, what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The machine's root directory could not be opened.
    #[error("cannot open the root directory `{}`: {source}", .path.as_str().escape_debug())]
    Root {
        /// The directory, as it was given.
        path: Utf8PathBuf,
        /// What came of it.
        source: io::Error,
    },
    /// A path could not be read or changed.
    #[error("cannot {verb} {path}: {source}", path = .path.as_path().as_str().escape_debug())]
    Path {
        /// What was tried.
        verb: Verb,
        /// Where.
        path: HostPath,
        /// What came of it.
        source: io::Error,
    },
    /// A command could not be started.
    #[error("cannot run `{command}`: {source}")]
    Start {
        /// The command.
        command: Command,
        /// What came of it.
        source: io::Error,
    },
    /// A command needs the secret, and nobody has given it.
    #[error(
        "`{command}` needs a one-time password, and none was given; run `vgpu-installer apply` on a terminal, or with `--mok-password-file FILE`"
    )]
    NoSecret {
        /// The command.
        command: Command,
    },
    /// A command reported failure.
    #[error("`{command}` failed with {exit}{}", said(.tail))]
    Failed {
        /// The command.
        command: Command,
        /// How it ended.
        exit: Exit,
        /// The end of what it said, on stdout and stderr together.
        tail: String,
    },
}

impl Explain for HostError {
    fn hint(&self) -> Option<&str> {
        (self.kind() == Some(io::ErrorKind::PermissionDenied)).then_some("run it as root")
    }
}

impl HostError {
    /// Wrap `source`, which came of trying to do this at `path`.
    pub fn path(verb: Verb, path: &HostPath, source: impl Into<io::Error>) -> Self {
        Self::Path { verb, path: path.clone(), source: source.into() }
    }

    /// The operating system's word for what went wrong, if it is about a path.
    #[must_use]
    pub fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Root { source, .. } | Self::Path { source, .. } | Self::Start { source, .. } => {
                Some(source.kind())
            }
            Self::NoSecret { .. } | Self::Failed { .. } => None,
        }
    }
}

/// The last lines of what a command said, each on a line of its own.
fn said(tail: &str) -> String {
    let lines: Vec<_> = tail.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(20)..];
    last.iter().fold(String::new(), |text, line| text + "\n    " + &printable(line))
}

/// What was tried at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Look at it or read it.
    Read,
    /// Change it.
    Write,
    /// Remove it.
    Remove,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Remove => "remove",
        })
    }
}
