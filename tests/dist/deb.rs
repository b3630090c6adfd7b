//! Debian packages of the programs, made by `dpkg-deb`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use flate2::{Compression, GzBuilder};

use crate::programs::Program;
use crate::source::{Source, run};
use crate::{files, put};

/// The fields of the bundler's package that follow from `vgpu-bundler doctor`: programs that it
/// runs, and certificates. Only unlock libraries need cargo, and only links to mega need megatools.
const BUNDLER: &str = "\
Depends: libc6 (>= 2.31), ca-certificates, git, gpgv | sqv
Recommends: vgpu-installer (= @VERSION@), cargo, openssh-client
Suggests: megatools
Description: makes signed bundles of NVIDIA vGPU inputs for offline hosts
 Turns drivers, patches, Debian packages and container images that an
 installation of NVIDIA vGPU on Proxmox VE needs into one signed file. The
 program vgpu-installer applies it on hosts without a network.
";

const INSTALLER: &str = "\
Description: applies signed bundles of NVIDIA vGPU inputs on offline hosts
 Verifies a bundle of vgpu-bundler, shows a plan, applies it through the
 reboots of a Proxmox VE host without a network, and can undo every change.
 This static program needs no other package.
";

/// Writes the package of `program` from the files in `dist`, next to them.
pub(crate) fn write(source: &Source, program: Program, dist: &Utf8Path) -> Result<()> {
    let staging = tempfile::tempdir()?;
    let root = Utf8Path::from_path(staging.path()).context("the folder is not UTF-8")?;
    let root = &root.join("root");
    let name = program.name();
    let executable = fs::read(dist.join(name))?;
    match program {
        Program::Bundler => put(&root.join("usr/bin").join(name), &executable, 0o755)?,
        Program::Installer => {
            // `vgpu-bundler write` looks here; see bundler/src/stick/program.rs.
            put(&root.join("usr/lib/vgpu-offline").join(name), &executable, 0o755)?;
            fs::create_dir_all(root.join("usr/sbin"))?;
            symlink(format!("../lib/vgpu-offline/{name}"), root.join("usr/sbin").join(name))?;
        }
    }
    pages(name, dist, root)?;
    documents(source, program, root)?;
    put(&root.join("DEBIAN/control"), control(source, program, root)?.as_bytes(), 0o644)?;
    for folder in folders(root)? {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    let file = dist.join(format!("{name}_{}_amd64.deb", source.version));
    let mut command = Command::new("dpkg-deb");
    // Several threads compress differently, depending on their number.
    command.env("DPKG_DEB_THREADS_MAX", "1");
    command.env("SOURCE_DATE_EPOCH", source.epoch.to_string());
    command.args(["--root-owner-group", "-Zxz", "--build", root.as_str(), file.as_str()]);
    run(command.stdout(std::process::Stdio::null()))?;
    put(&file, &fs::read(&file)?, 0o644)
}

/// Places manual pages, compressed as Debian wants them, and completions.
fn pages(name: &str, dist: &Utf8Path, root: &Utf8Path) -> Result<()> {
    for page in files(&dist.join("man1"))? {
        let file = page.file_name().unwrap_or_default();
        let of_program = file.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '-']));
        if of_program {
            // Neither a name nor a time in the header.
            let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
            packed.write_all(&fs::read(&page)?)?;
            let path = root.join("usr/share/man/man1").join(format!("{file}.gz"));
            put(&path, &packed.finish()?, 0o644)?;
        }
    }
    for (file, path) in [
        (format!("{name}.bash"), format!("bash-completion/completions/{name}")),
        (format!("_{name}"), format!("zsh/vendor-completions/_{name}")),
        (format!("{name}.fish"), format!("fish/vendor_completions.d/{name}.fish")),
    ] {
        let script = fs::read(dist.join("completions").join(file))?;
        put(&root.join("usr/share").join(path), &script, 0o644)?;
    }
    Ok(())
}

/// Places the license, and with the bundler the documents to which its messages refer.
fn documents(source: &Source, program: Program, root: &Utf8Path) -> Result<()> {
    let doc = root.join("usr/share/doc").join(program.name());
    let [apache, mit] =
        ["LICENSE-APACHE", "LICENSE-MIT"].map(|name| fs::read_to_string(source.folder.join(name)));
    let copyright = format!(
        "License: MIT or Apache-2.0, at your option. The file of crates (CycloneDX) of a release \
         names the\nother works in this program.\n\n{}\n{}",
        mit?, apache?
    );
    put(&doc.join("copyright"), copyright.as_bytes(), 0o644)?;
    if program == Program::Bundler {
        let docs = files(&source.folder.join("docs"))?;
        for path in docs.iter().chain([&source.folder.join("README.md")]) {
            put(&doc.join(path.strip_prefix(&source.folder)?), &fs::read(path)?, 0o644)?;
        }
    }
    Ok(())
}

fn control(source: &Source, program: Program, root: &Utf8Path) -> Result<String> {
    let sizes = files(root)?.into_iter().map(|path| Ok(path.symlink_metadata()?.len()));
    let size = sizes.sum::<Result<u64>>()?.div_ceil(1024);
    let (section, fields) = match program {
        Program::Bundler => ("utils", BUNDLER),
        Program::Installer => ("admin", INSTALLER),
    };
    let Source { version, .. } = source;
    Ok(format!(
        "Package: {}\nVersion: {version}\nArchitecture: amd64\nSection: {section}\n\
         Priority: optional\nMaintainer: the contributors of proxmox-vgpu-offline\n\
         Installed-Size: {size}\n{}",
        program.name(),
        fields.replace("@VERSION@", version)
    ))
}

/// Returns a folder and all folders below it.
fn folders(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let mut found = vec![folder.to_owned()];
    for entry in folder.read_dir_utf8()? {
        let path = entry?.into_path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(folders(&path)?);
        }
    }
    Ok(found)
}
