use std::collections::BTreeMap;

use vgpu_manifest::{Content, ItemName};

use super::Change;
use super::outline::{Outline, Part};

/// What has become of the items, one by one.
pub(super) fn items(old: &Outline, new: &Outline, changes: &mut Vec<Change>) {
    let (old, new) = (&old.items, &new.items);
    let was: BTreeMap<&ItemName, &Part> = old.iter().map(|(name, part)| (name, part)).collect();
    let is: BTreeMap<&ItemName, &Part> = new.iter().map(|(name, part)| (name, part)).collect();
    for (item, part) in old.iter().filter(|(name, _)| !is.contains_key(name)) {
        let (item, group) = (item.clone(), part.group);
        changes.push(Change::Removed { item, group, from: part.bytes });
    }
    for (item, part) in new {
        match was.get(item) {
            None => {
                let (item, group) = (item.clone(), part.group);
                changes.push(Change::Added { item, group, to: part.bytes });
            }
            Some(before) => properties(item, before, part, changes),
        }
    }
    let common_old = old.iter().map(|(name, _)| name).filter(|name| is.contains_key(name));
    let common_new = new.iter().map(|(name, _)| name).filter(|name| was.contains_key(name));
    if !common_old.eq(common_new) {
        changes.push(Change::Order);
    }
}

fn properties(item: &ItemName, old: &Part, new: &Part, changes: &mut Vec<Change>) {
    if old.bytes != new.bytes {
        let (item, group) = (item.clone(), new.group);
        changes.push(Change::Bytes { item, group, from: old.bytes, to: new.bytes });
    }
    for ((what, from), (_, to)) in old.properties().into_iter().zip(new.properties()) {
        if from != to {
            changes.push(Change::Property { item: item.clone(), what, from, to });
        }
    }
}

impl Part {
    /// What it is apart from its bytes, by what people call it.
    fn properties(&self) -> [(&'static str, String); 3] {
        let kind = match self.content {
            Content::Plain => "file",
            Content::Tree { .. } => "tree",
            Content::Catalog => "catalogue",
        };
        [
            ("mode", format!("{:04o}", self.mode.bits())),
            ("kind", kind.to_owned()),
            ("origin", self.origin.to_string()),
        ]
    }
}
