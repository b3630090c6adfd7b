//! The changes of drivers, packages, images, libraries, and of the items themselves.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::image::ImageReference;
use vgpu_manifest::package::PackageReason;
use vgpu_manifest::{ItemFields, ItemName, Kind};

use super::outline::Outline;
use super::{Archive, Bytes, Change, Driver, Image, PackageChange, PackageStep, Unlock};
use crate::types::releases;

/// Checks whether two records describe the same thing at different times.
type Matches<'m, T> = &'m dyn Fn(&T, &T) -> bool;

/// A pair of an old and a new record, of which at least one exists.
type Pair<T> = (Option<T>, Option<T>);

/// Pairs old with new records: first by one criterion, then the rest by another.
fn pairs<T>([mut old, new]: [Vec<T>; 2], ways: [Matches<'_, T>; 2]) -> Vec<Pair<T>> {
    let mut found: Vec<Pair<T>> = new.into_iter().map(|it| (None, Some(it))).collect();
    for matches in ways {
        for (was, is) in found.iter_mut().filter(|(was, _)| was.is_none()) {
            let Some(is) = is else { continue };
            if let Some(at) = old.iter().position(|it| matches(it, is)) {
                *was = Some(old.remove(at));
            }
        }
    }
    found.extend(old.into_iter().map(|it| (Some(it), None)));
    found
}

/// Returns the changes of drivers, paired by kind, because their items are named after their
/// versions.
pub(super) fn drivers(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    type Of = (DriverKind, Driver);
    let same = |a: &Of, b: &Of| a.0 == b.0 && a.1.item == b.1.item;
    let alike = |a: &Of, b: &Of| a.0 == b.0;
    for (was, is) in pairs([old, new].map(of_drivers), [&same, &alike]) {
        let Some(kind) = is.as_ref().or(was.as_ref()).map(|it| it.0) else { continue };
        let (from, to) = (was.map(|it| it.1), is.map(|it| it.1));
        if from != to {
            changes.push(Change::Driver { kind, from, to });
        }
    }
}

fn of_drivers(outline: &Outline) -> Vec<(DriverKind, Driver)> {
    let drivers = outline.records(Kind::driver).map(|(item, record)| {
        let patches = outline.records(|kind| kind.patch_of(&item.name));
        let driver = Driver {
            item: item.name.clone(),
            version: record.version.clone(),
            releases: releases(record),
            patches: patches.map(|(patch, _)| (patch.name.clone(), patch.sha256)).collect(),
            sha256: item.sha256,
        };
        (record.kind, driver)
    });
    drivers.collect()
}

/// Returns the changes of packages. Packages for a rollback are distinct from those to install.
pub(super) fn packages(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let [was, is] = [old, new].map(|outline| {
        let packages = outline.records(Kind::package).map(|(item, it)| {
            let key = (it.name.clone(), it.arch.clone(), it.reason == PackageReason::Return);
            (key, (it, item.sha256))
        });
        packages.collect::<BTreeMap<_, _>>()
    });
    let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    for key in keys {
        let (was, is) = (was.get(key), is.get(key));
        let step = match (was, is) {
            (None, _) => PackageStep::Added,
            (_, None) => PackageStep::Removed,
            (Some((was, before)), Some((is, after))) => match is.version.compare(&was.version) {
                Ordering::Greater => PackageStep::Newer,
                Ordering::Less => PackageStep::Older,
                Ordering::Equal if before == after => continue,
                Ordering::Equal => PackageStep::Rebuilt,
            },
        };
        let Some((record, _)) = is.or(was) else { continue };
        changes.push(Change::Package(PackageChange {
            name: record.name.clone(),
            arch: record.arch.clone(),
            step,
            reason: record.reason,
            from: was.map(|(record, _)| record.version.clone()),
            to: is.map(|(record, _)| record.version.clone()),
        }));
    }
}

/// Returns the changes of package archives.
pub(super) fn archives(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let [mut was, is] = [old, new].map(|outline| {
        let archives = outline.archives.iter().map(|record| {
            let archive = Archive {
                codename: record.codename.clone(),
                signed_by: record.signed_by.clone(),
                dated: record.dated,
            };
            (record.name.clone(), archive)
        });
        archives.collect::<Vec<_>>()
    });
    for (name, to) in is {
        let at = was.iter().position(|(before, _)| *before == name);
        let (from, to) = (at.map(|at| was.remove(at).1), Some(to));
        if from != to {
            changes.push(Change::Archive { name, from, to });
        }
    }
    let gone = |(name, from)| Change::Archive { name, from: Some(from), to: None };
    changes.extend(was.into_iter().map(gone));
}

/// Returns the changes of images, paired by item, or by name without the tag.
pub(super) fn images(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    type Of = (ItemName, Image);
    let same = |a: &Of, b: &Of| a.0 == b.0;
    let alike = |a: &Of, b: &Of| untagged(&a.1.reference) == untagged(&b.1.reference);
    let images = [old, new].map(|outline| {
        let images = outline.records(Kind::image).map(|(item, record)| {
            let image = Image { reference: record.reference.clone(), digest: record.digest };
            (item.name.clone(), image)
        });
        images.collect()
    });
    for (was, is) in pairs(images, [&same, &alike]) {
        let (from, to) = (was.map(|it| it.1), is.map(|it| it.1));
        if from != to {
            changes.push(Change::Image { from, to });
        }
    }
}

/// Returns the name of an image without its tag.
pub(super) fn untagged(reference: &ImageReference) -> &str {
    let text = reference.as_str();
    text.rsplit_once(':').map_or(text, |(name, _)| name)
}

/// Returns the changes of unlock libraries.
pub(super) fn unlock(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let libraries = [old, new].map(|outline| {
        let libraries = outline.records(Kind::unlock).map(|(item, record)| {
            let mut built = outline.records(|kind| kind.library_of(&item.name));
            let glibc = built.next().map(|(_, library)| library.glibc);
            Unlock { source: item.name.clone(), commit: record.commit.clone(), glibc }
        });
        libraries.collect()
    });
    let same = |a: &Unlock, b: &Unlock| a.source == b.source;
    for (from, to) in pairs(libraries, [&same, &|_, _| true]) {
        if from != to {
            changes.push(Change::Unlock { from, to });
        }
    }
}

/// Returns the changes of the items, one by one.
pub(super) fn items(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let by_name = |outline| named(outline).collect::<BTreeMap<&ItemName, &ItemFields>>();
    let (was, is) = (by_name(old), by_name(new));
    for (item, fields) in named(old).filter(|(name, _)| !is.contains_key(name)) {
        let (item, group) = (item.clone(), old.group(fields));
        changes.push(Change::Removed { item, group, from: Bytes::of(fields) });
    }
    for (item, fields) in named(new) {
        let (item, group, to) = (item.clone(), new.group(fields), Bytes::of(fields));
        let Some(before) = was.get(&item) else {
            changes.push(Change::Added { item, group, to });
            continue;
        };
        let from = Bytes::of(before);
        if from != to {
            changes.push(Change::Bytes { item: item.clone(), group, from, to });
        }
        for ((what, from), (_, to)) in properties(before).into_iter().zip(properties(fields)) {
            if from != to {
                changes.push(Change::Property { item: item.clone(), what, from, to });
            }
        }
    }
    let common_old = named(old).filter(|(name, _)| is.contains_key(name));
    let common_new = named(new).filter(|(name, _)| was.contains_key(name));
    if !common_old.map(|(name, _)| name).eq(common_new.map(|(name, _)| name)) {
        changes.push(Change::Order);
    }
}

fn named(outline: &Outline) -> impl Iterator<Item = (&ItemName, &ItemFields)> {
    outline.items.iter().map(|item| (&item.name, item))
}

/// Returns the properties of an item other than its bytes, with their display names.
fn properties(item: &ItemFields) -> [(&'static str, String); 3] {
    let kind = match &item.kind {
        Kind::Catalog(_) => "catalog",
        Kind::Policies(_) => "policies",
        kind if kind.tree().is_some() => "tree",
        _ => "file",
    };
    [
        ("mode", format!("{:04o}", item.mode.bits())),
        ("kind", kind.to_owned()),
        ("origin", item.origin.to_string()),
    ]
}
