//! The crates whose sources ride along, from the `Cargo.lock`s in the trees of a bundle.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::thread;

use serde::Deserialize;
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Bundle, Item, ItemName, ReadError, Tree, Verified};

/// Far more than any `Cargo.lock` has.
const MAX_LOCK: u64 = 8 << 20;

/// A crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// Where it came from; nothing if it is the tree's own.
    #[serde(default)]
    pub(super) source: Option<String>,
    /// The SHA-256 of the package that the registry has of it.
    #[serde(default)]
    pub(super) checksum: Option<String>,
}

/// What we need of a `Cargo.lock`. Cargo adds fields as it likes.
#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<Crate>,
}

/// A tree could not be looked into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CratesError {
    /// Its bytes could not be had.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is not what the bundler packs.
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

/// The crates in each tree that has a `Cargo.lock`.
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

/// The crates of one tree, whose bytes are proven on the way.
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
            // What the bytes are comes before what they say; a reader that has stopped breaks the
            // pipe, and that is no news.
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
        // Those of vendored crates say what their authors tested, not what is built here.
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
    // Read to the end, so that every byte of the item is proven.
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
