use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};

use vgpu_manifest::PIECE;
use vgpu_manifest::catalog::{DriverVersion, Md5};
use vgpu_manifest::driver::{DriverKind, VgpuConfig};
use vgpu_manifest::patch::Patch;

use super::header::Header;
use super::name::Variant;
use super::payload::{MAX_UNPACKED, Payload};
use super::sums::sums;
use super::walk::{Proof, Walked, walk};
use super::{DriverError, vgpu_config};

/// A `.run` file with a parsed header.
#[derive(Debug)]
pub(crate) struct Package {
    file: File,
    header: Header,
}

/// The verified properties of a package.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) config: Option<Config>,
    /// The changes of each patch.
    pub(crate) proofs: Vec<Proof>,
}

/// A `vgpuConfig.xml`.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) bytes: Vec<u8>,
    /// Its contents.
    pub(crate) parsed: VgpuConfig,
}

impl Package {
    /// Reads the header of `file`.
    pub(crate) fn open(mut file: File) -> Result<Self, DriverError> {
        let header = Header::read(&mut file)?;
        Ok(Self { file, header })
    }

    /// Returns the version in its header.
    pub(crate) fn version(&self) -> &DriverVersion {
        &self.header.version
    }

    /// Returns the kind in its header.
    pub(crate) fn kind(&self) -> DriverKind {
        self.header.kind
    }

    /// Returns whether its header marks an original of NVIDIA.
    pub(crate) fn is_original(&self) -> bool {
        self.header.variant == Variant::Original
    }

    /// Checks the kind of the driver.
    pub(crate) fn expect(&self, wanted: DriverKind) -> Result<(), DriverError> {
        if self.header.kind == wanted {
            return Ok(());
        }
        let version = self.header.version.clone();
        Err(DriverError::OtherKind { wanted, found: self.header.kind, version })
    }

    /// Reads the whole file twice: verifies the checksums, examines the payload, and applies the
    /// patches.
    ///
    /// `known` is the expected MD5 of this version, if it is to be checked.
    pub(crate) fn examine(
        mut self,
        known: Option<Md5>,
        patches: &[Patch],
    ) -> Result<Examined, DriverError> {
        self.check_sums(known)?;
        let Walked { is_marked_host, config, proofs } = walk(self.payload()?, patches)?;
        let kind = self.header.kind;
        let why = match (kind, is_marked_host) {
            (DriverKind::Host, false) if config.is_none() => {
                Some("it has neither `is_vgpu_host_package.txt` nor `vgpuConfig.xml`")
            }
            (DriverKind::Guest | DriverKind::WindowsGuest, true) => {
                Some("it has `is_vgpu_host_package.txt`")
            }
            _ => None,
        };
        if let Some(why) = why {
            return Err(DriverError::Contradiction { kind, why });
        }
        let config = config
            .map(|bytes| vgpu_config::parse(&bytes).map(|parsed| Config { bytes, parsed }))
            .transpose()?;
        Ok(Examined { config, proofs })
    }

    fn check_sums(&mut self, known: Option<Md5>) -> Result<(), DriverError> {
        self.file.rewind().map_err(DriverError::Read)?;
        let sums = sums(&mut self.file, self.header.body)?;
        let crc = (sums.crc != self.header.crc).then(|| DriverError::Checksum {
            sum: "CRC",
            expected: self.header.crc.to_string(),
            actual: sums.crc.to_string(),
        });
        let md5 = (sums.md5 != self.header.md5).then(|| DriverError::Checksum {
            sum: "MD5",
            expected: self.header.md5.to_string(),
            actual: sums.md5.to_string(),
        });
        if let Some(wrong) = md5.or(crc) {
            // Report a truncated file first: it is the most likely cause of a wrong checksum.
            return Err(match self.payload().and_then(|mut payload| payload.drain()) {
                Err(truncated @ DriverError::Truncated(_)) => truncated,
                _ => wrong,
            });
        }
        match known.filter(|known| *known != sums.whole) {
            Some(expected) => {
                let version = self.header.version.clone();
                Err(DriverError::Unknown { version, expected, actual: sums.whole })
            }
            None => Ok(()),
        }
    }

    /// Returns a reader at the first byte of the payload.
    fn payload(&mut self) -> Result<Payload<'_>, DriverError> {
        self.file.rewind().map_err(DriverError::Read)?;
        let mut reader = BufReader::with_capacity(PIECE, &mut self.file);
        let offset = self.header.offset(&mut reader)?;
        self.file.seek(SeekFrom::Start(offset)).map_err(DriverError::Read)?;
        Payload::of(&mut self.file, MAX_UNPACKED)
    }
}

/// Checks that `file` can be a Windows driver. NVIDIA's are self-extracting programs, so only the
/// executable format can be checked.
pub(super) fn check_windows(file: &mut File) -> Result<(), DriverError> {
    let mut start = Vec::new();
    file.take(1 << 10).read_to_end(&mut start).map_err(DriverError::Read)?;
    if start.starts_with(b"MZ") {
        return Ok(());
    }
    // Report a web page with its own error.
    match Header::read(&mut &*start) {
        Err(error @ (DriverError::WebPage { .. } | DriverError::Answer(_))) => Err(error),
        _ => Err(DriverError::NotADriver("it is not a Windows program")),
    }
}
