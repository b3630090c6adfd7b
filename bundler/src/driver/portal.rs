use std::fs::File;
use std::io::{Read, Seek as _, Write};

use vgpu_manifest::PIECE;
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::limits::MAX_ITEM;
use zip::ZipArchive;
use zip::result::ZipError;

use super::DriverError;
use super::name::{FileName, Hypervisor};

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

/// Returns whether `file` starts like an archive.
pub(crate) fn is_zip(file: &mut File) -> Result<bool, DriverError> {
    let mut start = Vec::new();
    file.take(4).read_to_end(&mut start).map_err(DriverError::Read)?;
    file.rewind().map_err(DriverError::Read)?;
    Ok(start == b"PK\x03\x04" || start == b"PK\x05\x06")
}

impl Portal {
    /// Reads the directory of an archive with the file name `name`.
    pub(crate) fn open(file: File, name: &str) -> Result<Self, DriverError> {
        if let FileName::Portal(Hypervisor::Other(hypervisor)) = FileName::of(name) {
            let file = name.rsplit('/').next().unwrap_or(name).to_owned();
            return Err(DriverError::Hypervisor { file, hypervisor });
        }
        let archive = ZipArchive::new(file).map_err(|error| match error {
            // The directory is at the end, so a truncated download lacks it.
            ZipError::InvalidArchive(_) => DriverError::Truncated("before its directory"),
            error => DriverError::Archive(error),
        })?;
        if archive.len() > MAX_FILES {
            return Err(DriverError::TooManyFiles(MAX_FILES));
        }
        Ok(Self { archive })
    }

    /// Returns the name of the only driver of this kind.
    pub(crate) fn find(&mut self, wanted: DriverKind) -> Result<String, DriverError> {
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for at in 0..self.archive.len() {
            let file = self.archive.by_index_raw(at).map_err(DriverError::Archive)?;
            let name = file.name().map_err(DriverError::Archive)?.into_owned();
            match FileName::of(&name) {
                FileName::Driver(kind, _) if kind == wanted => found.push(name),
                FileName::Driver(..) => others.push(name),
                _ if is_package(&name) => others.push(name),
                _ => {}
            }
        }
        match found.len() {
            0 => {
                others.truncate(8);
                Err(DriverError::NotInArchive { wanted, others })
            }
            1 => Ok(found.remove(0)),
            _ => Err(DriverError::Several { wanted, found }),
        }
    }

    /// Writes the member `name` to `to`, up to its declared size.
    pub(crate) fn extract(
        &mut self,
        name: &str,
        to: &mut dyn Write,
        progress: &dyn Fn(usize),
    ) -> Result<(), DriverError> {
        let mut file = self.archive.by_name(name).map_err(DriverError::Archive)?;
        let size = file.size();
        if size > MAX_ITEM {
            return Err(DriverError::Member(name.to_owned()));
        }
        let (mut left, mut buf) = (size, vec![0; PIECE]);
        loop {
            let n = super::header::read(&mut file, &mut buf).map_err(damaged)?;
            if n == 0 {
                break;
            }
            left =
                left.checked_sub(n as u64).ok_or_else(|| DriverError::Member(name.to_owned()))?;
            to.write_all(&buf[..n]).map_err(DriverError::Read)?;
            progress(n);
        }
        if left > 0 { Err(DriverError::Truncated("in the archive")) } else { Ok(()) }
    }
}

/// Converts an error inside an archive: it concerns the contents, not the disk.
fn damaged(error: DriverError) -> DriverError {
    match error {
        DriverError::Read(error) => DriverError::payload(error),
        error => error,
    }
}

/// Returns whether a file is a package of another kind, which the error mentions.
fn is_package(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    [".run", ".deb", ".rpm", ".vib", ".exe", ".zip"].iter().any(|end| lower.ends_with(end))
}
