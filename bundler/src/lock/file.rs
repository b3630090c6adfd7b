use std::fs;
use std::io::{self, Write as _};
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::{Lock, VERSION};

/// Why a lock cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum LockError {
    /// The file cannot be read or written.
    #[error("cannot {verb} the lock `{path}`")]
    Io {
        /// The attempted operation.
        verb: &'static str,
        path: Utf8PathBuf,
        source: io::Error,
    },
    /// The file is not a valid lock.
    #[error("`{path}` line {line}: {what}")]
    Wrong {
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// The reason.
        what: String,
    },
    /// A later version of this program wrote the lock.
    #[error(
        "the lock `{path}` has version {found}, but this program reads version {VERSION}; use the program that wrote it"
    )]
    Version { path: Utf8PathBuf, found: u32 },
    /// The lock cannot be serialized as TOML: a number is out of range.
    #[error("cannot serialize the lock")]
    Form(#[from] toml::ser::Error),
}

/// The part of a lock that all versions of the format share.
#[derive(Deserialize)]
struct Preamble {
    version: u32,
}

const HEAD: &str = "\
# Written by `vgpu-bundler lock`; keep it with the recipe, and do not edit it.

";

impl Lock {
    /// Reads the lock at `path`, if it exists.
    pub(crate) fn read(path: &Utf8Path) -> Result<Option<Self>, LockError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(LockError::Io { verb: "read", path: path.to_owned(), source });
            }
        };
        let wrong = |error: toml::de::Error| {
            let at = error.span().unwrap_or_default().start;
            let line = 1 + text.get(..at).unwrap_or_default().matches('\n').count();
            let what = error.message().replace('\n', ", ");
            LockError::Wrong { path: path.to_owned(), line, what }
        };
        let Preamble { version } = toml::from_str(&text).map_err(wrong)?;
        if version != VERSION {
            return Err(LockError::Version { path: path.to_owned(), found: version });
        }
        toml::from_str(&text).map(Some).map_err(wrong)
    }

    /// Updates the modification time of the lock at `path`: it is up to date, so it must not be
    /// older than its inputs.
    pub(crate) fn confirm(path: &Utf8Path) -> Result<(), LockError> {
        let file = fs::File::options().write(true).open(path);
        let dated = file.and_then(|file| file.set_modified(SystemTime::now()));
        dated.map_err(|source| LockError::Io { verb: "write", path: path.to_owned(), source })
    }

    /// Replaces the lock at `path` atomically and durably.
    pub(crate) fn write(&self, path: &Utf8Path) -> Result<(), LockError> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        let folder = match path.parent() {
            Some(folder) if !folder.as_str().is_empty() => folder,
            _ => Utf8Path::new("."),
        };
        let write = || {
            let mut builder = tempfile::Builder::new();
            // The lock is as readable as the recipe, subject to the umask.
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
            let mut file = builder.prefix(".bundle.lock-").tempfile_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            fs::File::open(folder)?.sync_all()
        };
        write().map_err(|source| LockError::Io { verb: "write", path: path.to_owned(), source })
    }
}
