use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};

use anyhow::{Context as _, bail};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{ItemName, PIECE};

use super::window::{FITS, Wide};

/// The size limit of an unpacked payload. The largest known driver has 1.5 GB.
pub(super) const MAX_UNPACKED: u64 = 4 << 30;

/// The memory limit of the xz decoder in KiB: the largest supported window and some overhead.
const XZ_MEMORY: u32 = 34 << 10;

/// The binary logarithm of the largest supported zstd window.
const ZSTD_WINDOW: u32 = FITS.ilog2();

/// A decompressed payload with a size limit.
pub(super) struct Payload<'f> {
    reader: Box<dyn Read + 'f>,
    left: u64,
    cap: u64,
}

impl<'f> Payload<'f> {
    /// Decompresses `file` from its current position to at most `cap` bytes. Uses another program
    /// if the window exceeds the memory limit of this one.
    pub(super) fn of(file: &'f mut File, cap: u64) -> anyhow::Result<Self> {
        let mut start = Vec::new();
        let at = file.stream_position().context(UNREADABLE)?;
        file.by_ref().take(64).read_to_end(&mut start).context(UNREADABLE)?;
        file.seek(SeekFrom::Start(at)).context(UNREADABLE)?;
        match Wide::of(&start) {
            Some(wide) => {
                let file = file.try_clone().context(UNREADABLE)?;
                Ok(Self { reader: Box::new(wide.through(file)?), left: cap, cap })
            }
            None => Self::open(BufReader::with_capacity(PIECE, file), cap),
        }
    }

    /// Decompresses `file`, which is at the first byte of the payload, to at most `cap` bytes.
    pub(super) fn open(mut file: impl BufRead + 'f, cap: u64) -> anyhow::Result<Self> {
        let start = file.fill_buf().context(UNREADABLE)?;
        let start = start[..start.len().min(6)].to_vec();
        let reader: Box<dyn Read + 'f> = match start[..] {
            [] => return Err(Truncated("before its payload").into()),
            _ if start.len() < 6 => return Err(Truncated("in its payload").into()),
            [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => {
                Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY))
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(file).map_err(damaged)?;
                decoder.window_log_max(ZSTD_WINDOW).map_err(damaged)?;
                Box::new(decoder)
            }
            _ => {
                let hex: Vec<_> = start.iter().map(|byte| format!("{byte:02x}")).collect();
                bail!(
                    "the payload of the driver is compressed neither with gzip nor with xz nor with zstd: it begins with {}",
                    hex.join(" ")
                );
            }
        };
        Ok(Self { reader, left: cap, cap })
    }

    /// Reads to the end, which detects damage after the last file.
    pub(super) fn drain(&mut self) -> anyhow::Result<()> {
        io::copy(self, &mut io::sink()).map(drop).map_err(damaged)
    }
}

impl Read for Payload<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buf)?;
        self.left =
            self.left.checked_sub(n as u64).ok_or_else(|| io::Error::other(Bomb(self.cap)))?;
        Ok(n)
    }
}

/// A package that ends too early: usually a download that was cut off.
#[derive(Debug, thiserror::Error)]
#[error("the file is truncated: it ends {0}; download it again")]
pub(super) struct Truncated(pub(super) &'static str);

/// A payload that unpacks to more than its limit, in bytes, as [`Payload`] reports it
/// through a reader.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
pub(super) struct Bomb(pub(super) u64);

pub(super) const UNREADABLE: &str = "cannot read the file";

/// The context of everything that is wrong with an item.
pub(super) fn unusable(item: &ItemName) -> String {
    format!("item `{item}` cannot be used")
}

/// Returns what a failure to read the payload means.
pub(super) fn damaged(error: io::Error) -> anyhow::Error {
    // The archive reader wraps errors in its own.
    let mut inner = Some(&error as &(dyn std::error::Error + 'static));
    while let Some(cause) = inner {
        let io = cause.downcast_ref::<io::Error>();
        let carried = io.and_then(io::Error::get_ref);
        if let Some(Bomb(cap)) = carried.and_then(|inner| inner.downcast_ref()) {
            let cap = ByteSize::new(*cap);
            return anyhow::anyhow!("the payload unpacks to more than the {cap} allowed");
        }
        if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            return Truncated("in its payload").into();
        }
        inner = carried.map_or_else(|| cause.source(), |inner| Some(inner as _));
    }
    anyhow::Error::new(error).context("the payload of the driver package is damaged")
}
