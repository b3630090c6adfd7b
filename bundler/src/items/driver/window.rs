//! The window of a compressed payload: how far back references may reach, which determines the
//! memory for decompression.

use std::fs::File;
use std::io::{self, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, anyhow, bail};
use vgpu_manifest::ui::ByteSize;

/// The largest window that this program decompresses, so that it stays below 64 MiB. `xz -7` needs
/// as much, `zstd -19` half of it.
pub(super) const FITS: u64 = 16 << 20;

/// The largest window for the programs `xz` and `zstd`: their default limit, and twice the window
/// of `xz -9`.
const WIDEST: u64 = 128 << 20;

/// The program for a payload with a large window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Xz,
    Zstd,
}

/// A payload with a large window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wide {
    program: Program,
    window: u64,
}

impl Wide {
    /// Returns the large window of the payload that starts with these bytes, if any.
    pub(super) fn of(start: &[u8]) -> Option<Self> {
        let (program, window) = match start {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => (Program::Xz, xz(start)?),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => (Program::Zstd, zstd(start)?),
            _ => return None,
        };
        (window > FITS).then_some(Self { program, window })
    }

    /// Starts the program that decompresses `file` from its current position. It has its own
    /// memory.
    pub(super) fn through(self, file: File) -> anyhow::Result<Running> {
        let window = ByteSize::new(self.window);
        if self.window > WIDEST {
            bail!(
                "the payload of the driver needs a decompression window of {window}, more than the {} allowed",
                ByteSize::new(WIDEST)
            );
        }
        let (name, limit) = match self.program {
            Program::Xz => ("xz", "--memlimit-decompress=160MiB"),
            Program::Zstd => ("zstd", "--memory=128MB"),
        };
        let mut command = Command::new(name);
        command.args(["--decompress", "--stdout", "--quiet", limit]);
        command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => anyhow!(
                "the payload of the driver needs a decompression window of {window}, for which `{name}` is not installed; install `{name}`"
            ),
            _ => anyhow::Error::new(error).context(format!("cannot run `{name}`")),
        })?;
        let out = child.stdout.take().context("cannot read the output of the program")?;
        Ok(Running { child, out, name })
    }
}

/// A running decompression program, ended on drop.
pub(super) struct Running {
    child: Child,
    out: ChildStdout,
    name: &'static str,
}

impl Read for Running {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.out.read(buf)?;
        if n == 0 && !buf.is_empty() && !self.child.wait()?.success() {
            // Only the exit status reports a truncated input or a wrong checksum.
            return Err(io::Error::other(format!("`{}` reports that it is damaged", self.name)));
        }
        Ok(n)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program has exited, or its remaining output is not needed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the window of the first block of an xz stream; `None` if the header is invalid.
fn xz(start: &[u8]) -> Option<u64> {
    const LZMA2: u64 = 0x21;
    // The stream header has 12 bytes; the first byte of a block gives the size of its header.
    let block = start.get(12..)?;
    let flags = *block.get(1).filter(|_| block[0] != 0)?;
    let mut fields = block.get(2..)?;
    for present in [flags & 0x40, flags & 0x80] {
        if present != 0 {
            number(&mut fields)?;
        }
    }
    for _ in 0..=(flags & 3) {
        let (id, len) = (number(&mut fields)?, number(&mut fields)?);
        let (properties, rest) = fields.split_at_checked(usize::try_from(len).ok()?)?;
        if let (LZMA2, [bits]) = (id, properties) {
            let bits = u32::from(bits & 0x3f);
            return Some(u64::from(2 | (bits & 1)) << (bits / 2 + 11));
        }
        fields = rest;
    }
    None
}

/// Parses an integer of the xz format: seven bits in each byte, the lowest first.
fn number(fields: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = fields.split_first()?;
        *fields = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Returns the window of a zstd frame: RFC 8878, 3.1.1.1.
fn zstd(start: &[u8]) -> Option<u64> {
    let descriptor = *start.get(4)?;
    let is_single = descriptor & 0x20 != 0;
    if !is_single {
        let byte = *start.get(5)?;
        let base = 1_u64 << (10 + (byte >> 3));
        return Some(base + base / 8 * u64::from(byte & 7));
    }
    // A single segment: the window is the size of the content.
    let skipped = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let len = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let field = start.get(5 + skipped..5 + skipped + len)?;
    let size = field.iter().rev().fold(0_u64, |size, byte| (size << 8) | u64::from(*byte));
    Some(if len == 2 { size + 256 } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_from_headers() {
        // The first bytes of the output of `xz -6`, `-9` and `--lzma2=dict=1536MiB`.
        let of_xz = |bits: u8| {
            let mut start = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x02\0\x21\x01".to_vec();
            start.extend([bits, 0, 0, 0]);
            xz(&start)
        };
        assert_eq!(
            [0x16, 0x1a, 0x1c, 0x25].map(of_xz),
            [8, 32, 64, 1536].map(|mib| Some(mib << 20))
        );
        // A preceding filter for executables, and the sizes of the block.
        let filtered =
            b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\x04\xc1\x80\x01\x80\x80\x01\x04\0\x21\x01\x1c";
        assert_eq!(xz(filtered), Some(64 << 20));
        assert_eq!(xz(&filtered[..20]), None);
        assert_eq!(xz(b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46\0\0"), None);
        let frame = |rest: &[u8]| zstd(&[b"\x28\xb5\x2f\xfd", rest].concat());
        // `zstd -19` and `--long=27`.
        assert_eq!(frame(b"\x04\x68"), Some(8 << 20));
        assert_eq!(frame(b"\x04\x88"), Some(128 << 20));
        assert_eq!(frame(b"\x04\x89"), Some(144 << 20));
        // Single segments of 5, 256 and 2^26 bytes, the last with a dictionary ID.
        assert_eq!(frame(b"\x20\x05"), Some(5));
        assert_eq!(frame(b"\x60\0\0"), Some(256));
        assert_eq!(frame(b"\xa1\x07\0\0\0\x04"), Some(1 << 26));
        assert_eq!(frame(b""), None);
        assert_eq!(Wide::of(b"\x1f\x8b\x08\0\0\0"), None);
        let wide = Wide { program: Program::Zstd, window: 128 << 20 };
        assert_eq!(Wide::of(b"\x28\xb5\x2f\xfd\x04\x88"), Some(wide));
        assert_eq!(Wide::of(b"\x28\xb5\x2f\xfd\x04\x68"), None);
    }
}
