//! The payload of a Debian package: an `ar` archive with a compressed tar archive in it, `deb(5)`.

use std::io::{self, BufReader, Read};

use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

const CANNOT_READ: &str = "cannot read the package";

/// The memory limit for xz, in KiB: packages from dpkg need 8 MiB, those at the highest level 65.
const XZ_MEMORY: u32 = 80 << 10;

/// The largest zstd window, as a power of two: 128 MiB, the default of `zstd`.
const ZSTD_WINDOW: u32 = 27;

/// Returns a reader of the tar archive in a package.
pub(super) fn payload<'p>(package: impl Read + 'p) -> anyhow::Result<Box<dyn Read + 'p>> {
    let mut package = BufReader::with_capacity(256 << 10, package);
    let mut magic = [0; 8];
    package.read_exact(&mut magic).context(CANNOT_READ)?;
    if magic != *b"!<arch>\n" {
        bail!("the file is not a Debian package: it does not begin like one");
    }
    // The payload follows `debian-binary` and `control.tar…`.
    for _ in 0..8 {
        let Member { name, size } = member(&mut package)?;
        if name.starts_with("data.tar") {
            let data = package.take(size);
            return Ok(match name.as_str() {
                "data.tar" => Box::new(data),
                "data.tar.gz" => Box::new(MultiGzDecoder::new(data)),
                "data.tar.xz" => Box::new(XzReader::new_mem_limit(data, true, XZ_MEMORY)),
                "data.tar.zst" => {
                    let mut decoder = zstd::Decoder::new(data)?;
                    decoder.window_log_max(ZSTD_WINDOW)?;
                    Box::new(decoder)
                }
                _ => bail!(
                    "the payload of the package is `{}`, but only .tar, .gz, .xz and .zst are supported",
                    name.escape_debug()
                ),
            });
        }
        // Members start at even offsets.
        let rest = size + size % 2;
        if io::copy(&mut (&mut package).take(rest), &mut io::sink())? != rest {
            bail!("the package is truncated");
        }
    }
    bail!("the package has no payload")
}

/// A member of an `ar` archive.
struct Member {
    name: String,
    size: u64,
}

/// Reads the 60-byte header of a member: name, date, owner, group, mode, size, two bytes.
fn member(package: &mut impl Read) -> anyhow::Result<Member> {
    let mut header = [0; 60];
    package.read_exact(&mut header).context(CANNOT_READ)?;
    let text = std::str::from_utf8(&header).context("a header of the package is not text")?;
    if !text.is_ascii() || !text.ends_with("`\n") {
        bail!("a header of the package has no end");
    }
    let name = text[..16].trim_end().trim_end_matches('/').to_owned();
    let size = text[48..58].trim_end().parse::<u64>();
    Ok(Member { name, size: size.context("a size in the package is not a number")? })
}
