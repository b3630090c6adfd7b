//! Writes stand-ins for NVIDIA's driver packages, with a matching patch, so that the programs can
//! be tried without a driver.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use camino::Utf8PathBuf;
use vgpu_tests::nvidia::{Compression, Layout, StandIn, write_portal};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, version, compression) = match &arguments[..] {
        [folder, version] => (folder, version, Compression::Xz),
        [folder, version, name] => {
            let found = Compression::ALL.into_iter().find(|compression| compression.name() == name);
            (folder, version, found.context("compressions are `gzip`, `xz` and `zstd`")?)
        }
        _ => bail!("usage: stand-in FOLDER VERSION [gzip|xz|zstd]"),
    };
    let folder = Utf8PathBuf::from(folder);
    std::fs::create_dir_all(&folder)?;
    let host = StandIn { compression, ..StandIn::host(version) };
    let guest = StandIn { compression, ..StandIn::guest(version) };
    for stand_in in [&host, &guest] {
        let path = folder.join(stand_in.file_name());
        stand_in.write(&path).with_context(|| format!("cannot write `{path}`"))?;
    }
    std::fs::write(folder.join(format!("{version}.patch")), host.patch())?;
    let archive = folder.join(format!("NVIDIA-GRID-Linux-KVM-{version}-539.19.zip"));
    write_portal(&archive, Layout::Folders, &host, &guest)
        .with_context(|| format!("cannot write `{archive}`"))
}
