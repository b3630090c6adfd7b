use std::collections::{BTreeMap, BTreeSet};

use super::directory::{
    Entry, EntryKind, Extent, Order, Stamp, directory, directory_len, path_table,
};
use super::volume::{Map, Tree, descriptor, terminator};
use super::{IsoName, Place, SECTOR, VolumeLabel};
use crate::ui::Date;
use vgpu_manifest::ParseTextError;

/// An image, laid out: its parts in order make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image<F> {
    /// The parts.
    pub parts: Vec<Part<F>>,
    /// The length of the whole, in bytes.
    pub size: u64,
}

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<F> {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file, all of it, and as many zeros as fill its last sector.
    File {
        /// Which one.
        file: F,
        /// Its length in bytes.
        size: u64,
    },
}

/// Files do not make an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IsoError {
    /// The format has no room for its length.
    #[error("`{place}` has {size} bytes, and a file of a CD image has less than 4 GiB")]
    TooLarge {
        /// Where it is.
        place: Place,
        /// Its length.
        size: u64,
    },
    /// Windows would not know which one is meant.
    #[error("`{0}` is there twice, if case is ignored")]
    Twice(Place),
    /// A name is none that an image can have.
    #[error(transparent)]
    Name(ParseTextError),
    /// There is too much for the format.
    #[error("{0} bytes are more than a CD image of 8 TiB holds")]
    TooMuch(u64),
}

/// Where the descriptors begin: what is before is for whoever makes a medium bootable.
const DESCRIPTORS: u64 = 16;

/// A tree of names, laid out.
struct Branch {
    root: Extent,
    folders: BTreeMap<IsoName, (Vec<u8>, Extent)>,
}

impl<F: Clone> Image<F> {
    /// Lay out an image of these files, each with its place and its length in bytes.
    pub fn new(
        label: &VolumeLabel,
        made: Date,
        files: &[(Place, u64, F)],
    ) -> Result<Self, IsoError> {
        check(files)?;
        let mut files: Vec<_> = files.iter().collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let trees = [Tree::Plain, Tree::Joliet].map(|tree| named(tree, &files));

        // First everything gets its place: descriptors, path tables, directories, files.
        let mut next = DESCRIPTORS + 3;
        let tables = trees.each_ref().map(|names| {
            let len = names.table_len();
            let [little, big] = [(); 2].map(|()| take(&mut next, len));
            (len, little, big)
        });
        let branches = trees.each_ref().map(|names| names.branch(&mut next));
        let places: Vec<u32> = files.iter().map(|(_, size, _)| take(&mut next, *size)).collect();
        let size = next * SECTOR;
        let sectors = u32::try_from(next).map_err(|_| IsoError::TooMuch(size))?;

        // Then it is written down.
        let (stamp, date) = (made.iso_stamp(), made.iso_text());
        let mut head = vec![0; usize::try_from(DESCRIPTORS * SECTOR).unwrap_or_default()];
        for (i, tree) in [Tree::Plain, Tree::Joliet].into_iter().enumerate() {
            let (len, little, big) = tables[i];
            let table_len = u32::try_from(len).unwrap_or(u32::MAX);
            let map = Map { sectors, root: branches[i].root, table_len, little, big };
            head.extend(descriptor(tree, label, &map, stamp, &date));
        }
        head.extend(terminator());
        for branch in &branches {
            for order in [Order::Little, Order::Big] {
                push(&mut head, path_table(branch.root, &branch.entries(), order));
            }
        }
        for (names, branch) in trees.iter().zip(&branches) {
            for bytes in names.directories(branch, &files, &places, stamp) {
                push(&mut head, bytes);
            }
        }
        let contents = files.iter().filter(|(_, size, _)| *size > 0);
        let contents =
            contents.map(|(_, size, file)| Part::File { file: file.clone(), size: *size });
        Ok(Self { parts: std::iter::once(Part::Bytes(head)).chain(contents).collect(), size })
    }
}

fn check<F>(files: &[(Place, u64, F)]) -> Result<(), IsoError> {
    let folder_of = |place: &Place| place.folder.as_ref().map(lower);
    let folders: BTreeSet<_> = files.iter().filter_map(|(place, ..)| folder_of(place)).collect();
    let mut seen = BTreeSet::new();
    for (place, size, _) in files {
        if u32::try_from(*size).is_err() {
            return Err(IsoError::TooLarge { place: place.clone(), size: *size });
        }
        // A file must not be called as a folder is, either.
        let hides = place.folder.is_none() && folders.contains(&lower(&place.name));
        if hides || !seen.insert(lower(place)) {
            return Err(IsoError::Twice(place.clone()));
        }
    }
    Ok(())
}

fn lower(name: &impl ToString) -> String {
    name.to_string().to_lowercase()
}

