use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use tar::{Archive, EntryType};

use super::{TreeError, WINDOW_LOG, link};

/// Unpack an archive of ours into the empty folder `top`.
///
/// `unpacked` is the length of the archive without its compression. Nothing but files, folders and
/// links inside is made, and links last, so that nothing is written through one.
pub(crate) fn unpack(archive: impl Read, unpacked: u64, top: &Utf8Path) -> Result<(), TreeError> {
    let mut decoder = zstd::Decoder::new(archive).map_err(TreeError::Read)?;
    decoder.window_log_max(u32::from(WINDOW_LOG)).map_err(TreeError::Read)?;
    let mut archive = Archive::new(decoder.take(unpacked));
    let mut links = Vec::new();
    for entry in archive.entries().map_err(TreeError::Read)? {
        let mut entry = entry.map_err(TreeError::Read)?;
        let path = path_of(&entry.path().map_err(TreeError::Read)?.to_string_lossy())?;
        let place = top.join(&path);
        let error = |source| TreeError::Io { path: path.clone(), source };
        match entry.header().entry_type() {
            EntryType::Directory => fs::create_dir_all(&place).map_err(error)?,
            EntryType::Symlink => {
                let target = entry.link_name().map_err(TreeError::Read)?.unwrap_or_default();
                links.push((path, target.to_string_lossy().into_owned()));
            }
            EntryType::Regular => {
                let mode = entry.header().mode().map_err(TreeError::Read)?;
                let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
                make_parent(&place).map_err(error)?;
                let mut file =
                    File::options().write(true).create_new(true).open(&place).map_err(error)?;
                io::copy(&mut entry, &mut file).map_err(error)?;
                file.set_permissions(Permissions::from_mode(mode)).map_err(error)?;
            }
            _ => return Err(TreeError::Kind { path, kind: "something else" }),
        }
    }
    for (path, target) in links {
        link::check(&path, &target).map_err(|why| TreeError::Link {
            path: path.clone(),
            target: target.clone(),
            why,
        })?;
        let place = top.join(&path);
        let made = make_parent(&place).and_then(|()| symlink(&target, &place));
        made.map_err(|source| TreeError::Io { path, source })?;
    }
    Ok(())
}

fn make_parent(place: &Utf8Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), fs::create_dir_all)
}

/// A path that stays below the folder.
fn path_of(text: &str) -> Result<Utf8PathBuf, TreeError> {
    let path = Utf8Path::new(text);
    let plain = |it: Utf8Component<'_>| matches!(it, Utf8Component::Normal(_));
    if text.is_empty() || text.chars().any(char::is_control) || !path.components().all(plain) {
        let path = text.escape_debug().to_string();
        return Err(TreeError::Name { path, why: "leads elsewhere" });
    }
    Ok(path.components().collect())
}
