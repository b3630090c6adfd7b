use std::fs::File;
use std::io::{Read, Seek as _, Write};

use anyhow::{Context as _, anyhow, bail};
use vgpu_manifest::PIECE;
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::limits::MAX_ITEM;
use zip::ZipArchive;
use zip::result::ZipError;

use super::{Truncated, UNREADABLE, damaged};
use crate::types::{FileName, Hypervisor};

/// An archive of the NVIDIA licensing portal, which contains a release.
///
/// The drivers are in `Host_Drivers/` and `Guest_Drivers/`, in older releases at the top,
/// optionally within another folder. Only file names count.
#[derive(Debug)]
pub(crate) struct Portal {
    archive: ZipArchive<File>,
}

/// The limit of files in an archive. Known ones have about twenty.
const MAX_FILES: usize = 10_000;

const BROKEN: &str = "cannot read the archive";

/// Returns whether `file` starts like an archive.
pub(crate) fn is_zip(file: &mut File) -> anyhow::Result<bool> {
    let mut start = Vec::new();
    file.take(4).read_to_end(&mut start).context(UNREADABLE)?;
    file.rewind().context(UNREADABLE)?;
    Ok(start == b"PK\x03\x04" || start == b"PK\x05\x06")
}

impl Portal {
    /// Reads the directory of an archive with the file name `name`.
    pub(crate) fn open(file: File, name: &str) -> anyhow::Result<Self> {
        if let FileName::Portal(Hypervisor::Other(hypervisor)) = FileName::of(name) {
            let file = name.rsplit('/').next().unwrap_or(name).escape_debug();
            bail!(
                "`{file}` is the package for {hypervisor}; Proxmox VE needs the one for Linux KVM, `NVIDIA-GRID-Linux-KVM-….zip`"
            );
        }
        let archive = ZipArchive::new(file).map_err(|error| match error {
            // The directory is at the end, so a truncated download lacks it.
            ZipError::InvalidArchive(_) => Truncated("before its directory").into(),
            error => anyhow::Error::new(error).context(BROKEN),
        })?;
        if archive.len() > MAX_FILES {
            bail!("the archive has more than the {MAX_FILES} files allowed");
        }
        Ok(Self { archive })
    }

    /// Returns the name of the only driver of this kind.
    pub(crate) fn find(&mut self, wanted: DriverKind) -> anyhow::Result<String> {
        let (mut found, mut others) = (Vec::new(), Vec::<String>::new());
        for at in 0..self.archive.len() {
            let file = self.archive.by_index_raw(at).context(BROKEN)?;
            let name = file.name().context(BROKEN)?.into_owned();
            match FileName::of(&name) {
                FileName::Driver(kind, _) if kind == wanted => found.push(name),
                FileName::Driver(..) => others.push(name),
                _ if is_package(&name) => others.push(name),
                _ => {}
            }
        }
        match found.len() {
            0 => {
                let others = others.iter().take(8).map(|name| name.escape_debug().to_string());
                let others = others.collect::<Vec<_>>().join(", ");
                if others.is_empty() {
                    bail!("the archive has no {wanted} driver");
                }
                bail!("the archive has no {wanted} driver, but it has {others}")
            }
            1 => Ok(found.remove(0)),
            _ => bail!("the archive has several {wanted} drivers: {}", found.join(", ")),
        }
    }

    /// Writes the member `name` to `to`, up to its declared size.
    pub(crate) fn extract(
        &mut self,
        name: &str,
        to: &mut dyn Write,
        progress: &dyn Fn(usize),
    ) -> anyhow::Result<()> {
        let mut file = self.archive.by_name(name).context(BROKEN)?;
        let size = file.size();
        let too_large =
            || anyhow!("`{}` in the archive is larger than the archive says", name.escape_debug());
        if size > MAX_ITEM {
            return Err(too_large());
        }
        let (mut left, mut buf) = (size, vec![0; PIECE]);
        loop {
            let n = super::header::read(&mut file, &mut buf).map_err(damaged)?;
            if n == 0 {
                break;
            }
            left = left.checked_sub(n as u64).ok_or_else(too_large)?;
            to.write_all(&buf[..n]).context("cannot write the driver")?;
            progress(n);
        }
        if left > 0 { Err(Truncated("in the archive").into()) } else { Ok(()) }
    }
}

/// Returns whether a file is a package of another kind, which the error mentions.
fn is_package(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".run", ".deb", ".rpm", ".vib", ".exe", ".zip"].iter().any(|end| lower.ends_with(end))
}
