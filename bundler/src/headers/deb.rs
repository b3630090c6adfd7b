//! The payload of a Debian package: an `ar` archive with a compressed tar archive in it, `deb(5)`.

use std::io::{self, BufReader, Read};

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

/// Something is not a Debian package that we can read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum DebError {
    /// It is something else, or damaged.
    #[error("it is not a Debian package: {0}")]
    Form(&'static str),
    /// Its payload is packed in a way that we do not know.
    #[error("its payload is `{}`, and only .tar, .gz, .xz and .zst are known", .0.escape_debug())]
    Compression(String),
    /// It is larger than any package of headers.
    #[error("it unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// Its kernel headers are not what headers are.
    #[error("`{}`: {what}", .path.escape_debug())]
    Headers {
        /// The file in it.
        path: String,
        /// What is wrong there.
        what: String,
    },
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[from] io::Error),
}

/// The most that decoding xz may take in memory, in KiB: dpkg's own packages need 8 MiB, those made
/// with the highest level 65.
const XZ_MEMORY: u32 = 80 << 10;

/// The largest window that decoding zstd may take, as a power of two: 128 MiB, like `zstd` itself.
const ZSTD_WINDOW: u32 = 27;

/// The tar archive of a package, as it streams out of it.
pub(super) fn payload<'p>(package: impl Read + 'p) -> Result<Box<dyn Read + 'p>, DebError> {
    let mut package = BufReader::with_capacity(256 << 10, package);
    let mut magic = [0; 8];
    package.read_exact(&mut magic)?;
    if magic != *b"!<arch>\n" {
        return Err(DebError::Form("it does not begin like one"));
    }
    // `debian-binary`, `control.tar…`, and then the payload; never many more.
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
                _ => return Err(DebError::Compression(name)),
            });
        }
        // Members begin at even offsets.
        let rest = size + size % 2;
        if io::copy(&mut (&mut package).take(rest), &mut io::sink())? != rest {
            return Err(DebError::Form("it ends in the middle"));
        }
    }
    Err(DebError::Form("it has no payload"))
}

/// A member of an `ar` archive.
struct Member {
    name: String,
    size: u64,
}

/// Read the 60 bytes in front of a member: name, date, owner, group, mode, size, two bytes.
fn member(package: &mut impl Read) -> Result<Member, DebError> {
    let mut header = [0; 60];
    package.read_exact(&mut header)?;
    let text = std::str::from_utf8(&header).map_err(|_| DebError::Form("a header is not text"))?;
    if !text.is_ascii() || !text.ends_with("`\n") {
        return Err(DebError::Form("a header has no end"));
    }
    let name = text[..16].trim_end().trim_end_matches('/').to_owned();
    let size = text[48..58].trim_end().parse();
    Ok(Member { name, size: size.map_err(|_| DebError::Form("a size is not a number"))? })
}
