//! The indexes of all archives of a recipe, combined into one package universe.

mod deb;
mod obtain;
mod scan;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt as _;

use vgpu_manifest::inventory::PackageName;
use vgpu_manifest::package::ArchiveName;

pub(crate) use self::deb::{Deb, NoDeb};
pub(crate) use self::obtain::{IndexError, Keep, Obtained, Packed, obtain, unpacking};
pub(crate) use self::scan::ScanError;
use self::scan::{Base, Found, Slot, key, scan};
use super::model::{Candidate, NATIVE, Offer, Pin, Place, Universe};
use crate::types::Stanza;

/// All packages that the archives of a recipe offer.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    indexes: Vec<Index>,
    /// Why requested stanzas were skipped.
    unread: RefCell<BTreeSet<String>>,
}

/// An index in a file of the cache.
#[derive(Debug)]
struct Index {
    file: File,
    archive: ArchiveName,
    pin: Pin,
    slots: Vec<Slot>,
    /// Sorted.
    names: Vec<(u64, u32)>,
    /// Sorted.
    provides: Vec<(u64, u32)>,
}

/// An index can no longer be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the index of `{archive}` again")]
pub(crate) struct ReadError {
    archive: ArchiveName,
    source: io::Error,
}

impl Indexes {
    /// Adds an index of an archive.
    pub(crate) fn add(
        &mut self,
        file: File,
        archive: &ArchiveName,
        pin: Pin,
    ) -> Result<(), ScanError> {
        let reader = BufReader::with_capacity(256 << 10, &file);
        let Found { slots, mut names, mut provides } = scan(reader, NATIVE)?;
        names.sort_unstable();
        provides.sort_unstable();
        // A package may provide a name in several versions.
        provides.dedup();
        let archive = archive.clone();
        self.indexes.push(Index { file, archive, pin, slots, names, provides });
        Ok(())
    }

    /// Returns the number of packages.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.indexes.iter().map(|index| index.slots.len()).sum()
    }

    /// Returns whether any version of a package of this name exists.
    #[must_use]
    pub(crate) fn has(&self, name: &PackageName) -> bool {
        let key = key(name.as_str());
        let is_in = |index: &Index| index.names.binary_search_by_key(&key, |(it, _)| *it).is_ok();
        self.indexes.iter().any(is_in)
    }

    /// Returns the requested stanzas that could not be read, with reasons.
    #[must_use]
    pub(crate) fn unread(&self) -> Vec<String> {
        self.unread.borrow().iter().cloned().collect()
    }

    /// Returns the newest version of every package of the base system.
    pub(crate) fn base(&self) -> Result<Vec<Candidate>, ReadError> {
        let mut base: BTreeMap<PackageName, Candidate> = BTreeMap::new();
        for (number, index) in self.indexes.iter().enumerate() {
            let slots = index.slots.iter().enumerate();
            for (slot, _) in slots.filter(|(_, slot)| slot.base == Base::Yes) {
                let Some(candidate) = self.candidate(number, slot)? else { continue };
                let known = base.get(&candidate.name);
                if known.is_none_or(|known| known.version < candidate.version) {
                    base.insert(candidate.name.clone(), candidate);
                }
            }
        }
        Ok(base.into_values().collect())
    }

    fn text(&self, index: usize, slot: usize) -> Result<String, ReadError> {
        let index = &self.indexes[index];
        let Slot { offset, len, .. } = index.slots[slot];
        let mut bytes = vec![0; len as usize];
        index
            .file
            .read_exact_at(&mut bytes, offset.into())
            .map_err(|source| ReadError { archive: index.archive.clone(), source })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the candidate at this place; `None`, with a note, if its stanza is invalid.
    fn candidate(&self, index: usize, slot: usize) -> Result<Option<Candidate>, ReadError> {
        let text = self.text(index, slot)?;
        let Index { archive, pin, .. } = &self.indexes[index];
        let offer = Offer { archive: archive.clone(), pin: *pin, place: place(index, slot) };
        let read = Stanza::parse(&text).map_err(|error| error.to_string()).and_then(|stanza| {
            let candidate = Candidate::read(&stanza, offer);
            candidate.map_err(|error| {
                let name = stanza.get("Package").unwrap_or_default().escape_debug().to_string();
                format!("`{name}`: {error}")
            })
        });
        match read {
            Ok(candidate) => Ok(Some(candidate)),
            Err(why) => {
                self.unread.borrow_mut().insert(format!("{archive}: {why}"));
                Ok(None)
            }
        }
    }

    /// Returns all candidates listed under this key that match.
    fn find(
        &self,
        name: &PackageName,
        list: impl Fn(&Index) -> &[(u64, u32)],
        is_it: impl Fn(&Candidate) -> bool,
    ) -> Result<Vec<Candidate>, ReadError> {
        let mut found = Vec::new();
        let key = key(name.as_str());
        for (number, index) in self.indexes.iter().enumerate() {
            let list = list(index);
            let from = list.partition_point(|(other, _)| *other < key);
            for (_, slot) in list[from..].iter().take_while(|(other, _)| *other == key) {
                found.extend(self.candidate(number, *slot as usize)?.filter(&is_it));
            }
        }
        Ok(found)
    }
}

impl Universe for Indexes {
    type Error = ReadError;

    fn versions(&self, name: &PackageName) -> Result<Vec<Candidate>, ReadError> {
        self.find(name, |index| &index.names, |candidate| candidate.name == *name)
    }

    fn providers(&self, name: &PackageName) -> Result<Vec<Candidate>, ReadError> {
        let provides = |candidate: &Candidate| {
            candidate.name != *name && candidate.provides.iter().any(|one| one.name == *name)
        };
        self.find(name, |index| &index.provides, provides)
    }
}

fn place(index: usize, slot: usize) -> Place {
    Place((index as u64) << 32 | slot as u64)
}

/// The index and the slot that [`place`] encodes.
fn split(Place(place): Place) -> (usize, usize) {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    (number(place >> 32), number(place & u64::from(u32::MAX)))
}
