//! What has changed between two locks, or between two bundles, in words of people.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use vgpu_manifest::image::ImageRecord;
use vgpu_manifest::{Content, Digest, ItemMode, ItemName, Manifest, Origin};

use crate::driver;
use crate::lock::Lock;
use crate::size::ByteSize;
use crate::wants;

/// What a lock and the bundle made from it have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// The plain facts, by what people call them.
    facts: [(&'static str, String); 5],
    host: Vec<String>,
    items: Vec<(ItemName, Part)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    bytes: Bytes,
    mode: ItemMode,
    content: Content,
    origin: Origin,
    /// The digest of the container image that it is, if it is one.
    image: Option<Digest>,
}

/// The bytes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Bytes {
    size: u64,
    sha256: Digest,
}

/// Something that is another now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// A plain fact.
    Fact { what: &'static str, from: String, to: String },
    /// An item is new.
    Added { item: ItemName, to: Bytes },
    /// An item is gone.
    Removed { item: ItemName, from: Bytes },
    /// An item has other bytes.
    Bytes { item: ItemName, from: Bytes, to: Bytes },
    /// An item has another property.
    Property { item: ItemName, what: &'static str, from: String, to: String },
    /// The items that both have come in another order.
    Order,
    /// Something more is asked of a host.
    HostAdded { what: String },
    /// Something is not asked of a host any more.
    HostRemoved { what: String },
}

impl From<&Lock> for Outline {
    fn from(lock: &Lock) -> Self {
        let items = lock.items.iter().map(|item| {
            let bytes = Bytes { size: item.size, sha256: item.sha256 };
            let (mode, content, origin) = (item.mode, item.content, item.origin.for_manifest());
            let image = image(&lock.images, &item.name);
            (item.name.clone(), Part { bytes, mode, content, origin, image })
        });
        Self {
            facts: [
                ("name", lock.name.to_string()),
                ("channel", lock.channel.to_string()),
                ("sequence", lock.sequence.to_string()),
                ("bundler", lock.bundler.to_string()),
                ("host driver", driver::host_drivers(&lock.drivers)),
            ],
            host: wants::lines(&lock.host),
            items: items.collect(),
        }
    }
}

impl From<&Manifest> for Outline {
    fn from(manifest: &Manifest) -> Self {
        let items = manifest.items.iter().map(|item| {
            let bytes = Bytes { size: item.size(), sha256: item.sha256() };
            let (content, origin) = (item.content(), item.origin().clone());
            let image = image(&manifest.images, item.name());
            (item.name().clone(), Part { bytes, mode: item.mode(), content, origin, image })
        });
        Self {
            facts: [
                ("name", manifest.name.to_string()),
                ("channel", manifest.channel.to_string()),
                ("sequence", manifest.sequence.to_string()),
                ("bundler", manifest.made_by.to_string()),
                ("host driver", driver::host_drivers(&manifest.drivers)),
            ],
            host: wants::lines(&manifest.wants),
            items: items.collect(),
        }
    }
}

fn image(images: &[ImageRecord], item: &ItemName) -> Option<Digest> {
    images.iter().find(|image| image.item == *item).map(|image| image.digest)
}

/// What one has to know to get from `old` to `new`.
pub(crate) fn between(old: &Outline, new: &Outline) -> Vec<Change> {
    let mut changes = Vec::new();
    for ((what, from), (_, to)) in old.facts.iter().zip(&new.facts) {
        if from != to {
            changes.push(Change::Fact { what, from: from.clone(), to: to.clone() });
        }
    }
    items(&old.items, &new.items, &mut changes);
    let gone = old.host.iter().filter(|line| !new.host.contains(line));
    changes.extend(gone.map(|what| Change::HostRemoved { what: what.clone() }));
    let come = new.host.iter().filter(|line| !old.host.contains(line));
    changes.extend(come.map(|what| Change::HostAdded { what: what.clone() }));
    changes
}

/// All items, as if none had been there before.
pub(crate) fn items_of(outline: &Outline) -> Vec<Change> {
    let mut changes = Vec::new();
    items(&[], &outline.items, &mut changes);
    changes
}

fn items(old: &[(ItemName, Part)], new: &[(ItemName, Part)], changes: &mut Vec<Change>) {
    let was: BTreeMap<&ItemName, &Part> = old.iter().map(|(name, part)| (name, part)).collect();
    let is: BTreeMap<&ItemName, &Part> = new.iter().map(|(name, part)| (name, part)).collect();
    for (item, part) in old.iter().filter(|(name, _)| !is.contains_key(name)) {
        changes.push(Change::Removed { item: item.clone(), from: part.bytes });
    }
    for (item, part) in new {
        match was.get(item) {
            None => changes.push(Change::Added { item: item.clone(), to: part.bytes }),
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
        changes.push(Change::Bytes { item: item.clone(), from: old.bytes, to: new.bytes });
    }
    for ((what, from), (_, to)) in old.properties().into_iter().zip(new.properties()) {
        if from != to {
            changes.push(Change::Property { item: item.clone(), what, from, to });
        }
    }
}

impl Part {
    /// What it is apart from its bytes, by what people call it.
    fn properties(&self) -> [(&'static str, String); 4] {
        let kind = match self.content {
            Content::Plain => "file",
            Content::Tree { .. } => "tree",
            Content::Catalog => "catalogue",
        };
        [
            ("mode", format!("{:04o}", self.mode.bits())),
            ("kind", kind.to_owned()),
            ("origin", self.origin.to_string()),
            ("image digest", self.image.map_or("none".to_owned(), |image| short(&image))),
        ]
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact { what, from, to } => write!(f, "~ {what}: {from} → {to}"),
            Self::Added { item, to } => write!(f, "+ {item}: {to}"),
            Self::Removed { item, from } => write!(f, "- {item}: {from}"),
            Self::Bytes { item, from, to } => write!(f, "~ {item}: {from} → {to}"),
            Self::Property { item, what, from, to } => write!(f, "~ {item}: {what} {from} → {to}"),
            Self::Order => f.write_str("~ the items come in another order"),
            Self::HostAdded { what } => write!(f, "+ host: {what}"),
            Self::HostRemoved { what } => write!(f, "- host: {what}"),
        }
    }
}

/// The beginning of a digest tells two apart, for people.
impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", ByteSize::new(self.size), short(&self.sha256))
    }
}

