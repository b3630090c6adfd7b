use std::fmt;
use std::io;

use camino::Utf8PathBuf;
use vgpu_manifest::printable;
use vgpu_manifest::ui::Explain;

use super::real::Signal;
use super::{Command, Exit, HostPath};

/// The failure of an operation on the host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The machine's root directory could not be opened.
    #[error("cannot open the root directory `{}`: {source}", .path.as_str().escape_debug())]
    Root {
        /// The directory, as given.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A path could not be read or changed.
    #[error("cannot {verb} {path}: {source}", path = .path.as_path().as_str().escape_debug())]
    Path {
        /// The operation.
        verb: Verb,
        /// The path.
        path: HostPath,
        /// The cause.
        source: io::Error,
    },
    /// A command could not be started.
    #[error("cannot run `{command}`: {source}")]
    Start {
        /// The command.
        command: Command,
        /// The cause.
        source: io::Error,
    },
    /// The output of a command could not be used.
    #[error("cannot use the output of `{command}`: {source}")]
    Output {
        /// The command.
        command: Command,
        /// The cause.
        source: io::Error,
    },
    /// A command needs the secret, but none was given.
    #[error(
        "`{command}` needs a one-time password, but none was given; run `vgpu-installer apply` on a terminal, or with `--mok-password-file FILE`"
    )]
    NoSecret {
        /// The command.
        command: Command,
    },
    /// A signal has asked this run to stop.
    #[error("stopped by {0} before the next change")]
    Stopped(Signal),
    /// The handlers of signals could not be installed.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
    /// An item in the store does not have the bytes that its name says.
    #[error(
        "digest mismatch: {stored} is damaged; remove it, run `vgpu-installer store add BUNDLE`, and then the same command again"
    )]
    Damaged {
        /// The item.
        stored: HostPath,
    },
    /// A folder of the installer can be changed by a user other than root.
    #[error("{why}: check who changed what is in it, then run `{fix}`")]
    Unsafe {
        /// The folder, with its owner or mode.
        why: String,
        /// The command that fixes it.
        fix: String,
    },
    /// A command reported failure.
    #[error("`{command}` failed with {exit}{}", last_lines(.tail))]
    Failed {
        /// The command.
        command: Command,
        /// The exit status.
        exit: Exit,
        /// The end of its stdout and stderr together.
        tail: String,
    },
}

impl Explain for HostError {
    fn hint(&self) -> Option<&str> {
        (self.kind() == Some(io::ErrorKind::PermissionDenied)).then_some("run it as root")
    }
}

impl HostError {
    /// Returns the error for an operation at `path`.
    pub fn path(verb: Verb, path: &HostPath, source: impl Into<io::Error>) -> Self {
        Self::Path { verb, path: path.clone(), source: source.into() }
    }

    /// Returns the operating system's error kind, if there is one.
    #[must_use]
    pub fn kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Root { source, .. }
            | Self::Path { source, .. }
            | Self::Start { source, .. }
            | Self::Output { source, .. }
            | Self::Signals(source) => Some(source.kind()),
            Self::NoSecret { .. }
            | Self::Stopped(_)
            | Self::Damaged { .. }
            | Self::Unsafe { .. }
            | Self::Failed { .. } => None,
        }
    }
}

/// Returns the last lines of a command's output.
fn last_lines(tail: &str) -> String {
    let lines: Vec<_> = tail.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(20)..];
    last.iter().fold(String::new(), |text, line| text + "\n    " + &printable(line))
}

/// An operation at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reading, or reading the status.
    Read,
    /// Changing.
    Write,
    /// Removing.
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
