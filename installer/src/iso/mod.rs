//! A CD image with long names, as a guest is given drivers by.
//!
//! It is ISO 9660 (ECMA-119) with short names, and beside them Joliet with long ones: Windows and
//! Linux read the latter. Joliet itself stops at 64 characters, and NVIDIA's drivers for Windows
//! have names of 74; as other writers do on request, up to 103 are used, which is what a directory
//! record has room for and what both systems read.
//!
//! An image is laid out before anything is read, from names and sizes alone, so it is the same to
//! the byte whenever the same files go in.

mod directory;
mod layout;
mod names;
mod storage;
mod volume;

pub use self::layout::{Image, IsoError, Part};
pub use self::names::{IsoName, Place, VolumeLabel};
pub use self::storage::IsoStorage;

/// The unit in which everything lies on a CD, in bytes.
pub const SECTOR: u64 = 2048;

/// Both orders of bytes, one after the other, as the format wants most numbers.
fn both_32(number: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// As [`both_32`], for small numbers.
fn both_16(number: u16) -> [u8; 4] {
    let mut bytes = [0; 4];
    bytes[..2].copy_from_slice(&number.to_le_bytes());
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests;
