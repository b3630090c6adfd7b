//! The packages of a bundle as the only source of a root's own apt.
//!
//! The index is made by the same function as on the node, and apt is isolated in the same way: with
//! its own lists, caches and sources.

#![expect(clippy::missing_panics_doc, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_installer::{PackageFile, index};
use vgpu_manifest::package::PackageRecord;
use vgpu_manifest::{Item, Kind, Manifest};

use crate::roots::Root;
use crate::scratch::expect;

/// A flat repository in a root.
#[derive(Debug)]
pub struct Repository<'r> {
    root: &'r Root,
    folder: Utf8PathBuf,
    files: BTreeMap<String, Utf8PathBuf>,
}

impl<'r> Repository<'r> {
    /// Writes the index of the bundle's packages into the folder `at` of the root, and lets apt
    /// read it. A simulation does not need the package files.
    #[must_use]
    pub fn new(root: &'r Root, at: &str, manifest: &Manifest) -> Self {
        let file = |(item, record): (&Item, &PackageRecord)| {
            (PackageFile::of(record, item), item.name().as_str().into())
        };
        let packages = manifest.records(Kind::package);
        let files: Vec<(PackageFile, Utf8PathBuf)> = packages.map(file).collect();
        let this = Self {
            root,
            folder: at.into(),
            files: files.iter().map(|(file, item)| (file.file_name(), item.clone())).collect(),
        };
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.at(at).join(folder)).expect("a folder");
        }
        root.write(&format!("{at}/packages/Packages"), index(files.iter().map(|(file, _)| file)));
        let line = format!("deb [trusted=yes] file:{at}/packages ./\n");
        root.write(&format!("{at}/sources.list"), line);
        expect(this.apt(&["update"]), 0);
        this
    }

    /// Copies the packages from the folder into which the bundle was extracted.
    pub fn fill(&self, extracted: &Utf8Path) {
        for (name, item) in &self.files {
            let to = self.root.at(self.folder.as_str()).join("packages").join(name);
            fs::copy(extracted.join(item), &to).unwrap_or_else(|error| panic!("{to}: {error}"));
        }
    }

    /// Returns the root's own `apt-get`, with this repository as its only source and without a
    /// network.
    #[must_use]
    pub fn apt(&self, words: &[&str]) -> Command {
        let Self { folder, .. } = self;
        let options = [
            format!("Dir::Etc::SourceList={folder}/sources.list"),
            "Dir::Etc::SourceParts=-".to_owned(),
            format!("Dir::State::Lists={folder}/lists"),
            format!("Dir::Cache={folder}/cache"),
        ];
        let options = options.iter().flat_map(|option| ["-o", option.as_str()]);
        let all: Vec<_> = ["apt-get", "--quiet"].into_iter().chain(options).collect();
        self.root.command(&[&all, words].concat())
    }
}
