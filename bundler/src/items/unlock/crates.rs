//! The vendored crates of a library, identical for every version of cargo.
//!
//! `Cargo.lock` has the version and checksum of each crate, and cargo verifies every download. The
//! output of `cargo vendor` differs between versions only in files that no build reads and in the
//! list of checksums, which are normalized here.

use std::collections::BTreeMap;
use std::fs::{self, File};

use anyhow::{Context as _, anyhow, bail};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vgpu_manifest::Measure;

use super::cannot_use;
use super::workshop::{Surroundings, Workshop, offline};
use crate::items::git::Reach;

/// The folder of the crates in the sources.
const VENDOR: &str = "vendor";

/// The cargo configuration that selects the vendored crates.
const CONFIG: &str = "\
[source.crates-io]
replace-with = \"vendored-sources\"

[source.vendored-sources]
directory = \"vendor\"
";

/// The used fields of `Cargo.lock`.
#[derive(Debug, Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    source: Option<String>,
    checksum: Option<String>,
}

/// The list of checksums that cargo keeps in each vendored crate.
#[derive(Debug, Deserialize, Serialize)]
struct Checksums {
    #[serde(default)]
    files: BTreeMap<String, String>,
    package: Option<String>,
}

/// The origin of `Cargo.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Versions {
    Committed,
    /// Generated, or kept from the lock of the bundle, because the commit has none.
    Kept(String),
}

/// Adds all crates for the build to the sources in `workshop`.
///
/// `kept` is the `Cargo.lock` in the lock of the bundle.
pub(super) fn add(
    workshop: &Workshop,
    kept: Option<&str>,
    reach: Reach,
    watch: &mut dyn FnMut(&str),
) -> anyhow::Result<Versions> {
    let sources = workshop.sources();
    if !sources.join("Cargo.toml").is_file() {
        bail!("the commit has no `Cargo.toml` at its top, so it is not a Rust library");
    }
    for name in [".cargo", VENDOR] {
        if sources.join(name).symlink_metadata().is_ok() {
            bail!("the commit has its own `{name}`, where the crates for building it go");
        }
    }
    let versions = versions(workshop, kept, reach, watch)?;
    if check_versions(&sources.join("Cargo.lock"))? {
        let mut vendor = workshop.cargo("cargo", Surroundings::Users);
        vendor.args(["vendor", "--versioned-dirs", "--locked"]);
        vendor.args(offline(reach)).arg(VENDOR);
        workshop.run(vendor, "cargo", "get the crates", watch)?;
        make_uniform(&sources.join(VENDOR))?;
        let folder = sources.join(".cargo");
        let path = folder.join("config.toml");
        let write = fs::create_dir(&folder).and_then(|()| fs::write(&path, CONFIG));
        write.with_context(|| cannot_use(&path))?;
    }
    // Checks that the vendored crates suffice for an offline build on the node.
    let mut check = workshop.cargo("cargo", Surroundings::Bare);
    check.args(["fetch", "--quiet", "--offline", "--locked"]);
    workshop.run(check, "cargo", "find all crates among those that were vendored", watch)?;
    Ok(versions)
}

/// Determines the versions of all crates: from the commit, from the lock, or the newest ones.
fn versions(
    workshop: &Workshop,
    kept: Option<&str>,
    reach: Reach,
    watch: &mut dyn FnMut(&str),
) -> anyhow::Result<Versions> {
    let path = workshop.sources().join("Cargo.lock");
    if path.is_file() {
        return Ok(Versions::Committed);
    }
    if let Some(kept) = kept {
        fs::write(&path, kept).with_context(|| cannot_use(&path))?;
        return Ok(Versions::Kept(kept.to_owned()));
    }
    let mut generate = workshop.cargo("cargo", Surroundings::Users);
    generate.args(["generate-lockfile", "--quiet"]).args(offline(reach));
    workshop.run(generate, "cargo", "find out the versions of the crates", watch)?;
    fs::read_to_string(&path).map(Versions::Kept).with_context(|| cannot_use(&path))
}

/// Checks that every crate has a checksum. Returns whether there are any crates.
fn check_versions(path: &Utf8Path) -> anyhow::Result<bool> {
    let text = fs::read_to_string(path).with_context(|| cannot_use(path))?;
    let lock: CargoLock = toml::from_str(&text).map_err(|error| {
        anyhow!("`Cargo.lock` is malformed: {}", error.message().escape_debug())
    })?;
    let mut registries = Vec::new();
    for Package { name, source, checksum } in lock.package {
        // A crate without a source is part of the commit.
        let Some(source) = source else { continue };
        let of_registry = source.starts_with("registry+") || source.starts_with("sparse+");
        if checksum.is_none() || !of_registry {
            bail!(
                "the library depends on the crate `{}`, which is not from a registry, so `Cargo.lock` has no checksum of it",
                name.escape_debug()
            );
        }
        if !registries.contains(&source) {
            registries.push(source);
        }
    }
    match registries.len() {
        0 => Ok(false),
        1 => Ok(true),
        _ => bail!("the crates of the library come from more than one registry"),
    }
}

