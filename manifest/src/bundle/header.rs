//! The only kind of tar header in a bundle.
//!
//! A header is built from signed data and compared; it is never parsed. (The two exceptions are
//! sizes that must be known before the signature can be checked: [`read_size`].) So there is only
//! one interpretation of an archive. Differences between interpretations have been used to attack
//! tar readers.

use crate::ItemMode;

/// The unit of a tar archive, in bytes.
pub(crate) const BLOCK: u64 = 512;

/// The largest size in bytes that eleven octal digits can express: 8 GiB − 1.
pub(crate) const MAX_SIZE: u64 = 0o777_7777_7777;

/// The block that precedes a member's content.
pub(crate) type Header = [u8; 512];

/// Returns the canonical header: ustar, a regular file, owned by 0:0 without names, no prefix.
///
/// `name` has at most 100 bytes, `size` and `mtime` are at most [`MAX_SIZE`]: their types and
/// limits ensure this before a layout is created.
pub(crate) fn header(name: &str, mode: ItemMode, size: u64, mtime: u64) -> Header {
    let mut block = [0; 512];
    put(&mut block, 0, name.as_bytes());
    put(&mut block, 100, format!("{:07o}\0", mode.bits()).as_bytes());
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    put(&mut block, SIZE_AT, format!("{size:011o}\0").as_bytes());
    put(&mut block, 136, format!("{mtime:011o}\0").as_bytes());
    put(&mut block, CHECKSUM_AT, b"        ");
    put(&mut block, 156, b"0");
    put(&mut block, 257, b"ustar\x0000");
    put(&mut block, 329, b"0000000\0");
    put(&mut block, 337, b"0000000\0");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    put(&mut block, CHECKSUM_AT, format!("{sum:06o}\0 ").as_bytes());
    block
}

const SIZE_AT: usize = 124;
const CHECKSUM_AT: usize = 148;

fn put(block: &mut Header, at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Returns the size that a header on the medium claims; `None` unless it is written exactly as
/// [`header`] writes it. The rest of the block is ignored.
pub(crate) fn read_size(block: &Header) -> Option<u64> {
    let (digits, end) = block[SIZE_AT..SIZE_AT + 12].split_at(11);
    let octal = digits.iter().all(|digit| (b'0'..=b'7').contains(digit));
    let text = std::str::from_utf8(digits).ok().filter(|_| octal && end == b"\0")?;
    u64::from_str_radix(text, 8).ok()
}

/// Rounds `size` up to whole blocks.
pub(crate) fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_read_back_and_only_in_its_own_spelling() {
        for size in [0, 1, 511, 1 << 31, 1 << 32, MAX_SIZE] {
            let block = header("a", ItemMode::Plain, size, 0);
            assert_eq!(read_size(&block), Some(size));
        }
        for bad in [b" 0000000001\0", b"00000000001 ", b"0000000001\0\0", b"80000000000\0"] {
            let mut block = header("a", ItemMode::Plain, 1, 0);
            put(&mut block, SIZE_AT, bad);
            assert_eq!(read_size(&block), None, "{bad:?}");
        }
    }
}
