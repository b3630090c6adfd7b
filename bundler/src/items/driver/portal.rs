use std::fs::File;
use std::io::{Read, Seek as _, Write};

use anyhow::{Context as _, anyhow, bail};
use vgpu_manifest::PIECE;
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::limits::MAX_ITEM;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::{Truncated, UNREADABLE, damaged};
use crate::types::{FileName, Hypervisor};

/// An archive of the NVIDIA licensing portal, which contains a release.
///
/// The drivers are in `Host_Drivers/` and `Guest_Drivers/`, in older releases at the top,
/// optionally within another folder. Only file names count.
#[derive(Debug)]
pub(crate) struct Portal {
    archive: ZipArchive<File>,
    /// The file name and the hypervisor of a package for another one than Linux KVM.
    foreign: Option<(String, String)>,
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
        let foreign = match FileName::of(name) {
            FileName::Portal(Hypervisor::Other(hypervisor)) => {
                let file = name.rsplit('/').next().unwrap_or(name).to_owned();
                Some((file, hypervisor))
            }
            _ => None,
        };
        let archive = ZipArchive::new(file).map_err(|error| match error {
            // The directory is at the end, so a truncated download lacks it.
            ZipError::InvalidArchive(_) => Truncated("before its directory").into(),
            error => anyhow::Error::new(error).context(BROKEN),
        })?;
        if archive.len() > MAX_FILES {
            bail!("the archive has more than the {MAX_FILES} files allowed");
        }
        Ok(Self { archive, foreign })
    }

    /// Returns the name of the only driver of this kind.
    ///
    /// The packages for other hypervisors have the same guest drivers, but other host drivers.
    pub(crate) fn find(&mut self, wanted: DriverKind) -> anyhow::Result<String> {
        if let Some((file, hypervisor)) = self.foreign.as_ref()
            && wanted == DriverKind::Host
        {
            let file = file.escape_debug();
            bail!(
                "`{file}` is the package for {hypervisor}; the host driver for Proxmox VE is in the one for Linux KVM, `NVIDIA-GRID-Linux-KVM-….zip`"
            );
        }
        let (mut found, mut others) = (Vec::new(), Vec::<String>::new());
        let mut enterprise = Vec::new();
        for at in 0..self.archive.len() {
            let file = self.archive.by_index_raw(at).context(BROKEN)?;
            let name = file.name().context(BROKEN)?.into_owned();
            match FileName::of(&name) {
                FileName::Driver(kind, _) if kind == wanted => found.push(name),
                FileName::Enterprise(_) if wanted == DriverKind::Host => enterprise.push(name),
                FileName::Driver(..) | FileName::Enterprise(_) => others.push(name),
                _ if is_package(&name) => others.push(name),
                _ => {}
            }
        }
        // The archive of NVIDIA AI Enterprise has the host driver under its own name only.
        if found.is_empty() {
            found = enterprise;
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
        if let Some(method) = unsupported(file.compression()) {
            bail!(
                "`{}` is packed with {method} in the archive, which is not supported; unpack the archive with another program, and set the driver's `path` to the file",
                name.escape_debug()
            );
        }
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

/// Returns the name of a compression method that this program does not read. NVIDIA's archives use
/// none of them, so the archive was packed again.
fn unsupported(method: CompressionMethod) -> Option<&'static str> {
    let known = [
        (CompressionMethod::BZIP2, "bzip2"),
        (CompressionMethod::DEFLATE64, "Deflate64"),
        (CompressionMethod::LZMA, "LZMA"),
        (CompressionMethod::XZ, "xz"),
        (CompressionMethod::ZSTD, "zstd"),
    ];
    match method {
        CompressionMethod::Stored | CompressionMethod::Deflated => None,
        other => {
            Some(known.iter().find(|(it, _)| *it == other).map_or("an unknown method", |it| it.1))
        }
    }
}

/// Returns whether a file is a package of another kind, which the error mentions.
fn is_package(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".run", ".deb", ".rpm", ".vib", ".exe", ".zip"].iter().any(|end| lower.ends_with(end))
}
