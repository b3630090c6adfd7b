use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, bail};
use vgpu_manifest::PIECE;
use vgpu_manifest::catalog::{DriverVersion, Md5};
use vgpu_manifest::driver::{DriverKind, Variant, VgpuConfig};
use vgpu_manifest::patch::Patch;

use super::header::{Header, answer_of_server, not_a_driver};
use super::payload::{MAX_UNPACKED, Payload};
use super::sums::sums;
use super::walk::{Proof, Walked, walk};
use super::{Truncated, UNREADABLE, vgpu_config};

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
    pub(crate) fn open(mut file: File) -> anyhow::Result<Self> {
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

    /// Returns the author of the package, by its header.
    pub(crate) fn variant(&self) -> Variant {
        self.header.variant
    }

    /// Checks the kind of the driver.
    pub(crate) fn expect(&self, wanted: DriverKind) -> anyhow::Result<()> {
        if self.header.kind == wanted {
            return Ok(());
        }
        let (found, version) = (self.header.kind, &self.header.version);
        bail!("the file is the {found} driver {version}, expected the {wanted} driver")
    }

    /// Reads the whole file twice: verifies the checksums, examines the payload, and applies the
    /// patches.
    ///
    /// `known` is the expected MD5 of this version, if it is to be checked.
    pub(crate) fn examine(
        mut self,
        known: Option<Md5>,
        patches: &[Patch],
    ) -> anyhow::Result<Examined> {
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
            bail!(
                "the header of the driver declares the {kind} driver, but its payload contradicts that: {why}"
            );
        }
        let config = config
            .map(|bytes| vgpu_config::parse(&bytes).map(|parsed| Config { bytes, parsed }))
            .transpose()?;
        Ok(Examined { config, proofs })
    }

    fn check_sums(&mut self, known: Option<Md5>) -> anyhow::Result<()> {
        self.file.rewind().context(UNREADABLE)?;
        let sums = sums(&mut self.file, self.header.body)?;
        let Header { crc, md5, .. } = &self.header;
        let wrong = if sums.md5 != *md5 {
            Some(("MD5", sums.md5.to_string(), md5.to_string()))
        } else if sums.crc != *crc {
            Some(("CRC", sums.crc.to_string(), crc.to_string()))
        } else {
            None
        };
        if let Some((sum, actual, expected)) = wrong {
            // Report a truncated file first: it is the most likely cause of a wrong checksum.
            match self.payload().and_then(|mut payload| payload.drain()) {
                Err(error) if error.is::<Truncated>() => return Err(error),
                _ => bail!(
                    "the driver is damaged: its {sum} is {actual}, but its header says {expected}; download it again"
                ),
            }
        }
        if let Some(expected) = known.filter(|known| *known != sums.whole) {
            let (actual, version) = (sums.whole, &self.header.version);
            bail!(
                "the MD5 of the file is {actual}, but driver {version} is recorded as {expected}; to accept this file, set its `sha256` in the recipe"
            );
        }
        Ok(())
    }

    /// Returns a reader at the first byte of the payload.
    fn payload(&mut self) -> anyhow::Result<Payload<'_>> {
        self.file.rewind().context(UNREADABLE)?;
        let mut reader = BufReader::with_capacity(PIECE, &mut self.file);
        let offset = self.header.offset(&mut reader)?;
        self.file.seek(SeekFrom::Start(offset)).context(UNREADABLE)?;
        Payload::of(&mut self.file, MAX_UNPACKED)
    }
}

/// Checks that `file` can be a Windows driver. NVIDIA's are self-extracting programs, so only the
/// executable format can be checked.
pub(super) fn check_windows(file: &mut File) -> anyhow::Result<()> {
    let mut start = Vec::new();
    file.take(1 << 10).read_to_end(&mut start).context(UNREADABLE)?;
    if start.starts_with(b"MZ") {
        return Ok(());
    }
    Err(answer_of_server(&start).unwrap_or_else(|| not_a_driver("it is not a Windows program")))
}
