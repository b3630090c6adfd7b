//! Files that this program writes for the operator: durably, and whole or not at all.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use camino::Utf8Path;
use tempfile::NamedTempFile;

/// Creates the file at `path`. An existing one stays, and is an error: it may be a key.
///
/// Also creates the folders on the way, for their owner only. The umask applies to `mode`.
pub(crate) fn create(path: &Utf8Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (file, folder) = prepare(path, bytes, mode)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Creates or replaces the file at `path`, like [`create`] otherwise.
pub(crate) fn replace(path: &Utf8Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (file, folder) = prepare(path, bytes, mode)?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// Writes a temporary file next to `path`. Returns it and its folder.
fn prepare<'p>(
    path: &'p Utf8Path,
    bytes: &[u8],
    mode: u32,
) -> io::Result<(NamedTempFile, &'p Utf8Path)> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut builder = tempfile::Builder::new();
    builder.permissions(Permissions::from_mode(mode));
    let mut file = builder.prefix(".vgpu-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok((file, folder))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_new_file_is_whole_and_an_existing_one_stays_or_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(dir.path()).unwrap().join("new");
        let path = folder.join("a");
        create(&path, b"one", 0o600).unwrap();
        let error = create(&path, b"two", 0o600).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let mode = |path: &Utf8Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&folder)), (0o600, 0o700));
        replace(&path, b"three", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert!(create(&path.join("b"), b"", 0o600).is_err());
        // Nothing temporary is left.
        assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
    }
}
