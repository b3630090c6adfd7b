use std::io::Read;

use anyhow::Context as _;
use md5::{Digest as _, Md5 as Hasher};
use vgpu_manifest::PIECE;
use vgpu_manifest::catalog::Md5;

use super::UNREADABLE;

/// The checksums of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    /// The `cksum` of everything from the fourth line on.
    pub(super) crc: u32,
    /// The MD5 of everything from the fourth line on.
    pub(super) md5: Md5,
    /// The MD5 of the whole file, which third parties publish.
    pub(super) whole: Md5,
}

/// Reads `file` and computes its checksums; the fourth line starts after `head` bytes.
pub(super) fn sums(file: &mut dyn Read, head: u64) -> anyhow::Result<Sums> {
    let (mut whole, mut tail, mut crc) = (Hasher::new(), Hasher::new(), Crc::default());
    let mut left = head;
    let mut buf = vec![0; PIECE];
    loop {
        let n = super::header::read(file, &mut buf).context(UNREADABLE)?;
        if n == 0 {
            break;
        }
        whole.update(&buf[..n]);
        let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(n);
        left -= skipped as u64;
        tail.update(&buf[skipped..n]);
        crc.update(&buf[skipped..n]);
    }
    let finish = |hasher: Hasher| Md5::new(hasher.finalize().into());
    Ok(Sums { crc: crc.finish(), md5: finish(tail), whole: finish(whole) })
}

/// The checksum of POSIX `cksum`.
#[derive(Debug, Default)]
struct Crc {
    value: u32,
    len: u64,
}

impl Crc {
    fn update(&mut self, bytes: &[u8]) {
        self.value = bytes.iter().fold(self.value, |value, byte| step(value, *byte));
        self.len += bytes.len() as u64;
    }

    /// Adds the length: the least significant byte first, without leading zeros.
    fn finish(self) -> u32 {
        let significant = (u64::BITS - self.len.leading_zeros()).div_ceil(8) as usize;
        let len = &self.len.to_le_bytes()[..significant];
        !len.iter().fold(self.value, |value, byte| step(value, *byte))
    }
}

fn step(value: u32, byte: u8) -> u32 {
    let [top, ..] = value.to_be_bytes();
    (value << 8) ^ TABLE[usize::from(top ^ byte)]
}

/// The lookup table of the checksum.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        // The index is below 256.
        #[expect(clippy::cast_possible_truncation, reason = "the index is below 256")]
        let mut value = (at as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            let carry = value & 0x8000_0000 != 0;
            value <<= 1;
            if carry {
                value ^= 0x04c1_1db7;
            }
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_those_of_cksum_and_md5sum() {
        let text = b"one\ntwo\nthree\n123456789";
        let sums = sums(&mut &text[..], 14).unwrap();
        // `printf 123456789 | cksum`, `… | md5sum`.
        assert_eq!(sums.crc, 930_766_865);
        assert_eq!(sums.md5.to_string(), "25f9e794323b453885f5181f1b624d0b");
        assert_eq!(super::sums(&mut &b""[..], 0).unwrap().crc, 4_294_967_295);
    }
}