/// Take the sectors for so many bytes.
fn take(next: &mut u64, bytes: u64) -> u32 {
    let at = *next;
    *next += bytes.div_ceil(SECTOR);
    // Whether all of it fits is checked once everything has its place.
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Add bytes, and zeros up to the next sector.
fn push(head: &mut Vec<u8>, bytes: Vec<u8>) {
    head.extend(bytes);
    let sector = usize::try_from(SECTOR).unwrap_or_default();
    head.resize(head.len().next_multiple_of(sector), 0);
}

/// The names of one tree: folders, and for each file its own.
struct Names {
    folders: Vec<(IsoName, Vec<u8>)>,
    files: Vec<(Option<IsoName>, Vec<u8>)>,
}

fn named<F>(tree: Tree, files: &[&(Place, u64, F)]) -> Names {
    let folders: BTreeSet<&IsoName> =
        files.iter().filter_map(|(at, ..)| at.folder.as_ref()).collect();
    let mut taken: BTreeMap<Option<&IsoName>, BTreeSet<String>> = BTreeMap::new();
    let mut folder_names: Vec<_> = folders
        .into_iter()
        .map(|folder| match tree {
            Tree::Plain => {
                let short = folder.short(taken.entry(None).or_default()).replace('.', "_");
                (folder.clone(), short.into_bytes())
            }
            Tree::Joliet => (folder.clone(), folder.joliet_folder()),
        })
        .collect();
    folder_names.sort_by(|a, b| a.1.cmp(&b.1));
    let file_names = files.iter().map(|(place, ..)| {
        let name = match tree {
            Tree::Plain => {
                let short = place.name.short(taken.entry(place.folder.as_ref()).or_default());
                // A file without an ending has the dot all the same (ECMA-119 7.5.1).
                let dot = if short.contains('.') { "" } else { "." };
                format!("{short}{dot};1").into_bytes()
            }
            Tree::Joliet => place.name.joliet_file(),
        };
        (place.folder.clone(), name)
    });
    Names { files: file_names.collect(), folders: folder_names }
}

impl Names {
    fn table_len(&self) -> u64 {
        let one = |name: usize| 8 + name + name % 2;
        (one(1) + self.folders.iter().map(|(_, name)| one(name.len())).sum::<usize>()) as u64
    }

    fn names_in(&self, folder: Option<&IsoName>) -> impl Iterator<Item = &[u8]> {
        let files = self.files.iter().filter(move |(place, _)| place.as_ref() == folder);
        files.map(|(_, name)| name.as_slice())
    }

    /// Give each directory its place. The names in a root are sorted before they are laid out, so
    /// that lengths are those of the real order.
    fn branch(&self, next: &mut u64) -> Branch {
        let mut extent = |names: Vec<&[u8]>| {
            let len = directory_len(names);
            Extent { at: take(next, len), len: u32::try_from(len).unwrap_or(u32::MAX) }
        };
        let root = extent(self.sorted(None));
        let folders = self.folders.iter().map(|(folder, name)| {
            (folder.clone(), (name.clone(), extent(self.sorted(Some(folder)))))
        });
        Branch { root, folders: folders.collect() }
    }

    fn sorted(&self, folder: Option<&IsoName>) -> Vec<&[u8]> {
        let mut names: Vec<&[u8]> = self.names_in(folder).collect();
        if folder.is_none() {
            names.extend(self.folders.iter().map(|(_, name)| name.as_slice()));
        }
        names.sort_unstable();
        names
    }

    /// The bytes of the root and of each folder, in the order of their places.
    fn directories<F>(
        &self,
        branch: &Branch,
        files: &[&(Place, u64, F)],
        places: &[u32],
        stamp: Stamp,
    ) -> Vec<Vec<u8>> {
        let entries = |folder: Option<&IsoName>| {
            let all = self.files.iter().zip(files).zip(places);
            let here = all.filter(|(((place, _), _), _)| place.as_ref() == folder);
            here.map(|(((_, name), (_, size, _)), at)| Entry {
                name: name.clone(),
                kind: EntryKind::File,
                at: *at,
                len: u32::try_from(*size).unwrap_or(u32::MAX),
            })
            .collect::<Vec<_>>()
        };
        let mut top = entries(None);
        top.extend(branch.entries());
        top.sort_by(|a, b| a.name.cmp(&b.name));
        let mut all = vec![directory(branch.root, branch.root, &top, stamp)];
        for (folder, _) in &self.folders {
            let Some((_, extent)) = branch.folders.get(folder) else { continue };
            let mut inside = entries(Some(folder));
            inside.sort_by(|a, b| a.name.cmp(&b.name));
            all.push(directory(*extent, branch.root, &inside, stamp));
        }
        all
    }
}

impl Branch {
    /// The folders as entries of the root, in order.
    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<_> =
            self.folders.values().map(|(name, extent)| extent.named(name)).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries
    }
}

impl Date {
    /// As a directory record has it (ECMA-119 9.1.5), in UTC.
    fn iso_stamp(self) -> Stamp {
        let [year, rest @ ..] = self.numbers();
        let byte = |number: i64| u8::try_from(number).unwrap_or_default();
        let year = byte((year - 1900).clamp(0, 255));
        let [month, day, hour, minute, second] = rest.map(byte);
        [year, month, day, hour, minute, second, 0]
    }

    /// As a descriptor has it (ECMA-119 8.4.26.1), in UTC.
    fn iso_text(self) -> [u8; 17] {
        let [year, month, day, hour, minute, second] = self.numbers();
        let year = year.clamp(1, 9999);
        let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0");
        text.as_bytes().try_into().unwrap_or(*b"0000000000000000\0")
    }
}
