//! Files that this program writes for the operator.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, anyhow};
use camino::Utf8Path;

use crate::ui::Advise as _;

/// Writes a new file atomically and durably, as readable as the umask allows. An existing file stays.
pub(crate) fn write_new(path: &Utf8Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_str().is_empty() => folder,
        _ => Utf8Path::new("."),
    };
    let write = || -> io::Result<()> {
        let mut builder = tempfile::Builder::new();
        builder.permissions(Permissions::from_mode(0o666));
        let mut file = builder.prefix(".vgpu-").tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    };
    match write() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(anyhow!("`{path}` exists already")).hint("name another file, or remove it first")
        }
        result => result.with_context(|| format!("cannot write `{path}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_whole_and_an_existing_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(dir.path()).unwrap();
        let path = folder.join("a.html");
        write_new(&path, b"one").unwrap();
        let error = format!("{:#}", write_new(&path, b"two").unwrap_err());
        assert!(error.ends_with("a.html` exists already"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        let error = write_new(&folder.join("none/a.html"), b"").unwrap_err().to_string();
        assert!(error.starts_with("cannot write `"), "{error}");
        // Nothing temporary is left.
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
    }
}
