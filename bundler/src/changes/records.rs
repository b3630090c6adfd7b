//! What has become of that which the items are: drivers, packages, images and libraries.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::driver::{DriverKind, DriverRecord};
use vgpu_manifest::image::{ImageRecord, ImageReference};
use vgpu_manifest::package::{ArchiveRecord, PackageReason, PackageRecord};
use vgpu_manifest::unlock::UnlockRecord;

use super::outline::Outline;
use super::{Archive, Change, Driver, Image, PackageChange, PackageStep, Unlock};
use crate::apt::Version;
use crate::driver;

/// Whether one is what has become of the other.
type Matches<'m, T> = &'m dyn Fn(&T, &T) -> bool;

/// What was, and what is: at least one of them.
type Pair<'r, T> = (Option<&'r T>, Option<&'r T>);

/// Pair what was with what is: by the first way to match, and what is left then by the second.
fn pairs<'r, T>(old: &'r [T], new: &'r [T], ways: [Matches<'_, T>; 2]) -> Vec<Pair<'r, T>> {
    let mut old: Vec<&T> = old.iter().collect();
    let mut found: Vec<Pair<'_, T>> = new.iter().map(|it| (None, Some(it))).collect();
    for matches in ways {
        for (was, is) in found.iter_mut().filter(|(was, _)| was.is_none()) {
            let Some(is) = *is else { continue };
            if let Some(at) = old.iter().position(|it| matches(it, is)) {
                *was = Some(old.remove(at));
            }
        }
    }
    found.extend(old.into_iter().map(|it| (Some(it), None)));
    found
}

/// The drivers, each beside the one of its kind: its item is named after its version.
pub(super) fn drivers(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let same = |a: &DriverRecord, b: &DriverRecord| a.kind == b.kind && a.item == b.item;
    let alike = |a: &DriverRecord, b: &DriverRecord| a.kind == b.kind;
    for (was, is) in pairs(&old.drivers, &new.drivers, [&same, &alike]) {
        let from = was.map(|record| Driver::of(record, old));
        let to = is.map(|record| Driver::of(record, new));
        let kind = is.or(was).map_or(DriverKind::Host, |record| record.kind);
        if from != to {
            changes.push(Change::Driver { kind, from, to });
        }
    }
}

impl Driver {
    fn of(record: &DriverRecord, outline: &Outline) -> Self {
        let digest = |item| outline.digest(item).unwrap_or(vgpu_manifest::Digest::of(b""));
        let patches = record.patches.iter().map(|patch| &patch.item);
        Self {
            item: record.item.clone(),
            version: record.version.clone(),
            releases: driver::releases(record),
            patches: patches.map(|item| (item.clone(), digest(item))).collect(),
            sha256: digest(&record.item),
        }
    }
}

/// The packages. That which is there for the way back is another one than the one that is
/// installed.
pub(super) fn packages(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let key =
        |it: &PackageRecord| (it.name.clone(), it.arch.clone(), it.reason == PackageReason::Return);
    let [was, is] = [old, new]
        .map(|outline| outline.packages.iter().map(|it| (key(it), it)).collect::<BTreeMap<_, _>>());
    let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    for key in keys {
        let (was, is) = (was.get(key), is.get(key));
        let step = match (was, is) {
            (None, _) => PackageStep::Added,
            (_, None) => PackageStep::Removed,
            (Some(was), Some(is)) => {
                let [from, to] = [was, is].map(|it| Version::from(it.version.clone()));
                match to.cmp(&from) {
                    Ordering::Greater => PackageStep::Newer,
                    Ordering::Less => PackageStep::Older,
                    Ordering::Equal if old.digest(&was.item) == new.digest(&is.item) => continue,
                    Ordering::Equal => PackageStep::Rebuilt,
                }
            }
        };
        let Some(record) = is.or(was) else { continue };
        changes.push(Change::Package(PackageChange {
            name: record.name.clone(),
            arch: record.arch.clone(),
            step,
            reason: record.reason,
            from: was.map(|record| record.version.clone()),
            to: is.map(|record| record.version.clone()),
        }));
    }
}

/// The archives that packages come from.
pub(super) fn archives(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let same = |a: &ArchiveRecord, b: &ArchiveRecord| a.name == b.name;
    for (was, is) in pairs(&old.archives, &new.archives, [&same, &same]) {
        let archive = |record: &ArchiveRecord| Archive {
            codename: record.codename.clone(),
            signed_by: record.signed_by.clone(),
            dated: record.dated,
        };
        let (from, to) = (was.map(archive), is.map(archive));
        if let Some(record) = is.or(was).filter(|_| from != to) {
            changes.push(Change::Archive { name: record.name.clone(), from, to });
        }
    }
}

/// The images, each beside the one of its item, or of its name without the tag.
pub(super) fn images(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let same = |a: &ImageRecord, b: &ImageRecord| a.item == b.item;
    let alike = |a: &ImageRecord, b: &ImageRecord| untagged(&a.reference) == untagged(&b.reference);
    for (was, is) in pairs(&old.images, &new.images, [&same, &alike]) {
        let image = |record: &ImageRecord| Image {
            reference: record.reference.clone(),
            digest: record.digest,
        };
        let (from, to) = (was.map(image), is.map(image));
        if from != to {
            changes.push(Change::Image { from, to });
        }
    }
}

/// The name of an image, without its tag.
pub(super) fn untagged(reference: &ImageReference) -> &str {
    let text = reference.as_str();
    text.rsplit_once(':').map_or(text, |(name, _)| name)
}

/// The unlock libraries.
pub(super) fn unlock(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let same = |a: &UnlockRecord, b: &UnlockRecord| a.source == b.source;
    let alike = |_: &UnlockRecord, _: &UnlockRecord| true;
    for (was, is) in pairs(&old.unlock, &new.unlock, [&same, &alike]) {
        let unlock = |record: &UnlockRecord| Unlock {
            source: record.source.clone(),
            commit: record.commit.clone(),
            glibc: record.built.as_ref().map(|built| built.glibc),
        };
        let (from, to) = (was.map(unlock), is.map(unlock));
        if from != to {
            changes.push(Change::Unlock { from, to });
        }
    }
}
