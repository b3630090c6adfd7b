//! Volume descriptors (ECMA-119 8): what a reader looks for first.

use super::directory::{Extent, Stamp};
use super::{SECTOR, VolumeLabel, both_16, both_32};

/// Which of the two trees a descriptor leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// Short names.
    Plain,
    /// Long names, in UTF-16.
    Joliet,
}

/// Where things lie that a descriptor names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Map {
    /// The length of the whole image, in sectors.
    pub(super) sectors: u32,
    /// The root directory.
    pub(super) root: Extent,
    /// The length of a path table, in bytes.
    pub(super) table_len: u32,
    /// Where the two path tables begin, in sectors.
    pub(super) little: u32,
    pub(super) big: u32,
}

/// The sector of a descriptor.
pub(super) fn descriptor(
    tree: Tree,
    label: &VolumeLabel,
    map: &Map,
    stamp: Stamp,
    date: &[u8; 17],
) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(SECTOR).unwrap_or_default()];
    let mut put = |at: usize, what: &[u8]| bytes[at..at + what.len()].copy_from_slice(what);
    put(0, &[if tree == Tree::Plain { 1 } else { 2 }]);
    put(1, b"CD001\x01");
    put(8, &text(tree, "LINUX", 32));
    put(40, &text(tree, label.as_str(), 32));
    put(80, &both_32(map.sectors));
    if tree == Tree::Joliet {
        // UCS-2, level 3.
        put(88, b"%/E");
    }
    put(120, &both_16(1));
    put(124, &both_16(1));
    put(128, &both_16(u16::try_from(SECTOR).unwrap_or_default()));
    put(132, &both_32(map.table_len));
    put(140, &map.little.to_le_bytes());
    put(148, &map.big.to_be_bytes());
    put(156, &map.root.root_record(stamp));
    // Volume set, publisher, preparer, application, and three names of files: none.
    for (at, len) in
        [(190, 128), (318, 128), (446, 128), (574, 128), (702, 37), (739, 37), (776, 37)]
    {
        put(at, &text(tree, "", len));
    }
    put(813, date);
    put(830, date);
    put(847, NEVER);
    put(864, NEVER);
    put(881, &[1]);
    bytes
}

/// A date that is not given.
const NEVER: &[u8; 17] = b"0000000000000000\0";

/// The sector that ends the descriptors.
pub(super) fn terminator() -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(SECTOR).unwrap_or_default()];
    bytes[..7].copy_from_slice(b"\xffCD001\x01");
    bytes
}

/// A field of text, filled up with blanks.
fn text(tree: Tree, text: &str, len: usize) -> Vec<u8> {
    match tree {
        Tree::Plain => {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(len, b' ');
            bytes
        }
        Tree::Joliet => {
            let units = text.encode_utf16().chain(std::iter::repeat(u16::from(b' ')));
            let mut bytes: Vec<u8> = units.take(len / 2).flat_map(u16::to_be_bytes).collect();
            bytes.resize(len, 0);
            bytes
        }
    }
}
