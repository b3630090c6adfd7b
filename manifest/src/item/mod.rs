//! The members of a payload, with their kinds and origins.
//!
//! All metadata of an item is in the item. [`Kind`] has one variant, and this folder one file, for
//! each kind of record.

mod base;
pub mod driver;
pub mod headers;
pub mod image;
mod kind;
mod origin;
pub mod package;
#[cfg(test)]
mod tests;
pub mod unlock;

use serde::{Deserialize, Serialize};

pub use self::base::{Base, Expected, Holding};
pub use self::kind::{CatalogRecord, Kind, PoliciesRecord, Tree};
pub use self::origin::Origin;
use crate::limits::MAX_ITEM;
use crate::types::object::{object, some_object};
use crate::{CHUNK, Digest, ItemId, ItemName, tree_digest};

/// One member of the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "ItemFields", try_from = "ItemFields")]
pub struct Item(ItemFields);

/// The fields of an [`Item`], not yet checked against each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ItemFields {
    /// Its name.
    pub name: ItemName,
    /// Its length in bytes.
    pub size: u64,
    /// The permission bits.
    pub mode: ItemMode,
    /// The SHA-256 of the whole item, as `sha256sum` prints it.
    pub sha256: Digest,
    /// The SHA-256 digests of its chunks of [`CHUNK`] bytes, if it is larger than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<Digest>,
    /// The kind.
    #[serde(default, skip_serializing_if = "Kind::is_plain")]
    pub kind: Kind,
    /// The bundle that has its payload, if this one leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub base: Option<Base>,
    /// The origin.
    #[serde(deserialize_with = "object")]
    pub origin: Origin,
}

/// The permission bits of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ItemMode {
    /// 0644.
    #[serde(rename = "0644")]
    Plain,
    /// 0755.
    #[serde(rename = "0755")]
    Executable,
}

impl ItemMode {
    /// Returns the bits as a number.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
        }
    }
}

impl Item {
    /// Returns an item, if its fields are consistent.
    pub fn new(fields: ItemFields) -> Result<Self, ItemError> {
        let error = |why| ItemError { name: fields.name.clone(), why };
        if fields.size > MAX_ITEM {
            return Err(error(ItemFault::TooLarge { size: fields.size }));
        }
        let expected = if fields.size > CHUNK { fields.size.div_ceil(CHUNK) } else { 0 };
        let actual = fields.chunks.len();
        if actual as u64 != expected {
            return Err(error(ItemFault::Chunks { size: fields.size, expected, actual }));
        }
        if fields.kind.tree().is_some_and(|tree| tree.window_log > 27) {
            return Err(error(ItemFault::Window));
        }
        if fields.origin.address().is_some_and(|url| url.chars().any(char::is_control)) {
            return Err(error(ItemFault::Address));
        }
        Ok(Self(fields))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ItemName {
        &self.0.name
    }

    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The permission bits.
    #[must_use]
    pub fn mode(&self) -> ItemMode {
        self.0.mode
    }

    /// Returns the SHA-256 of the whole item. For a large item, only `verify --deep` checks it.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        self.0.sha256
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The origin.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// Returns the bundle that has its payload; `None` if the payload is in this one.
    #[must_use]
    pub fn base(&self) -> Option<&Base> {
        self.0.base.as_ref()
    }

    /// Checks whether its payload is in the bundle.
    #[must_use]
    pub fn is_carried(&self) -> bool {
        self.0.base.is_none()
    }

    /// Leaves its payload to another bundle.
    pub(crate) fn leave_to(&mut self, base: Base) {
        self.0.base = Some(base);
    }

    /// Returns the identity of its content: the digest that every read checks.
    #[must_use]
    pub fn id(&self) -> ItemId {
        if self.0.chunks.is_empty() {
            ItemId::Whole(self.0.sha256)
        } else {
            ItemId::Tree(tree_digest(self.0.size, &self.0.chunks))
        }
    }

    /// Returns its chunks, in order. A small or empty item is one chunk.
    #[must_use]
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = Chunk> + '_ {
        let digests = if self.0.chunks.is_empty() {
            std::slice::from_ref(&self.0.sha256)
        } else {
            &self.0.chunks
        };
        digests.iter().enumerate().map(|(i, &digest)| {
            let offset = i as u64 * CHUNK;
            Chunk { offset, len: (self.0.size - offset).min(CHUNK), digest }
        })
    }
}

/// A piece of an item with its own digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// The offset in the item, in bytes.
    pub offset: u64,
    /// Its length in bytes, at most [`CHUNK`].
    pub len: u64,
    /// Its SHA-256.
    pub digest: Digest,
}

impl TryFrom<ItemFields> for Item {
    type Error = ItemError;

    fn try_from(fields: ItemFields) -> Result<Self, Self::Error> {
        Self::new(fields)
    }
}

impl From<Item> for ItemFields {
    fn from(item: Item) -> Self {
        item.0
    }
}

/// The fields of an item contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("item `{name}`: {why}")]
pub struct ItemError {
    name: ItemName,
    why: ItemFault,
}

/// The contradiction in an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum ItemFault {
    #[error("{size} bytes exceed the limit of a member ({MAX_ITEM}); split the file")]
    TooLarge { size: u64 },
    #[error("{size} bytes need {expected} chunk digests, but {actual} are given")]
    Chunks { size: u64, expected: u64, actual: usize },
    #[error("its window is larger than 2^27 bytes")]
    Window,
    #[error("its address has control characters")]
    Address,
}
