use serde::{Deserialize, Serialize};
use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemFields, ItemMode, ItemName, Kind};

use crate::recipe::Entry;
use crate::types::{Build, Expected, Origin, Pin};

/// A resolved table of packages. Its items are the packages for its release and the signed files of
/// their archives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LockedApt {
    /// The Debian release that the packages are for.
    pub(crate) release: ArchiveName,
    /// The digest of the request: the table, and the packages of the node.
    pub(crate) asked: Digest,
}

/// A pinned item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LockedItem {
    pub(crate) name: ItemName,
    /// The length in bytes.
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
    pub(crate) mode: ItemMode,
    #[serde(default, skip_serializing_if = "Kind::is_plain")]
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
    /// How the bundler made it, if it did. The manifest omits this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) build: Option<Build>,
}

impl LockedItem {
    /// Returns the pinned item of `entry`.
    pub(crate) fn new(entry: Entry, pin: Pin, build: Option<Build>) -> Self {
        let (Entry { name, mode, origin, .. }, Pin { size, sha256, kind }) = (entry, pin);
        Self { name, size, sha256, mode, kind, origin, build }
    }

    /// Returns the digest of its bytes, and its record.
    pub(crate) fn pin(&self) -> Pin {
        Pin { size: self.size, sha256: self.sha256, kind: self.kind.clone() }
    }

    /// Returns the expected bytes of a locked item.
    pub(crate) fn expected(&self) -> Expected<'_> {
        let Self { name, size, sha256, .. } = self;
        Expected { name, sha256: Some(*sha256), size: Some(*size), cap: ByteSize::new(*size) }
    }

    /// Returns the item of a manifest, with the digests of its chunks.
    pub(crate) fn described(&self, chunks: Vec<Digest>) -> ItemFields {
        ItemFields {
            name: self.name.clone(),
            size: self.size,
            mode: self.mode,
            sha256: self.sha256,
            chunks,
            kind: self.kind.clone(),
            base: None,
            origin: self.origin.for_manifest(),
        }
    }
}
