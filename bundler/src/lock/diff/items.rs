use std::collections::BTreeMap;

use vgpu_manifest::{ItemFields, ItemName, Kind};

use super::outline::Outline;
use super::{Bytes, Change};

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
        kind if kind.tree().is_some() => "tree",
        _ => "file",
    };
    [
        ("mode", format!("{:04o}", item.mode.bits())),
        ("kind", kind.to_owned()),
        ("origin", item.origin.to_string()),
    ]
}
