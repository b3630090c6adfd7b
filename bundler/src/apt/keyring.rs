//! The keyring of an archive: a file of the recipe, a keyring of this machine, or a download.
//!
//! A keyring is only a container: it is used for the pinned keys and nothing else, so neither a
//! package of this machine nor a mirror can add a key.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::package::{ArchiveName, Fingerprint};

use super::archive::{ArchiveError, Failure, load};
use super::names;
use super::release::{Keyring, KeyringError};
use crate::items::source::Sources;
use crate::recipe::{self, Archive};
use crate::types::Address;

/// The folders in which Debian and its derivatives keep keyrings.
const FOLDERS: [&str; 3] = ["/usr/share/keyrings", "/etc/apt/keyrings", "/etc/apt/trusted.gpg.d"];

/// The item name under which a download is fetched. It does not become an item.
const DOWNLOAD: &str = "keyring";

/// Returns the pinned keys of an archive.
pub(super) fn of(
    sources: &Sources<'_>,
    archive: &Archive,
    release: &ArchiveName,
) -> Result<Keyring, ArchiveError> {
    let pinned = &archive.signed_by;
    let error = |source| ArchiveError::Keyring { archive: archive.name.to_string(), source };
    match &archive.keyring {
        recipe::Keyring::File(path) => {
            Keyring::read(&path.below(sources.base), pinned).map_err(error)
        }
        recipe::Keyring::Found(urls) => {
            let folders = FOLDERS.map(Utf8Path::new);
            if let Some((_, found)) = in_folders(&folders, pinned).map_err(error)? {
                return Ok(found);
            }
            let mut failures = Vec::new();
            for url in urls {
                match downloaded(sources, archive, release, url) {
                    Ok(found) => return Ok(found),
                    Err(failure) => failures.push(format!("{url}: {failure:#}")),
                }
            }
            Err(ArchiveError::NoKeyring {
                archive: archive.name.to_string(),
                keys: pinned.iter().map(|key| key.as_str().to_owned()).collect(),
                failures,
            })
        }
    }
}

/// Returns the path of the first keyring of this machine that has all pinned keys.
pub(crate) fn installed(pinned: &[Fingerprint]) -> Result<Option<Utf8PathBuf>, KeyringError> {
    let found = in_folders(&FOLDERS.map(Utf8Path::new), pinned)?;
    Ok(found.map(|(path, _)| path))
}

/// Returns the first keyring in the folders that has all pinned keys, and its path.
fn in_folders(
    folders: &[&Utf8Path],
    pinned: &[Fingerprint],
) -> Result<Option<(Utf8PathBuf, Keyring)>, KeyringError> {
    for path in folders.iter().flat_map(|folder| keyrings(folder)) {
        match Keyring::read(&path, pinned) {
            Ok(found) => return Ok(Some((path, found))),
            Err(error @ KeyringError::NoVerifier) => return Err(error),
            // A keyring for something else, or one in another format.
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Returns the keyrings in a folder, sorted; none if there is no folder.
fn keyrings(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Utf8PathBuf::from_path_buf(entry.ok()?.path()).ok());
    let is_keyring = |path: &Utf8PathBuf| {
        path.extension().is_some_and(|end| ["gpg", "pgp", "asc"].contains(&end))
    };
    let mut paths: Vec<_> = paths.filter(is_keyring).collect();
    paths.sort();
    paths
}

fn downloaded(
    sources: &Sources<'_>,
    archive: &Archive,
    release: &ArchiveName,
    url: &Address,
) -> anyhow::Result<Keyring> {
    let item = names::of_archive(release, &archive.name, DOWNLOAD)?;
    let bytes =
        load(sources, std::slice::from_ref(url), &item).map_err(|failure| match failure {
            Failure::Source(error) => error,
            other => other.into(),
        })?;
    Ok(Keyring::of_bytes(url.to_string().into(), &bytes, &archive.signed_by)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpg::{ED25519, Gpg};

    #[test]
    fn the_file_that_has_all_pinned_keys_is_found() {
        let gpg = Gpg::new();
        let [one, two] = [1, 2].map(|days| gpg.key(days, ED25519, &[]));
        let dir = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(dir.path()).unwrap();
        let absent = folder.join("absent");
        let find = |keys: &[&String]| {
            let pinned: Vec<Fingerprint> = keys.iter().map(|key| key.parse().unwrap()).collect();
            in_folders(&[&absent, folder], &pinned).map(|found| found.is_some())
        };
        fs::write(folder.join("a.gpg"), "not a keyring").unwrap();
        fs::write(folder.join("b.gpg"), gpg.export(&[&one])).unwrap();
        fs::write(folder.join("c.txt"), gpg.export(&[&one, &two])).unwrap();
        match find(&[&one]) {
            // Neither gpgv nor sqv is installed.
            Err(error) => assert!(matches!(error, KeyringError::NoVerifier)),
            Ok(found) => {
                assert!(found && !find(&[&one, &two]).unwrap());
                fs::write(folder.join("d.pgp"), gpg.export(&[&two, &one])).unwrap();
                assert!(find(&[&one, &two]).unwrap());
            }
        }
    }
}
