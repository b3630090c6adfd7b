//! The crates with included sources, from the `Cargo.lock` files in the trees of a bundle.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::thread;

use serde::Deserialize;
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Bundle, Item, ItemName, ReadError, Tree, Verified};

/// The size limit of a `Cargo.lock`.
const MAX_LOCK: u64 = 8 << 20;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// Its origin; `None` for the crates of the tree itself.
    #[serde(default)]
    pub(super) source: Option<String>,
    /// The SHA-256 of its package in the registry.
    #[serde(default)]
    pub(super) checksum: Option<String>,
}

/// The required fields of a `Cargo.lock`. Cargo may add others.
#[derive(Deserialize)]
pub(super) struct CargoLock {
    #[serde(default)]
    pub(super) package: Vec<Crate>,
}

/// A tree could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CratesError {
    /// Its bytes are unavailable.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not an archive of the bundler.
    #[error("item `{item}` cannot be unpacked")]
    Unpack { item: ItemName, source: io::Error },
}

impl Explain for CratesError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Read(error) => error.exit(),
            Self::Unpack { .. } => None,
        }
    }
}

/// Returns the crates in each tree that has a `Cargo.lock`.
pub(super) fn of(bundle: &Bundle<Verified>) -> Result<BTreeMap<ItemName, Vec<Crate>>, CratesError> {
    let mut found = BTreeMap::new();
    for item in &bundle.manifest().items {
        let Some(Tree { unpacked, window_log }) = item.kind().tree() else { continue };
        let crates = of_tree(bundle, item, unpacked, window_log)?;
        if !crates.is_empty() {
            found.insert(item.name().clone(), crates);
        }
    }
    Ok(found)
}

/// Returns the crates of one tree, and verifies its digest.
fn of_tree(
    bundle: &Bundle<Verified>,
    item: &Item,
    unpacked: u64,
    window_log: u8,
) -> Result<Vec<Crate>, CratesError> {
    let error = |source| CratesError::Unpack { item: item.name().clone(), source };
    let (reader, mut writer) = io::pipe().map_err(error)?;
    thread::scope(|scope| {
        let proving = scope.spawn(move || bundle.copy_item(item, &mut writer));
        let crates = unpack(reader, unpacked, window_log);
        let proven = proving.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (proven, crates) {
            // Report a wrong digest first; the error of writing to the stopped reader is only its
            // consequence.
            (Err(ReadError::Sink { .. }) | Ok(()), crates) => crates.map_err(error),
            (Err(proven), _) => Err(proven.into()),
        }
    })
}

fn unpack(packed: impl Read, unpacked: u64, window_log: u8) -> io::Result<Vec<Crate>> {
    let mut decoder = zstd::Decoder::new(packed)?;
    decoder.window_log_max(u32::from(window_log))?;
    let mut archive = tar::Archive::new(decoder.take(unpacked));
    let mut crates = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        // The `Cargo.lock` of a vendored crate lists its authors' versions, which are not built
        // here.
        let path = entry.path()?.into_owned();
        let is_lock = path.file_name().is_some_and(|name| name == "Cargo.lock");
        if !is_lock || path.components().any(|part| part.as_os_str() == "vendor") {
            continue;
        }
        let mut text = String::new();
        entry.by_ref().take(MAX_LOCK).read_to_string(&mut text)?;
        let lock: CargoLock = toml::from_str(&text).map_err(io::Error::other)?;
        crates.extend(lock.package);
    }
    // Read to the end, so that every byte of the item is verified.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    crates.sort_unstable();
    crates.dedup();
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(text.len() as u64);
            builder.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        zstd::encode_all(&*builder.into_inner().unwrap(), 1).unwrap()
    }

    #[test]
    fn the_lock_of_the_tree_counts_and_those_of_its_vendored_crates_do_not() {
        let lock = "version = 4\n[[package]]\nname = \"libc\"\nversion = \"0.2.1\"\n\
                    source = \"registry+https://registry.example/index\"\nchecksum = \"aa\"\n\
                    [[package]]\nname = \"app\"\nversion = \"1.0.0\"\ndependencies = [\"libc\"]\n";
        let tree =
            packed(&[("src/lib.rs", ""), ("Cargo.lock", lock), ("vendor/x/Cargo.lock", "!")]);
        let crates = unpack(&*tree, 1 << 20, 27).unwrap();
        let names: Vec<_> = crates.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["app", "libc"]);
        assert!(crates[0].source.is_none() && crates[1].checksum.as_deref() == Some("aa"));
        assert_eq!(unpack(&*packed(&[("a", "b")]), 1 << 20, 27).unwrap(), []);
    }

    #[test]
    fn what_is_no_tree_is_an_error() {
        assert!(unpack(&b"not zstd"[..], 1 << 20, 27).is_err());
        assert!(unpack(&*packed(&[("Cargo.lock", "[[package")]), 1 << 20, 27).is_err());
    }
}
