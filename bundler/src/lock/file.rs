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
    /// It cannot be read or written.
    #[error("cannot {verb} the lock `{path}`")]
    Io {
        /// What was to be done.
        verb: &'static str,
        /// The file.
        path: Utf8PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// It is not a lock, or was changed by hand into something else.
    #[error("`{path}` line {line}: {what}")]
    Wrong {
        /// The file.
        path: Utf8PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A later version of this program wrote it.
    #[error(
        "the lock `{path}` has version {found}, but this program reads version {VERSION}; use the program that wrote it"
    )]
    Version {
        /// The file.
        path: Utf8PathBuf,
        /// Its version.
        found: u32,
    },
    /// It cannot be written as TOML: a number is out of its range.
    #[error("the lock cannot be written down")]
    Form(#[from] toml::ser::Error),
}

/// What is read before anything else, from a lock of any version.
#[derive(Deserialize)]
struct Preamble {
    version: u32,
}

const HEAD: &str = "\
# Written by `vgpu-bundler lock`; keep it with the recipe, and do not edit it.

";

impl Lock {
    /// Read the lock at `path`, if there is one.
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

    /// Give the lock at `path` today's date: it was found to be right, so no file is newer.
    pub(crate) fn confirm(path: &Utf8Path) -> Result<(), LockError> {
        let file = fs::File::options().write(true).open(path);
        let dated = file.and_then(|file| file.set_modified(SystemTime::now()));
        dated.map_err(|source| LockError::Io { verb: "write", path: path.to_owned(), source })
    }

    /// Replace the lock at `path` by this one, durably: it is the old one or the new one, whole.
    pub(crate) fn write(&self, path: &Utf8Path) -> Result<(), LockError> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        let folder = match path.parent() {
            Some(folder) if !folder.as_str().is_empty() => folder,
            _ => Utf8Path::new("."),
        };
        let write = || {
            let mut builder = tempfile::Builder::new();
            // A lock is for everybody who may read the recipe; the umask still has its say.
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
