//! The parts of OpenPGP that this program reads: armor, packets, public keys and signatures.
//!
//! Nothing here verifies a signature; `gpgv` or `sqv` does. Reading the packets decides which key and
//! which signature that program gets, so its policy does not have to be trusted.

use base64ct::{Base64, Encoding as _};
use sha1::{Digest as _, Sha1};
use std::fmt::Write as _;
use vgpu_manifest::Digest;

/// Data is not what OpenPGP programs write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(super) &'static str);

/// Packet types of RFC 9580, section 5.
pub(super) const SIGNATURE: u8 = 2;
pub(super) const PUBLIC_KEY: u8 = 6;
pub(super) const PUBLIC_SUBKEY: u8 = 14;

/// A packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'p> {
    pub(super) tag: u8,
    /// Header and body.
    pub(super) whole: &'p [u8],
    pub(super) body: &'p [u8],
}

/// Returns the packets of binary data, or of all armored blocks with this label.
pub(super) fn binary(bytes: &[u8], label: &str) -> Result<Vec<u8>, Malformed> {
    // Each packet begins with a byte that no text has (RFC 9580, 4.2).
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return Ok(bytes.to_vec());
    }
    // Comments in the headers of old files may be in any encoding.
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().map(str::trim_end);
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut all = Vec::new();
    while lines.any(|line| line == begin) {
        // Headers such as `Version: GnuPG v2` end at an empty line.
        if !lines.any(str::is_empty) {
            return Err(Malformed("an armored block has no end"));
        }
        let mut base64 = String::new();
        loop {
            let line = lines.next().ok_or(Malformed("an armored block has no end"))?;
            if line == end {
                break;
            }
            // The checksum at the end proves nothing; RFC 9580, 6.1 lets readers ignore it.
            if !(line.len() == 5 && line.starts_with('=')) {
                base64.push_str(line);
            }
        }
        let decoded = Base64::decode_vec(&base64);
        all.extend(decoded.map_err(|_| Malformed("an armored block is not base64"))?);
    }
    if all.is_empty() {
        return Err(Malformed("it is neither binary nor armored OpenPGP data"));
    }
    Ok(all)
}

/// Splits binary data into packets: RFC 9580, 4.2. Partial lengths are refused, because neither keys
/// nor signatures may have them.
pub(super) fn packets(mut rest: &[u8]) -> Result<Vec<Packet<'_>>, Malformed> {
    let wrong = || Malformed("it has a damaged packet");
    let mut packets = Vec::new();
    while let Some((&first, after)) = rest.split_first() {
        let (tag, header, len) = if first & 0xc0 == 0xc0 {
            let (header, len) = match *after {
                [len @ 0..192, ..] => (2, usize::from(len)),
                [a @ 192..224, b, ..] => (3, (usize::from(a - 192) << 8) + usize::from(b) + 192),
                [255, a, b, c, d, ..] => (6, number(&[a, b, c, d])),
                _ => return Err(wrong()),
            };
            (first & 0x3f, header, len)
        } else if first & 0x80 != 0 {
            let bytes = *[1, 2, 4].get(usize::from(first & 3)).ok_or_else(wrong)?;
            (first >> 2 & 0xf, 1 + bytes, number(after.get(..bytes).ok_or_else(wrong)?))
        } else {
            return Err(wrong());
        };
        let (whole, next) = rest.split_at_checked(header + len).ok_or_else(wrong)?;
        packets.push(Packet { tag, whole, body: &whole[header..] });
        rest = next;
    }
    Ok(packets)
}

/// A public key or subkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// In upper-case hex.
    pub(super) fingerprint: String,
    /// The first or last 16 digits of the fingerprint, by the version of the key.
    id: String,
    /// In seconds since 1970.
    pub(super) created: u32,
    /// Why signatures by this key prove nothing, such as `1024-bit RSA`.
    pub(super) weakness: Option<String>,
}

