//! Reproducible builds of a library.

use std::fs::{self, File};
use std::io::Read as _;

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use vgpu_manifest::unlock::GlibcVersion;

use super::cannot_use;
use super::library::{self, MAX_LIBRARY};
use super::toolchain::INSTALL_ZIG;
use super::workshop::{Surroundings, Workshop};
use crate::types::Toolchain;

/// The target of every Proxmox host.
const TARGET: &str = "x86_64-unknown-linux-gnu";

#[derive(Debug)]
pub(super) struct Built {
    pub(super) bytes: Vec<u8>,
    /// The oldest glibc that can load it.
    pub(super) glibc: GlibcVersion,
}

/// Builds the library of the sources in `workshop`, for hosts with the glibc `wanted`.
///
/// Paths of this machine and the configuration of the user do not affect the library: paths are
/// remapped, there is one codegen unit, and debug information is omitted.
pub(super) fn build(
    workshop: &Workshop,
    tools: &Toolchain,
    wanted: GlibcVersion,
    watch: &mut dyn FnMut(&str),
) -> anyhow::Result<Built> {
    let (program, target) = match tools.zig {
        Some(_) => ("cargo-zigbuild", format!("{TARGET}.{wanted}")),
        None => ("cargo", TARGET.to_owned()),
    };
    let mut command = workshop.cargo(program, Surroundings::Bare);
    command.arg(if tools.zig.is_some() { "zigbuild" } else { "build" });
    command.args(["--release", "--offline", "--locked", "--lib", "--target", &target]);
    command
        .env("SOURCE_DATE_EPOCH", "0")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_ENCODED_RUSTFLAGS", format!("--remap-path-prefix={}=/build", workshop.top()));
    workshop.run(command, program, "build the library", watch)?;
    let path = find(workshop)?;
    let file = File::open(&path).with_context(|| cannot_use(&path))?;
    let mut bytes = Vec::new();
    file.take(MAX_LIBRARY + 1).read_to_end(&mut bytes).with_context(|| cannot_use(&path))?;
    let glibc = library::oldest_glibc(&bytes).context("the library cannot be used on a host")?;
    if glibc > wanted {
        let hint = match tools.zig {
            Some(_) => "its sources use something newer".to_owned(),
            None => INSTALL_ZIG.to_owned(),
        };
        bail!("the library needs glibc {glibc}, but its hosts have {wanted}: {hint}");
    }
    Ok(Built { bytes, glibc })
}

/// Returns the path of the built library.
fn find(workshop: &Workshop) -> anyhow::Result<Utf8PathBuf> {
    let folder = workshop.target().join(TARGET).join("release");
    let entries = folder.read_dir_utf8().with_context(|| cannot_use(&folder))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| cannot_use(&folder))?.into_path();
        let is_file = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_file());
        if is_file && path.extension() == Some("so") {
            found.push(path);
        }
    }
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => bail!("the crate builds no shared library"),
        (Some(_), others) => {
            bail!("the crate builds {} shared libraries, expected 1", others + 1)
        }
    }
}
