//! The catalog of this program, extended by files of the recipe's folder and of the user.

use std::fs;
use std::io::{self, Read as _};

use anyhow::{Context as _, ensure};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use vgpu_manifest::Digest;
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::ui::ByteSize;

use crate::dirs;

/// The folder of the files, next to a recipe and in the user's configuration.
const FOLDER: &str = "catalog.d";

/// The largest file, in bytes. The largest of this program has a quarter of that.
const MAX_FILE: u64 = 1 << 20;

/// The largest number of files in a folder.
const MAX_FILES: usize = 64;

/// A catalog, and the files that extend that of this program.
#[derive(Debug)]
pub(crate) struct Extended {
    pub(crate) catalog: Catalog,
    pub(crate) files: Vec<CatalogFile>,
}

/// A file that extends the catalog, as in a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct CatalogFile {
    /// `catalog.d/NAME`, or the path with `$XDG_CONFIG_HOME` for a file of the user.
    pub(crate) name: String,
    pub(crate) sha256: Digest,
}

impl Extended {
    /// Reads the files next to a recipe in `base`, and those of the user. The files of each folder
    /// are added in the order of their names.
    pub(crate) fn load(base: &Utf8Path) -> anyhow::Result<Self> {
        let mut extended = Self { catalog: Catalog::embedded(), files: Vec::new() };
        extended.add(&base.join(FOLDER), FOLDER)?;
        // Without a home there is no configuration.
        if let Some(config) = dirs::bundler_config() {
            extended.add(&config.join(FOLDER), "$XDG_CONFIG_HOME/vgpu-bundler/catalog.d")?;
        }
        Ok(extended)
    }

    fn add(&mut self, folder: &Utf8Path, shown: &str) -> anyhow::Result<()> {
        for file in files(folder)? {
            let path = folder.join(&file);
            let text = read(&path).with_context(|| format!("cannot read `{path}`"))?;
            let name = format!("{shown}/{file}");
            self.catalog = self.catalog.extended(&name, &text)?;
            self.files.push(CatalogFile { name, sha256: Digest::of(text.as_bytes()) });
        }
        Ok(())
    }
}

/// Returns the names of the TOML files in a folder, sorted; none if there is no folder.
fn files(folder: &Utf8Path) -> anyhow::Result<Vec<String>> {
    let what = || format!("cannot read the folder `{folder}`");
    let entries = match folder.read_dir_utf8() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(what)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(what)?.file_name().to_owned();
        // Editors leave hidden files behind.
        if Utf8Path::new(&name).extension() == Some("toml") && !name.starts_with('.') {
            names.push(name);
        }
        ensure!(names.len() <= MAX_FILES, "`{folder}` has more than {MAX_FILES} files");
    }
    names.sort();
    Ok(names)
}

fn read(path: &Utf8PathBuf) -> anyhow::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    let limit = ByteSize::new(MAX_FILE);
    ensure!(text.len() as u64 <= MAX_FILE, "the file is larger than {limit}");
    Ok(text)
}
