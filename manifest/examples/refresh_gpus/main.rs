//! Updates `manifest/catalog/gpus.toml` from a pci.ids:
//!
//! ```text
//! cargo run -p vgpu-manifest --example refresh_gpus -- /usr/share/misc/pci.ids
//! ```
//!
//! Fields that were written by hand are kept. Change the version in the head of the file and in
//! the entry `pci-ids` of evidence.toml by hand.

mod refresh;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use vgpu_manifest::catalog::{Catalog, DeviceId};

use crate::refresh::{Refreshed, refresh};

const OPENING: &str = "gpus = [\n";

fn main() -> ExitCode {
    let Some(pci_ids) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: refresh_gpus PCI.IDS");
        return ExitCode::from(2);
    };
    match rewrite(&pci_ids) {
        Ok(refreshed) => {
            report("new, to be reviewed", &refreshed.new);
            report("no longer in pci.ids, left out", &refreshed.gone);
            report("architecture unknown, left out", &refreshed.strange);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot update the file from {}: {error}", pci_ids.display());
            ExitCode::FAILURE
        }
    }
}

fn rewrite(pci_ids: &Path) -> io::Result<Refreshed> {
    // Very old entries are not all UTF-8.
    let pci_ids = String::from_utf8_lossy(&fs::read(pci_ids)?).into_owned();
    let refreshed = refresh(&Catalog::embedded(), &pci_ids);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/gpus.toml");
    let old = fs::read_to_string(&path)?;
    let (head, _) = old.split_once(OPENING).ok_or(io::ErrorKind::InvalidData)?;
    fs::write(&path, format!("{head}{OPENING}{}\n]\n", refreshed.lines.join("\n")))?;
    Ok(refreshed)
}

fn report(what: &str, ids: &[DeviceId]) {
    if !ids.is_empty() {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        eprintln!("{what}: {}", ids.join(" "));
    }
}
