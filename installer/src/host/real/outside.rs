//! Files outside the machine: those that the operator names on the command line.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};

/// A file that the operator named cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{}`: {source}", .path.as_str().escape_debug())]
pub struct OutsideError {
    verb: &'static str,
    path: Utf8PathBuf,
    source: io::Error,
}

/// Returns the bytes of a file of at most `max` bytes.
pub fn read_outside(path: &Utf8Path, max: u64) -> Result<Vec<u8>, OutsideError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too large"));
        }
        Ok(bytes)
    };
    read().map_err(|source| OutsideError { verb: "read", path: path.to_owned(), source })
}

/// Writes or replaces a file, durably, so that a stick can be removed afterwards. A device or a
/// pipe is not synced.
pub fn write_outside(path: &Utf8Path, bytes: &[u8]) -> Result<(), OutsideError> {
    let write = || -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        if file.metadata()?.is_file() { file.sync_all() } else { Ok(()) }
    };
    write().map_err(|source| OutsideError { verb: "write", path: path.to_owned(), source })
}

/// Writes a new file that only its owner can read, durably. An existing file is an error.
pub fn write_secret_outside(path: &Utf8Path, bytes: &[u8]) -> Result<(), OutsideError> {
    let write = || -> io::Result<()> {
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| OutsideError { verb: "write", path: path.to_owned(), source })
}

/// Writes files into a folder, durably; creates the folder if needed.
pub fn write_folder_outside(
    folder: &Utf8Path,
    files: &[(&str, String)],
) -> Result<(), OutsideError> {
    std::fs::create_dir_all(folder).map_err(|source| OutsideError {
        verb: "make",
        path: folder.to_owned(),
        source,
    })?;
    files.iter().try_for_each(|(name, text)| write_outside(&folder.join(name), text.as_bytes()))
}

/// Writes a large file into a folder, durably; creates the folder if needed. If `write` fails, no
/// partial file is left.
pub fn write_outside_from<E>(
    folder: &Utf8Path,
    name: &str,
    write: impl FnOnce(&mut dyn io::Write) -> Result<(), E>,
) -> Result<Result<(), E>, OutsideError> {
    let (path, half) = (folder.join(name), folder.join(format!(".{name}.part")));
    let error = |source| OutsideError { verb: "write", path: path.clone(), source };
    std::fs::create_dir_all(folder).map_err(error)?;
    let mut file = File::create(&half).map_err(error)?;
    let written = write(&mut file);
    let done = match &written {
        Ok(()) => file.sync_all().and_then(|()| std::fs::rename(&half, &path)),
        Err(_) => std::fs::remove_file(&half),
    };
    done.map_err(error)?;
    Ok(written)
}

/// Copies a file of the machine to one outside it, durably.
pub fn copy_outside(from: &Utf8Path, to: &Utf8Path) -> Result<(), OutsideError> {
    let copy = || -> io::Result<()> {
        let mut file = File::create(to)?;
        io::copy(&mut File::open(from)?, &mut file)?;
        file.sync_all()
    };
    copy().map_err(|source| OutsideError { verb: "write", path: to.to_owned(), source })
}

/// Checks whether `path` is the root directory of the running system, in any spelling.
pub fn is_running_root(path: &Utf8Path) -> Result<bool, OutsideError> {
    let meta = |path: &Utf8Path| std::fs::metadata(path);
    let same = || -> io::Result<bool> {
        let (this, root) = (meta(path)?, meta(Utf8Path::new("/"))?);
        Ok((this.dev(), this.ino()) == (root.dev(), root.ino()))
    };
    same().map_err(|source| OutsideError { verb: "open", path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_directory_has_many_spellings() {
        for root in ["/", "/.", "//", "/proc/..", "/proc/1/../../"] {
            assert!(is_running_root(Utf8Path::new(root)).unwrap(), "{root}");
        }
        assert!(!is_running_root(Utf8Path::new("/proc")).unwrap());
        let error = is_running_root(Utf8Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().starts_with("cannot open `/nowhere`: "), "{error}");
    }
}
