//! The two programs: how each is built, and its bill of materials.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use vgpu_bundler::BuiltProgram;
use vgpu_manifest::Digest;

use crate::source::{Source, TARGET, output, run};

/// A program of this project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Installer,
    Bundler,
}

/// The glibc of Debian 11, the oldest release that the bundler runs on.
const GLIBC: &str = "2.31";

impl Program {
    pub(crate) const ALL: [Self; 2] = [Self::Installer, Self::Bundler];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Installer => "vgpu-installer",
            Self::Bundler => "vgpu-bundler",
        }
    }

    /// Builds it, and returns the path of the executable.
    ///
    /// The installer is static. The bundler is not, because a static program cannot use the name
    /// services of its machine (`nsswitch.conf`); it is linked for an old glibc instead.
    pub(crate) fn build(self, source: &Source) -> Result<Utf8PathBuf> {
        let target_dir = source.folder.join("target/dist").join(self.name());
        let mut command = match self {
            Self::Installer => source.release(&["static-installer"], &target_dir),
            Self::Bundler => {
                let target = format!("{TARGET}.{GLIBC}");
                let words = ["zigbuild", "--release", "--package", "vgpu-bundler"];
                let more = ["--bin", "vgpu-bundler", "--target", &target];
                source.release(&[&words[..], &more].concat(), &target_dir)
            }
        };
        run(&mut command).context(match self {
            Self::Installer => "cannot build the installer",
            Self::Bundler => {
                "cannot build the bundler, for which `cargo-zigbuild` and `zig` must be installed \
                 (`pip install cargo-zigbuild ziglang`)"
            }
        })?;
        Ok(target_dir.join(TARGET).join("release").join(self.name()))
    }

    /// Returns its bill of materials in CycloneDX, as JSON.
    pub(crate) fn bom(self, source: &Source, built: &Utf8Path) -> Result<String> {
        let words = ["tree", "--locked", "--package", self.name(), "--target", TARGET];
        let more = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
        let tree = output(&mut source.cargo(&[&words[..], &more].concat()))?;
        let linked: BTreeSet<_> = tree.lines().filter_map(name_and_version).collect();
        let program = BuiltProgram {
            name: self.name(),
            version: &source.version,
            sha256: Digest::of(&fs::read(built)?),
            created: source.epoch,
            lock: &fs::read_to_string(source.folder.join("Cargo.lock"))?,
            linked: &linked,
        };
        Ok(format!("{:#}\n", program.bom()?))
    }
}

/// Returns name and version in a line of `cargo tree`, such as `libc v0.2.1 (*)`.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.split_once(" v")?;
    let version = rest.split(' ').next()?;
    Some((name.to_owned(), version.to_owned()))
}
