//! The plan for a stick: a pure function of the wanted files and the files that are there.

use anyhow::{anyhow, bail};
use camino::Utf8Path;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{CHUNK, PartSize};

use super::medium::Facts;
use crate::ui::Advise as _;

/// A file for the stick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) name: String,
    /// The length in bytes.
    pub(crate) size: u64,
    pub(crate) found: Found,
}

/// The file on the stick under the name of a file to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// A file with the same content.
    Same,
    /// A page of this program about another bundle, which is replaced.
    Outdated,
    /// A file with another content, or a leftover part.
    Other,
}

/// The handling of other files of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    /// Refuse to write anything.
    Never,
    /// Replace them.
    Named,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) pieces: Vec<Piece>,
    /// Parts of an earlier copy that would be taken for parts of this bundle.
    pub(crate) leftover: Vec<String>,
}

/// The target folder and its limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room<'r> {
    pub(crate) folder: &'r Utf8Path,
    pub(crate) facts: Facts,
}

/// The parts of a bundle: names and lengths, and the length of all but the last.
pub(crate) type Parts = (Vec<(String, u64)>, Option<PartSize>);

/// Splits a bundle of `total` bytes called `name`.
///
/// The bundle stays in one file unless the file system has a `largest` file or a part size is
/// `asked` for.
pub(crate) fn split(
    name: &str,
    total: u64,
    largest: Option<u64>,
    asked: Option<PartSize>,
) -> anyhow::Result<Parts> {
    if let (Some(part), Some(largest)) = (asked, largest)
        && part.bytes() > largest
        && total > largest
    {
        let (part, largest) = (ByteSize::new(part.bytes()), ByteSize::new(largest));
        bail!("parts of {part} are larger than the largest file of this file system: {largest}");
    }
    let needed = largest.filter(|&largest| total > largest);
    let needed = needed.and_then(|largest| PartSize::new(largest / CHUNK * CHUNK));
    let Some(part) = asked.or(needed).filter(|part| part.bytes() < total) else {
        return Ok((vec![(name.to_owned(), total)], None));
    };
    let count = total.div_ceil(part.bytes());
    if count > vgpu_manifest::limits::MAX_PARTS as u64 {
        bail!(
            "the bundle would have {count} parts, more than {}; choose larger ones",
            vgpu_manifest::limits::MAX_PARTS
        );
    }
    let parts = (0..count).map(|index| {
        let size = (total - index * part.bytes()).min(part.bytes());
        (format!("{name}.{:03}", index + 1), size)
    });
    Ok((parts.collect(), Some(part)))
}

impl Plan {
    /// Checks that no other file would be replaced without `--replace`, and that all files fit.
    ///
    /// A file is replaced only when its successor is complete, so both must fit.
    pub(crate) fn check(&self, room: Room<'_>, replace: Replace) -> anyhow::Result<()> {
        let folder = room.folder;
        let other = self.pieces.iter().filter(|piece| piece.found == Found::Other);
        let names = other.map(|piece| &piece.name).chain(&self.leftover);
        let names: Vec<String> = names.map(|name| format!("`{}`", name.escape_debug())).collect();
        if replace == Replace::Never && !names.is_empty() {
            return Err(anyhow!(
                "`{folder}` has other files of the same names: {}",
                names.join(", ")
            ))
            .hint("inspect them; `--replace` replaces them");
        }
        let needed: u64 =
            self.to_write().map(|piece| piece.size.next_multiple_of(room.facts.unit)).sum();
        if needed > room.facts.free {
            let (free, needed) = (ByteSize::new(room.facts.free), ByteSize::new(needed));
            return Err(anyhow!("`{folder}` has {free} free, but {needed} are needed"))
                .hint("remove files that the stick does not need, or use a larger one");
        }
        Ok(())
    }

    /// Returns the files that are missing or differ.
    pub(crate) fn to_write(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| piece.found != Found::Same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    const FAT: Option<u64> = Some(4 * GIB - 1);

    fn parts(total: u64, largest: Option<u64>, asked: Option<u64>) -> Vec<(String, u64)> {
        let asked = asked.and_then(PartSize::new);
        split("a.vgpu.tar", total, largest, asked).unwrap().0
    }

    #[test]
    fn a_bundle_is_split_where_it_must_be() {
        let whole = |total| vec![("a.vgpu.tar".to_owned(), total)];
        assert_eq!(parts(4 * GIB - 1, FAT, None), whole(4 * GIB - 1));
        assert_eq!(parts(9 * GIB, None, None), whole(9 * GIB));

        let fat = PartSize::FAT32.bytes();
        let three = parts(9 * GIB, FAT, None);
        let last = 9 * GIB - 2 * fat;
        assert_eq!(
            three,
            [("001", fat), ("002", fat), ("003", last)]
                .map(|(number, size)| (format!("a.vgpu.tar.{number}"), size))
        );
        assert!(three.iter().all(|(_, size)| *size < 4 * GIB));
        assert_eq!(parts(4 * GIB, FAT, None).len(), 2);
    }

    #[test]
    fn a_bundle_is_split_on_request() {
        assert_eq!(parts(GIB, None, Some(GIB / 4)).len(), 4);
        // One part is no part.
        assert_eq!(parts(GIB, None, Some(GIB)), [("a.vgpu.tar".to_owned(), GIB)]);
        let too_large = split("a", 9 * GIB, FAT, PartSize::new(4 * GIB));
        assert!(too_large.unwrap_err().to_string().contains("parts of 4.0 GiB are larger"));
        let many = split("a", 8 * GIB, None, PartSize::new(4 << 20));
        assert!(many.unwrap_err().to_string().contains("2048 parts, more than 999"));
    }

    fn room(free: u64) -> Room<'static> {
        let facts = Facts { largest_file: FAT, free, unit: 4096 };
        Room { folder: Utf8Path::new("/media/stick"), facts }
    }

    fn plan(found: [Found; 3]) -> Plan {
        let piece = |(found, name): (_, &str)| Piece { name: name.to_owned(), size: 5000, found };
        let pieces = found.into_iter().zip(["a", "b", "c"]).map(piece).collect();
        Plan { pieces, leftover: Vec::new() }
    }

    #[test]
    fn all_files_must_fit_before_anything_is_written() {
        use Found::{Nothing, Other, Same};
        assert!(plan([Nothing; 3]).check(room(3 * 8192), Replace::Never).is_ok());
        let error = plan([Nothing; 3]).check(room(3 * 8192 - 1), Replace::Never).unwrap_err();
        let says = "`/media/stick` has 23.9 KiB free, but 24.0 KiB are needed";
        assert_eq!(error.root_cause().to_string(), says);
        // Files that are the same need no space; replaced ones need it twice.
        assert!(plan([Same, Nothing, Nothing]).check(room(2 * 8192), Replace::Never).is_ok());
        assert!(plan([Same, Other, Nothing]).check(room(2 * 8192), Replace::Named).is_ok());
        assert!(plan([Same, Other, Nothing]).check(room(8192), Replace::Named).is_err());
    }

    #[test]
    fn no_file_is_replaced_without_the_option() {
        use Found::{Nothing, Other, Same};
        let mut plan = plan([Other, Same, Nothing]);
        plan.leftover.push("a.vgpu.tar.003".to_owned());
        let error = plan.check(room(GIB), Replace::Never).unwrap_err();
        let error = error.root_cause().to_string();
        assert!(error.ends_with(": `a`, `a.vgpu.tar.003`"), "{error}");
        assert!(plan.check(room(GIB), Replace::Named).is_ok());
    }
}