/// Removes the files that some versions of cargo omit, and rewrites the lists of checksums.
fn make_uniform(vendor: &Utf8Path) -> anyhow::Result<()> {
    let entries = vendor.read_dir_utf8().with_context(|| cannot_use(vendor))?;
    for entry in entries {
        let folder = entry.with_context(|| cannot_use(vendor))?.into_path();
        let list = folder.join(".cargo-checksum.json");
        let text = fs::read_to_string(&list).with_context(|| cannot_use(&list))?;
        let known: Checksums =
            serde_json::from_str(&text).with_context(|| unknown_form(&folder))?;
        if known.package.is_none() {
            bail!(unknown_form(&folder));
        }
        let mut files = BTreeMap::new();
        visit(&folder, &folder, &mut files)?;
        let list_of = Checksums { files, package: known.package };
        let bytes = serde_json::to_vec(&list_of).with_context(|| unknown_form(&folder))?;
        fs::write(&list, bytes).with_context(|| cannot_use(&list))?;
    }
    Ok(())
}

fn unknown_form(folder: &Utf8Path) -> String {
    format!("cargo has vendored the crate in `{folder}` in an unknown form")
}

fn visit(
    top: &Utf8Path,
    folder: &Utf8Path,
    files: &mut BTreeMap<String, String>,
) -> anyhow::Result<()> {
    for entry in folder.read_dir_utf8().with_context(|| cannot_use(folder))? {
        let entry = entry.with_context(|| cannot_use(folder))?;
        let path: Utf8PathBuf = entry.path().to_owned();
        let kind = entry.file_type().with_context(|| cannot_use(&path))?;
        if kind.is_dir() {
            visit(top, &path, files)?;
            continue;
        }
        if is_left_out(entry.file_name()) {
            fs::remove_file(&path).with_context(|| cannot_use(&path))?;
            continue;
        }
        let relative = path.strip_prefix(top).with_context(|| unknown_form(top))?;
        if !kind.is_file() {
            bail!(unknown_form(top));
        }
        let measured = File::open(&path)
            .and_then(|mut file| Measure::of(&mut file))
            .with_context(|| cannot_use(&path))?;
        files.insert(relative.to_string(), measured.sha256.to_string());
    }
    Ok(())
}

/// Checks for files that no build reads, and that only some versions of cargo keep.
fn is_left_out(name: &str) -> bool {
    let dropped = [".gitattributes", ".gitignore", ".git", ".cargo-ok", ".cargo-checksum.json"];
    let ending = Utf8Path::new(name).extension();
    dropped.contains(&name) || ending.is_some_and(|it| ["orig", "rej"].contains(&it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> anyhow::Result<bool> {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("Cargo.lock");
        fs::write(&path, text).unwrap();
        check_versions(&path)
    }

    #[test]
    fn every_crate_is_held_by_a_checksum() {
        let own = "version = 4\n[[package]]\nname = 'a'\nversion = '1'\n";
        let other = |source: &str, checksum: &str| {
            format!("{own}[[package]]\nname = 'b'\nsource = '{source}'\n{checksum}\n")
        };
        let message = |text: &str| check(text).unwrap_err().to_string();
        let sum = "checksum = '00'";
        assert!(!check(own).unwrap());
        assert!(check(&other("registry+https://registry.example/index", sum)).unwrap());
        for bad in [
            other("git+https://git.example/b#0123", ""),
            other("git+https://git.example/b#0123", sum),
            other("registry+https://registry.example/index", ""),
        ] {
            assert!(message(&bad).contains("depends on the crate `b`, which is not from"), "{bad}");
        }
        let two = other("registry+https://registry.example/index", sum)
            + "[[package]]\nname = 'c'\nsource = 'sparse+https://other.example/'\nchecksum = '1'\n";
        assert!(message(&two).contains("more than one registry"));
        assert!(message("package = 1").contains("`Cargo.lock` is malformed"));
    }

    #[test]
    fn two_versions_of_cargo_put_down_the_same() {
        let make = |more: &[&str], list: &str| {
            let dir = tempfile::tempdir().unwrap();
            let vendor = Utf8Path::from_path(dir.path()).unwrap().to_owned();
            fs::create_dir_all(vendor.join("a-1.0.0/src")).unwrap();
            for name in ["Cargo.toml", "src/lib.rs"].iter().chain(more) {
                fs::write(vendor.join("a-1.0.0").join(name), "x").unwrap();
            }
            fs::write(vendor.join("a-1.0.0/.cargo-checksum.json"), list).unwrap();
            make_uniform(&vendor).unwrap();
            let nodes = crate::items::tree::scan(&vendor, &[]).unwrap();
            let mut bytes = Vec::new();
            crate::items::tree::pack(nodes, &mut bytes, &|_| {}).unwrap();
            bytes
        };
        let old = make(&[], r#"{"files":{"src/lib.rs":"1"},"package":"ab"}"#);
        let new = make(&["Cargo.toml.orig", ".gitignore"], r#"{"package":"ab", "files":{}}"#);
        assert_eq!(old, new);
        assert_ne!(old, make(&["more.rs"], r#"{"package":"ab","files":{}}"#));
    }
}
