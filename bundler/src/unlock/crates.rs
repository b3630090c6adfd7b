//! The crates that a library is built from, so that they are the same whichever cargo has put them
//! down.
//!
//! Which version of each crate is used, and what its bytes are, stands in `Cargo.lock`. Cargo checks
//! every download against that. What `cargo vendor` makes of a crate changes between its versions
//! only in files that no build reads and in the list of checksums, so those are made uniform here.

use std::collections::BTreeMap;
use std::fs::{self, File};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vgpu_manifest::Measure;

use super::error::Why;
use super::workshop::{Surroundings, Workshop, offline};
use crate::git::Reach;

/// Where the crates are in the folder of the sources.
const VENDOR: &str = "vendor";

/// What makes cargo take the crates from there.
const CONFIG: &str = "\
[source.crates-io]
replace-with = \"vendored-sources\"

[source.vendored-sources]
directory = \"vendor\"
";

/// `Cargo.lock`, as far as it matters here.
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

/// What became of `Cargo.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Versions {
    /// The commit has one.
    Committed,
    /// It has none, so this one was made, or taken from the lock of the bundle.
    Kept(String),
}

/// Add to the sources in `workshop` all crates that building them takes.
///
/// `kept` is the `Cargo.lock` that the lock of the bundle has.
pub(super) fn add(workshop: &Workshop, kept: Option<&str>, reach: Reach) -> Result<Versions, Why> {
    let sources = workshop.sources();
    if !sources.join("Cargo.toml").is_file() {
        return Err(Why::NoPackage);
    }
    for name in [".cargo", VENDOR] {
        if sources.join(name).symlink_metadata().is_ok() {
            return Err(Why::InTheWay(name));
        }
    }
    let versions = versions(workshop, kept, reach)?;
    if check_versions(&sources.join("Cargo.lock"))? {
        let mut vendor = workshop.cargo("cargo", Surroundings::Users);
        vendor.args(["vendor", "--quiet", "--versioned-dirs", "--locked"]);
        vendor.args(offline(reach)).arg(VENDOR);
        workshop.run(vendor, "cargo", "get the crates")?;
        make_uniform(&sources.join(VENDOR))?;
        let folder = sources.join(".cargo");
        let path = folder.join("config.toml");
        let write = fs::create_dir(&folder).and_then(|()| fs::write(&path, CONFIG));
        write.map_err(Why::io(path))?;
    }
    // What was vendored is all that it takes, also for whoever builds on the node.
    let mut check = workshop.cargo("cargo", Surroundings::Bare);
    check.args(["fetch", "--quiet", "--offline", "--locked"]);
    workshop.run(check, "cargo", "find all crates among those that were vendored")?;
    Ok(versions)
}

/// The versions of all crates: those of the commit, the kept ones, or the newest that fit.
fn versions(workshop: &Workshop, kept: Option<&str>, reach: Reach) -> Result<Versions, Why> {
    let path = workshop.sources().join("Cargo.lock");
    if path.is_file() {
        return Ok(Versions::Committed);
    }
    if let Some(kept) = kept {
        fs::write(&path, kept).map_err(Why::io(path))?;
        return Ok(Versions::Kept(kept.to_owned()));
    }
    let mut generate = workshop.cargo("cargo", Surroundings::Users);
    generate.args(["generate-lockfile", "--quiet"]).args(offline(reach));
    workshop.run(generate, "cargo", "find out the versions of the crates")?;
    fs::read_to_string(&path).map(Versions::Kept).map_err(Why::io(path))
}

/// Every crate is held to its content. Returns whether there are any.
fn check_versions(path: &Utf8Path) -> Result<bool, Why> {
    let text = fs::read_to_string(path).map_err(Why::io(path))?;
    let lock: CargoLock = toml::from_str(&text)
        .map_err(|error| Why::CargoLock(error.message().escape_debug().to_string()))?;
    let mut registries = Vec::new();
    for Package { name, source, checksum } in lock.package {
        // A crate without a source is a part of the commit itself.
        let Some(source) = source else { continue };
        let of_registry = source.starts_with("registry+") || source.starts_with("sparse+");
        if checksum.is_none() || !of_registry {
            return Err(Why::NoChecksum(name.escape_debug().to_string()));
        }
        if !registries.contains(&source) {
            registries.push(source);
        }
    }
    match registries.len() {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Why::Registries),
    }
}

