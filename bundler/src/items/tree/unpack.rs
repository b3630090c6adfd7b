use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use anyhow::{Context as _, bail};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use tar::{Archive, EntryType};

use super::{CANNOT_READ, WINDOW_LOG, bad_link, bad_name, link};

/// Unpacks an archive that this program made into the empty folder `top`.
///
/// `unpacked` is the length of the archive before compression. Only files, folders and links that
/// stay inside are created, and links last, so that nothing is written through one.
pub(crate) fn unpack(archive: impl Read, unpacked: u64, top: &Utf8Path) -> anyhow::Result<()> {
    let mut decoder = zstd::Decoder::new(archive).context(CANNOT_READ)?;
    decoder.window_log_max(u32::from(WINDOW_LOG)).context(CANNOT_READ)?;
    let mut archive = Archive::new(decoder.take(unpacked));
    let mut links = Vec::new();
    for entry in archive.entries().context(CANNOT_READ)? {
        let mut entry = entry.context(CANNOT_READ)?;
        let path = path_of(&entry.path().context(CANNOT_READ)?.to_string_lossy())?;
        let place = top.join(&path);
        let cannot_write = || cannot_write(&path);
        match entry.header().entry_type() {
            EntryType::Directory => fs::create_dir_all(&place).with_context(cannot_write)?,
            EntryType::Symlink => {
                let target = entry.link_name().context(CANNOT_READ)?.unwrap_or_default();
                links.push((path, target.to_string_lossy().into_owned()));
            }
            EntryType::Regular => {
                let mode = entry.header().mode().context(CANNOT_READ)?;
                let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
                make_parent(&place).with_context(cannot_write)?;
                let mut file = File::options()
                    .write(true)
                    .create_new(true)
                    .open(&place)
                    .with_context(cannot_write)?;
                io::copy(&mut entry, &mut file).with_context(cannot_write)?;
                file.set_permissions(Permissions::from_mode(mode)).with_context(cannot_write)?;
            }
            _ => bail!("`{path}` in the archive is neither a file nor a folder nor a link"),
        }
    }
    for (path, target) in links {
        link::check(&path, &target).map_err(|why| bad_link(&path, &target, why))?;
        let place = top.join(&path);
        let made = make_parent(&place).and_then(|()| symlink(&target, &place));
        made.with_context(|| cannot_write(&path))?;
    }
    Ok(())
}

fn cannot_write(path: &Utf8Path) -> String {
    format!("cannot write `{}`", path.as_str().escape_debug())
}

fn make_parent(place: &Utf8Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Returns the path if it stays below the folder.
fn path_of(text: &str) -> anyhow::Result<Utf8PathBuf> {
    let path = Utf8Path::new(text);
    let plain = |it: Utf8Component<'_>| matches!(it, Utf8Component::Normal(_));
    if text.is_empty() || text.chars().any(char::is_control) || !path.components().all(plain) {
        return Err(bad_name(text, "leads elsewhere"));
    }
    Ok(path.components().collect())
}
