use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};

use vgpu_manifest::PIECE;
use vgpu_manifest::ui::ByteSize;

use super::DriverError;
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
    pub(super) fn of(file: &'f mut File, cap: u64) -> Result<Self, DriverError> {
        let mut start = Vec::new();
        let at = file.stream_position().map_err(DriverError::Read)?;
        file.by_ref().take(64).read_to_end(&mut start).map_err(DriverError::Read)?;
        file.seek(SeekFrom::Start(at)).map_err(DriverError::Read)?;
        match Wide::of(&start) {
            Some(wide) => {
                let file = file.try_clone().map_err(DriverError::Read)?;
                Ok(Self { reader: Box::new(wide.through(file)?), left: cap, cap })
            }
            None => Self::open(BufReader::with_capacity(PIECE, file), cap),
        }
    }

    /// Decompresses `file`, which is at the first byte of the payload, to at most `cap` bytes.
    pub(super) fn open(mut file: impl BufRead + 'f, cap: u64) -> Result<Self, DriverError> {
        let start = file.fill_buf().map_err(DriverError::Read)?;
        let start = start[..start.len().min(6)].to_vec();
        let reader: Box<dyn Read + 'f> = match start[..] {
            [] => return Err(DriverError::Truncated("before its payload")),
            _ if start.len() < 6 => return Err(DriverError::Truncated("in its payload")),
            [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => {
                Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY))
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let mut decoder =
                    zstd::stream::read::Decoder::with_buffer(file).map_err(DriverError::Payload)?;
                decoder.window_log_max(ZSTD_WINDOW).map_err(DriverError::Payload)?;
                Box::new(decoder)
            }
            _ => {
                let hex: Vec<_> = start.iter().map(|byte| format!("{byte:02x}")).collect();
                return Err(DriverError::Compression(hex.join(" ")));
            }
        };
        Ok(Self { reader, left: cap, cap })
    }

    /// Reads to the end, which detects damage after the last file.
    pub(super) fn drain(&mut self) -> Result<(), DriverError> {
        io::copy(self, &mut io::sink()).map(drop).map_err(DriverError::payload)
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

/// The error by which the reader of [`Payload`] signals that the limit is exceeded.
#[derive(Debug, thiserror::Error)]
#[error("more than {0} bytes")]
struct Bomb(u64);

impl DriverError {
    /// Converts a read error of the payload.
    pub(super) fn payload(error: io::Error) -> Self {
        // The archive reader wraps errors in its own.
        let mut inner = Some(&error as &(dyn std::error::Error + 'static));
        while let Some(cause) = inner {
            let io = cause.downcast_ref::<io::Error>();
            let carried = io.and_then(io::Error::get_ref);
            if let Some(Bomb(cap)) = carried.and_then(|inner| inner.downcast_ref()) {
                return Self::Bomb(ByteSize::new(*cap));
            }
            if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
                return Self::Truncated("in its payload");
            }
            inner = carried.map_or_else(|| cause.source(), |inner| Some(inner as _));
        }
        Self::Payload(error)
    }
}