/// Take out what some versions of cargo leave out, and write the lists of checksums anew.
fn make_uniform(vendor: &Utf8Path) -> Result<(), Why> {
    let entries = vendor.read_dir_utf8().map_err(Why::io(vendor))?;
    for entry in entries {
        let folder = entry.map_err(Why::io(vendor))?.into_path();
        let list = folder.join(".cargo-checksum.json");
        let text = fs::read_to_string(&list).map_err(Why::io(&list))?;
        let known: Checksums =
            serde_json::from_str(&text).map_err(|_| Why::Vendored(folder.clone()))?;
        if known.package.is_none() {
            return Err(Why::Vendored(folder));
        }
        let mut files = BTreeMap::new();
        visit(&folder, &folder, &mut files)?;
        let list_of = Checksums { files, package: known.package };
        let bytes = serde_json::to_vec(&list_of).map_err(|_| Why::Vendored(folder.clone()))?;
        fs::write(&list, bytes).map_err(Why::io(list))?;
    }
    Ok(())
}

fn visit(
    top: &Utf8Path,
    folder: &Utf8Path,
    files: &mut BTreeMap<String, String>,
) -> Result<(), Why> {
    for entry in folder.read_dir_utf8().map_err(Why::io(folder))? {
        let entry = entry.map_err(Why::io(folder))?;
        let path: Utf8PathBuf = entry.path().to_owned();
        let kind = entry.file_type().map_err(Why::io(&path))?;
        if kind.is_dir() {
            visit(top, &path, files)?;
            continue;
        }
        if is_left_out(entry.file_name()) {
            fs::remove_file(&path).map_err(Why::io(&path))?;
            continue;
        }
        let relative = path.strip_prefix(top).map_err(|_| Why::Vendored(top.to_owned()))?;
        if !kind.is_file() {
            return Err(Why::Vendored(top.to_owned()));
        }
        let measured = File::open(&path)
            .and_then(|mut file| Measure::of(&mut file))
            .map_err(Why::io(&path))?;
        files.insert(relative.to_string(), measured.sha256.to_string());
    }
    Ok(())
}

/// What no build reads, and what one version of cargo keeps and another does not.
fn is_left_out(name: &str) -> bool {
    let dropped = [".gitattributes", ".gitignore", ".git", ".cargo-ok", ".cargo-checksum.json"];
    let ending = Utf8Path::new(name).extension();
    dropped.contains(&name) || ending.is_some_and(|it| ["orig", "rej"].contains(&it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<bool, Why> {
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
        let sum = "checksum = '00'";
        assert!(!check(own).unwrap());
        assert!(check(&other("registry+https://registry.example/index", sum)).unwrap());
        for bad in [
            other("git+https://git.example/b#0123", ""),
            other("git+https://git.example/b#0123", sum),
            other("registry+https://registry.example/index", ""),
        ] {
            assert!(matches!(check(&bad), Err(Why::NoChecksum(name)) if name == "b"), "{bad}");
        }
        let two = other("registry+https://registry.example/index", sum)
            + "[[package]]\nname = 'c'\nsource = 'sparse+https://other.example/'\nchecksum = '1'\n";
        assert!(matches!(check(&two), Err(Why::Registries)));
        assert!(matches!(check("package = 1"), Err(Why::CargoLock(_))));
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
            let nodes = crate::tree::scan(&vendor, &[]).unwrap();
            let mut bytes = Vec::new();
            crate::tree::pack(nodes, &mut bytes, &|_| {}).unwrap();
            bytes
        };
        let old = make(&[], r#"{"files":{"src/lib.rs":"1"},"package":"ab"}"#);
        let new = make(&["Cargo.toml.orig", ".gitignore"], r#"{"package":"ab", "files":{}}"#);
        assert_eq!(old, new);
        assert_ne!(old, make(&["more.rs"], r#"{"package":"ab","files":{}}"#));
    }
}