impl Key {
    /// Reads the body of a packet: RFC 9580, 5.5.2. Returns `None` for keys of other versions than 4
    /// and 6.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let (&[version, a, b, c, d, algorithm], material) = body.split_first_chunk::<6>()?;
        // Fingerprints: RFC 9580, 5.5.4.
        let (fingerprint, material) = match version {
            4 => {
                let len = u16::try_from(body.len()).ok()?.to_be_bytes();
                let sha1 = Sha1::new().chain_update([0x99]).chain_update(len).chain_update(body);
                (hex(&sha1.finalize()), material)
            }
            6 => {
                let len = u32::try_from(body.len()).ok()?.to_be_bytes();
                let digest = Digest::of(&[&[0x9b], &len[..], body].concat());
                (digest.to_string().to_uppercase(), material.get(4..)?)
            }
            _ => return None,
        };
        let id = if version == 4 { &fingerprint[24..] } else { &fingerprint[..16] }.to_owned();
        // Both begin with the number that an attacker has to factor, or to take logarithms by.
        let name = match algorithm {
            1 | 3 => Some("RSA"),
            17 => Some("DSA"),
            _ => None,
        };
        let bits = material.first_chunk().map_or(0, |bits| u16::from_be_bytes(*bits));
        let weakness = name.filter(|_| bits < 2048).map(|name| format!("{bits}-bit {name}"));
        Some(Self { fingerprint, id, created: u32::from_be_bytes([a, b, c, d]), weakness })
    }

    /// Returns whether a signature can be by this key alone, by what it says of its issuer.
    pub(super) fn is_issuer(&self, signature: &Signature) -> bool {
        let is_this = |issuer: &String| *issuer == self.fingerprint || *issuer == self.id;
        !signature.issuers.is_empty() && signature.issuers.iter().all(is_this)
    }
}

/// The fields of a signature packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// 0 for a signature of bytes, 1 for one of text: RFC 9580, 5.2.1.
    pub(super) class: u8,
    /// The identifier of RFC 9580, 9.5.
    pub(super) hash: u8,
    /// In seconds since 1970.
    pub(super) created: u32,
    /// Fingerprints or key IDs, in upper-case hex.
    pub(super) issuers: Vec<String>,
}

impl Signature {
    /// Reads the body of a packet: RFC 9580, 5.2.3. Returns `None` for signatures of other versions
    /// than 4 and 6.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let (&[version, class, _, hash], rest) = body.split_first_chunk::<4>()?;
        let width = match version {
            4 => 2,
            6 => 4,
            _ => return None,
        };
        let mut this = Self { class, hash, created: 0, issuers: Vec::new() };
        let (hashed, rest) = area(rest, width)?;
        let (unhashed, _) = area(rest, width)?;
        // The time counts only where it is signed; issuers are only a hint, and all have to agree.
        this.created = u32::from_be_bytes(this.subpackets(hashed)?);
        this.subpackets(unhashed);
        Some(this)
    }

    /// Collects issuers, and returns the time of the signature: RFC 9580, 5.2.3.7.
    fn subpackets(&mut self, mut rest: &[u8]) -> Option<[u8; 4]> {
        let mut created = None;
        while !rest.is_empty() {
            let (header, len) = match *rest {
                [len @ 0..192, ..] => (1, usize::from(len)),
                [a @ 192..=254, b, ..] => (2, (usize::from(a - 192) << 8) + usize::from(b) + 192),
                [255, a, b, c, d, ..] => (5, number(&[a, b, c, d])),
                _ => return None,
            };
            let subpacket = rest.get(header..)?.get(..len)?;
            rest = &rest[header + len..];
            match subpacket.split_first().map(|(kind, value)| (kind & 0x7f, value)) {
                Some((2, value)) => created = value.try_into().ok(),
                Some((16, value)) => self.issuers.push(hex(value)),
                // The version of the key, then its fingerprint.
                Some((33, value)) => self.issuers.push(hex(value.get(1..)?)),
                _ => {}
            }
        }
        created
    }
}

/// Splits off an area that begins with its length in `width` bytes.
fn area(rest: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (len, rest) = rest.split_at_checked(width)?;
    rest.split_at_checked(number(len))
}

/// Returns a big-endian number of at most four bytes.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, &byte| number << 8 | usize::from(byte))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}