fn short(digest: &Digest) -> String {
    let mut hex = digest.to_string();
    hex.truncate(12);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(items: &[(&str, &[u8])], host: &[&str]) -> Outline {
        let items = items.iter().map(|(name, bytes)| {
            let bytes = Bytes { size: bytes.len() as u64, sha256: Digest::of(bytes) };
            let (mode, content, origin) = (ItemMode::Plain, Content::Plain, Origin::File);
            (name.parse().unwrap(), Part { bytes, mode, content, origin, image: None })
        });
        Outline {
            facts: ["name", "channel", "sequence", "bundler", "host driver"]
                .map(|what| (what, "1".to_owned())),
            host: host.iter().map(|&line| line.to_owned()).collect(),
            items: items.collect(),
        }
    }

    fn said(old: &Outline, new: &Outline) -> Vec<String> {
        between(old, new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_change_is_one_line() {
        let old = outline(&[("a", b"1"), ("b", b"2"), ("c", b"3")], &["IOMMU on"]);
        assert_eq!(said(&old, &old), [] as [&str; 0]);

        let mut new = outline(&[("a", b"1"), ("c", b"33"), ("d", b"4")], &["module `vfio`"]);
        new.facts[2].1 = "2".to_owned();
        new.items[0].1.mode = ItemMode::Executable;
        new.items[0].1.image = Some(Digest::of(b"1"));
        assert_eq!(
            said(&old, &new),
            [
                "~ sequence: 1 → 2",
                "- b: 1 B (d4735e3a265e)",
                "~ a: mode 0644 → 0755",
                "~ a: image digest none → 6b86b273ff34",
                "~ c: 1 B (4e07408562be) → 2 B (c6f3ac57944a)",
                "+ d: 1 B (4b227777d4dd)",
                "- host: IOMMU on",
                "+ host: module `vfio`",
            ]
        );
    }

    #[test]
    fn another_order_is_a_change() {
        let old = outline(&[("a", b"1"), ("b", b"2"), ("c", b"3")], &[]);
        let new = outline(&[("x", b"0"), ("b", b"2"), ("a", b"1")], &[]);
        assert!(said(&old, &new).contains(&"~ the items come in another order".to_owned()));
    }
}
