//! Reads a journal without opening it: nothing is locked, and nothing is written.
//!
//! SQLite cannot do that here. A run keeps its journal locked, and a journal in WAL mode needs a
//! writable folder to be opened. Therefore the committed pages of the write-ahead log are applied
//! to a copy of the database in memory (<https://www.sqlite.org/fileformat2.html#walformat>).

use std::thread;
use std::time::Duration;

use super::LogError;
use crate::host::{HostError, Look, OwnPath};
use crate::state;

/// The largest journal that is read.
const MAX: u64 = 256 << 20;

/// The number of attempts while a run is writing, and the delay between them.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

const WAL_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Returns the bytes of a database as of its last commit, in a form that SQLite opens in memory;
/// `None` if there is no such database.
pub(super) fn read(look: &dyn Look, path: &OwnPath) -> Result<Option<Vec<u8>>, LogError> {
    let [wal_path, _] = state::sidecars(path);
    for _ in 0..TRIES {
        let before = mark(look, path, &wal_path)?;
        let Some(mut database) = look.read_up_to(path, MAX)? else { return Ok(None) };
        let wal = look.read_up_to(&wal_path, MAX)?.unwrap_or_default();
        // SQLite copies pages from the log to the database at any time, which is harmless: the log
        // still has them. Afterwards it may restart the log, with another header.
        if mark(look, path, &wal_path)? == before {
            apply(&mut database, &wal);
            return Ok(Some(without_wal(database)));
        }
        thread::sleep(PAUSE);
    }
    Err(LogError::Busy)
}

/// Returns the header of the log; without a log, the state of the database, which then has all changes.
fn mark(
    look: &dyn Look,
    path: &OwnPath,
    wal: &OwnPath,
) -> Result<(Vec<u8>, Option<crate::host::Stat>), HostError> {
    let mut header = look.read_up_to(wal, MAX)?.unwrap_or_default();
    header.truncate(WAL_HEADER);
    let stat = if header.is_empty() { look.stat(path)? } else { None };
    Ok((header, stat))
}

/// Copies the pages of all committed transactions of a log to the database.
fn apply(database: &mut Vec<u8>, wal: &[u8]) {
    let Some((header, mut frames)) = wal.split_at_checked(WAL_HEADER) else { return };
    let Some(sums) = Sums::of_header(header) else { return };
    let (mut sums, page_size) = (sums, word(header, 8) as usize);
    let salts = &header[16..24];
    // The pages of the transaction whose commit has not been read yet.
    let mut pages = Vec::new();
    while let Some((frame, rest)) = frames.split_at_checked(FRAME_HEADER + page_size) {
        frames = rest;
        let (head, page) = frame.split_at(FRAME_HEADER);
        sums.add(&head[..8]);
        sums.add(page);
        // The rest is left over from before the log was restarted, or was never completed.
        if head[8..16] != *salts || !sums.are(&head[16..24]) {
            return;
        }
        pages.push((word(head, 0) as usize, page));
        let size = word(head, 4) as usize;
        if size > 0 {
            database.resize(size.saturating_mul(page_size).max(database.len()), 0);
            for (number, page) in pages.drain(..) {
                let start = number.saturating_sub(1).saturating_mul(page_size);
                if let Some(place) = database.get_mut(start..start + page_size) {
                    place.copy_from_slice(page);
                }
            }
            database.truncate(size * page_size);
        }
    }
}

/// Marks the database as one without a log: a database in memory cannot have one.
fn without_wal(mut database: Vec<u8>) -> Vec<u8> {
    if let Some(versions) = database.get_mut(18..20) {
        versions.fill(1);
    }
    database
}

/// The running checksums of a log.
#[derive(Debug, Clone, Copy)]
struct Sums {
    sums: (u32, u32),
    read: fn([u8; 4]) -> u32,
}

impl Sums {
    /// Returns the checksums of the header; `None` if it is not that of a log.
    fn of_header(header: &[u8]) -> Option<Self> {
        let read = match word(header, 0) {
            0x377f_0682 => u32::from_le_bytes,
            0x377f_0683 => u32::from_be_bytes,
            _ => return None,
        };
        let size = word(header, 8);
        let mut sums = Self { sums: (0, 0), read };
        sums.add(&header[..24]);
        let is_sound = size.is_power_of_two() && (512..=65536).contains(&size);
        (is_sound && sums.are(&header[24..32])).then_some(sums)
    }

    fn add(&mut self, bytes: &[u8]) {
        let (first, second) = &mut self.sums;
        for pair in bytes.as_chunks::<8>().0 {
            if let [one, two] = *pair.as_chunks::<4>().0 {
                *first = first.wrapping_add((self.read)(one)).wrapping_add(*second);
                *second = second.wrapping_add((self.read)(two)).wrapping_add(*first);
            }
        }
    }

    fn are(&self, bytes: &[u8]) -> bool {
        self.sums == (word(bytes, 0), word(bytes, 4))
    }
}

/// Returns the big-endian number at an offset.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|it| it.try_into().ok()).map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
