//! Directories and path tables, in either of the two trees that an image has.

use super::{SECTOR, both_16, both_32};

/// When everything in an image was made: the seven bytes of a directory record.
pub(super) type Stamp = [u8; 7];

/// What a directory has: a file, or a folder.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The name, as this tree writes it.
    pub(super) name: Vec<u8>,
    /// Whether it is a directory itself.
    pub(super) kind: EntryKind,
    /// Where it begins, in sectors.
    pub(super) at: u32,
    /// Its length in bytes.
    pub(super) len: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
}

/// The names that stand for a directory itself and for the one above.
const SELF: &[u8] = &[0];
const ABOVE: &[u8] = &[1];

/// The length of a record with a name of so many bytes. It is even.
pub(super) fn record_len(name: usize) -> u64 {
    let len = 33 + name as u64;
    len + len % 2
}

/// The length of a directory with these names, in bytes: whole sectors, and no record is in two.
pub(super) fn directory_len<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> u64 {
    let mut len = 2 * record_len(1);
    for name in names {
        len = fit(len, record_len(name.len())) + record_len(name.len());
    }
    len.next_multiple_of(SECTOR)
}

/// Where a record of `size` bytes begins, if it would begin at `at`.
fn fit(at: u64, size: u64) -> u64 {
    if at % SECTOR + size > SECTOR { at.next_multiple_of(SECTOR) } else { at }
}

/// A directory record (ECMA-119 9.1).
pub(super) fn record(entry: &Entry, stamp: Stamp) -> Vec<u8> {
    let len = record_len(entry.name.len());
    let mut bytes = Vec::with_capacity(256);
    // Names are held to what fits; a longer one would be a mistake of this module.
    bytes.push(u8::try_from(len).unwrap_or(u8::MAX));
    bytes.push(0);
    bytes.extend(both_32(entry.at));
    bytes.extend(both_32(entry.len));
    bytes.extend(stamp);
    bytes.push(if entry.kind == EntryKind::Folder { 2 } else { 0 });
    bytes.extend([0, 0]);
    bytes.extend(both_16(1));
    bytes.push(u8::try_from(entry.name.len()).unwrap_or(u8::MAX));
    bytes.extend(&entry.name);
    bytes.resize(usize::try_from(len).unwrap_or_default(), 0);
    bytes
}

/// Where a directory lies, and how long it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) at: u32,
    pub(super) len: u32,
}

impl Extent {
    /// Its record under a name of its own.
    pub(super) fn named(self, name: &[u8]) -> Entry {
        Entry { name: name.to_vec(), kind: EntryKind::Folder, at: self.at, len: self.len }
    }

    /// The record of the root, which a volume descriptor holds.
    pub(super) fn root_record(self, stamp: Stamp) -> Vec<u8> {
        record(&self.named(SELF), stamp)
    }
}

/// The bytes of a directory, whose entries are in order.
pub(super) fn directory(this: Extent, above: Extent, entries: &[Entry], stamp: Stamp) -> Vec<u8> {
    let mut bytes = record(&this.named(SELF), stamp);
    bytes.extend(record(&above.named(ABOVE), stamp));
    for entry in entries {
        let record = record(entry, stamp);
        let at = fit(bytes.len() as u64, record.len() as u64);
        bytes.resize(usize::try_from(at).unwrap_or_default(), 0);
        bytes.extend(record);
    }
    bytes.resize(this.len as usize, 0);
    bytes
}

/// The order of bytes in a path table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Little,
    Big,
}

/// A path table (ECMA-119 9.4): the root, and the folders in it, in order.
pub(super) fn path_table(root: Extent, folders: &[Entry], order: Order) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut add = |name: &[u8], at: u32| {
        bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        bytes.push(0);
        match order {
            Order::Little => bytes.extend(at.to_le_bytes().into_iter().chain(1_u16.to_le_bytes())),
            Order::Big => bytes.extend(at.to_be_bytes().into_iter().chain(1_u16.to_be_bytes())),
        }
        bytes.extend(name);
        if name.len() % 2 == 1 {
            bytes.push(0);
        }
    };
    add(SELF, root.at);
    for folder in folders {
        add(&folder.name, folder.at);
    }
    bytes
}
