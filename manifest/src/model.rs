use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::driver::DriverRecord;
use crate::headers::HeadersRecord;
use crate::image::ImageRecord;
use crate::limits::{MAX_CATALOG, MAX_ITEM, MAX_ITEMS};
use crate::origin::Origin;
use crate::package::{ArchiveName, ArchiveRecord, PackageRecord};
use crate::printable;
use crate::types::object::{object, objects, some_object};
use crate::types::{NameCollision, check_distinct};
use crate::unlock::UnlockRecord;
use crate::verdict::Purpose;
use vgpu_keys::Channel;

use crate::{BundleName, CHUNK, Digest, ItemId, ItemName, ProgramVersion, Wants, tree_digest};

/// The version of the format that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// All that is known about a bundle's payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format: [`FORMAT`].
    pub format: u32,
    /// The oldest of our programs that can read this manifest.
    pub needs: ProgramVersion,
    /// The program that made the bundle.
    pub made_by: ProgramVersion,
    /// The bundle's name.
    pub name: BundleName,
    /// The line of bundles that it belongs to.
    pub channel: Channel,
    /// Its place in that line; a later bundle has a higher one.
    pub sequence: u64,
    /// When its lock was made, in seconds since 1970. It dates the members of the archive and
    /// decides nothing.
    pub created: u64,
    /// What it asks of a host.
    #[serde(default, deserialize_with = "object")]
    pub wants: Wants,
    /// The drivers among the items, and what is known of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub drivers: Vec<DriverRecord>,
    /// The packages of kernel headers among the items, and what is known of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub headers: Vec<HeadersRecord>,
    /// The archives that packages among the items came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub archives: Vec<ArchiveRecord>,
    /// The Debian packages among the items.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub packages: Vec<PackageRecord>,
    /// The unlock libraries among the items.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub unlock: Vec<UnlockRecord>,
    /// The container images among the items.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "objects")]
    pub images: Vec<ImageRecord>,
    /// The machines that it is made for, if somebody has declared them.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_object")]
    pub purpose: Option<Purpose>,
    /// The payload, in the order in which it is applied.
    #[serde(deserialize_with = "objects")]
    pub items: Vec<Item>,
}

/// One member of the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "ItemFields", try_from = "ItemFields")]
pub struct Item(ItemFields);

/// The fields of an [`Item`], not yet checked against each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ItemFields {
    /// Its name.
    pub name: ItemName,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it is a program.
    pub mode: ItemMode,
    /// The SHA-256 of the whole of it, as `sha256sum` prints it.
    pub sha256: Digest,
    /// The SHA-256s of its chunks of [`CHUNK`] bytes, if it is larger than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<Digest>,
    /// How its bytes are to be understood.
    #[serde(default, skip_serializing_if = "Content::is_plain", deserialize_with = "object")]
    pub content: Content,
    /// Where it came from.
    #[serde(deserialize_with = "object")]
    pub origin: Origin,
}

/// The permission bits of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemMode {
    /// 0644.
    #[serde(rename = "0644")]
    Plain,
    /// 0755.
    #[serde(rename = "0755")]
    Executable,
}

impl ItemMode {
    /// The bits as a number.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o644,
            Self::Executable => 0o755,
        }
    }
}

/// How the bytes of an item are to be understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", from = "ContentFields")]
pub enum Content {
    /// As they are.
    #[default]
    Plain,
    /// A tree of files, as a zstd-compressed tar archive that the bundler made.
    #[serde(rename_all = "kebab-case")]
    Tree {
        /// The length of the decompressed archive in bytes: the cap of whoever decodes it.
        unpacked: u64,
        /// The binary logarithm of the window that decoding needs, at most 27.
        window_log: u8,
    },
    /// The catalogue of GPUs, drivers and kernels, as a SQLite file: [`crate::catalog::sqlite`].
    Catalog,
}

/// [`Content`] as it is read. Serde denies unknown fields only where there are fields, if none.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum ContentFields {
    Plain {},
    #[serde(rename_all = "kebab-case")]
    Tree {
        unpacked: u64,
        window_log: u8,
    },
    Catalog {},
}

impl From<ContentFields> for Content {
    fn from(fields: ContentFields) -> Self {
        match fields {
            ContentFields::Plain {} => Self::Plain,
            ContentFields::Catalog {} => Self::Catalog,
            ContentFields::Tree { unpacked, window_log } => Self::Tree { unpacked, window_log },
        }
    }
}

impl Content {
    fn is_plain(&self) -> bool {
        *self == Self::Plain
    }
}

impl Item {
    /// An item, if its fields agree with each other.
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
        if matches!(fields.content, Content::Tree { window_log, .. } if window_log > 27) {
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

    /// Whether it is a program.
    #[must_use]
    pub fn mode(&self) -> ItemMode {
        self.0.mode
    }

    /// The SHA-256 of the whole of it. Only `verify --deep` checks this one for a large item.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        self.0.sha256
    }

    /// How its bytes are to be understood.
    #[must_use]
    pub fn content(&self) -> Content {
        self.0.content
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// What its bytes are, by the digest that every read checks.
    #[must_use]
    pub fn id(&self) -> ItemId {
        if self.0.chunks.is_empty() {
            ItemId::Whole(self.0.sha256)
        } else {
            ItemId::Tree(tree_digest(self.0.size, &self.0.chunks))
        }
    }

    /// Its chunks, in order. A small item is one chunk, an empty one too.
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

/// A piece of an item with a digest of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Where it begins in the item, in bytes.
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

/// What is wrong with an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum ItemFault {
    #[error("{size} bytes are more than a member can have ({MAX_ITEM}); split the file")]
    TooLarge { size: u64 },
    #[error("{size} bytes need {expected} chunk digests, but {actual} are given")]
    Chunks { size: u64, expected: u64, actual: usize },
    #[error("its window is larger than 2^27 bytes")]
    Window,
    #[error("its address has control characters")]
    Address,
}

/// Why a manifest, although signed, is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// It is not the JSON that we write.
    #[error("the manifest is malformed: {}", printable(&.0.to_string()))]
    Syntax(serde_json::Error),
    /// It is of another format.
    #[error(
        "the bundle has format {found}, but this program reads format {FORMAT}; use the program that came with the bundle"
    )]
    Format {
        /// The format that it says it has.
        found: u32,
    },
    /// This program is too old for it.
    #[error(
        "the bundle needs version {needs} of this program, which is version {have}; use the one that came with the bundle"
    )]
    TooOld {
        /// The oldest version that can read it.
        needs: ProgramVersion,
        /// Ours.
        have: ProgramVersion,
    },
    /// Two items cannot lie side by side.
    #[error(transparent)]
    Names(#[from] NameCollision),
    /// There are more items than we handle.
    #[error("{0} items are more than a bundle may have ({MAX_ITEMS})")]
    TooMany(usize),
    /// It asks for an item that it does not have.
    #[error("the manifest wants item `{0}` on the host, but has none of that name")]
    Missing(ItemName),
    /// It describes an item that it does not have.
    #[error("the manifest describes item `{0}`, but has none of that name")]
    NoSuchItem(ItemName),
    /// It describes an item twice.
    #[error("the manifest describes item `{0}` twice")]
    DescribedTwice(ItemName),
    /// It describes an archive twice.
    #[error("the manifest describes the archive `{0}` twice")]
    ArchiveTwice(ArchiveName),
    /// It has a package from an archive that it does not describe.
    #[error("the manifest has packages of an archive `{0}`, which it does not describe")]
    NoSuchArchive(ArchiveName),
    /// It has more than one catalogue, or one that nobody could read.
    #[error("item `{0}` is one catalogue too many, or too large for one")]
    Catalog(ItemName),
    /// Its date does not fit into a tar header.
    #[error("the date of the bundle, {0}, is too far in the future for an archive")]
    Created(u64),
}

/// What is read before anything else, from a manifest of any version.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Preamble {
    format: u32,
    needs: ProgramVersion,
}

impl Manifest {
    /// Read the bytes of a manifest: first only what says whether we can, then all of it, strictly.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let Preamble { format, needs } =
            serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
        if format != FORMAT {
            return Err(ManifestError::Format { found: format });
        }
        let have = ProgramVersion::current();
        if needs > have {
            return Err(ManifestError::TooOld { needs, have });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(ManifestError::Syntax)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The bytes that go into a bundle. Equal manifests give equal bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        let mut bytes = serde_json::to_vec_pretty(self).map_err(ManifestError::Syntax)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// The item of this name.
    #[must_use]
    pub fn item(&self, name: &ItemName) -> Option<&Item> {
        self.items.iter().find(|item| item.name() == name)
    }

    /// The item that is the catalogue.
    #[must_use]
    pub fn catalog(&self) -> Option<&Item> {
        self.items.iter().find(|item| item.content() == Content::Catalog)
    }

    fn check(&self) -> Result<(), ManifestError> {
        if self.items.len() > MAX_ITEMS {
            return Err(ManifestError::TooMany(self.items.len()));
        }
        if self.created > MAX_ITEM {
            return Err(ManifestError::Created(self.created));
        }
        check_distinct(self.items.iter().map(Item::name))?;
        self.check_records()?;
        self.check_catalog()?;
        match self.wants.items().find(|name| self.item(name).is_none()) {
            Some(missing) => Err(ManifestError::Missing(missing.clone())),
            None => Ok(()),
        }
    }

    /// There is at most one catalogue, of a size that can be read.
    fn check_catalog(&self) -> Result<(), ManifestError> {
        let is_catalog = |item: &&Item| item.content() == Content::Catalog;
        let mut all = self.items.iter().filter(is_catalog).enumerate();
        match all.find(|(at, item)| *at > 0 || item.size() > MAX_CATALOG) {
            Some((_, item)) => Err(ManifestError::Catalog(item.name().clone())),
            None => Ok(()),
        }
    }

    /// What is described is an item, and each is described once. A package of kernel headers is
    /// described as both.
    fn check_records(&self) -> Result<(), ManifestError> {
        let headers = self.headers.iter().map(|headers| &headers.item);
        let archives = self.archives.iter().flat_map(ArchiveRecord::items);
        let packages = self.packages.iter().map(|package| &package.item);
        let unlock = self.unlock.iter().flat_map(UnlockRecord::items);
        let images = self.images.iter().map(|image| &image.item);
        let others = archives.chain(packages).chain(unlock).chain(images);
        self.check_described(self.drivers.iter().flat_map(DriverRecord::items).chain(headers))?;
        self.check_described(self.drivers.iter().flat_map(DriverRecord::items).chain(others))?;
        let mut archives = BTreeSet::new();
        for ArchiveRecord { name, .. } in &self.archives {
            if !archives.insert(name) {
                return Err(ManifestError::ArchiveTwice(name.clone()));
            }
        }
        let mut names = self.packages.iter().map(|package| &package.archive);
        match names.find(|name| !archives.contains(name)) {
            Some(missing) => Err(ManifestError::NoSuchArchive(missing.clone())),
            None => Ok(()),
        }
    }

    fn check_described<'m>(
        &self,
        names: impl Iterator<Item = &'m ItemName>,
    ) -> Result<(), ManifestError> {
        let mut seen = BTreeSet::new();
        for name in names {
            if self.item(name).is_none() {
                return Err(ManifestError::NoSuchItem(name.clone()));
            }
            if !seen.insert(name) {
                return Err(ManifestError::DescribedTwice(name.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let contents =
            [Content::Plain, Content::Tree { unpacked: 1, window_log: 22 }, Content::Catalog];
        for content in contents {
            let json = serde_json::to_string(&content).unwrap();
            assert_eq!(serde_json::from_str::<Content>(&json).unwrap(), content);
            let more = json.replacen('{', "{\"more\":1,", 1);
            assert!(serde_json::from_str::<Content>(&more).is_err(), "{more}");
        }
        let url = "https://mirror.example/a".to_owned();
        let reference = "registry.example/dls:2.0.3".parse().unwrap();
        let image = Origin::Image { reference };
        for origin in [Origin::File, Origin::Folder, Origin::Url { url }, Origin::Bundler, image] {
            let json = serde_json::to_string(&origin).unwrap();
            assert_eq!(serde_json::from_str::<Origin>(&json).unwrap(), origin);
            let more = json.replacen('{', "{\"more\":1,", 1);
            assert!(serde_json::from_str::<Origin>(&more).is_err(), "{more}");
        }
    }
    #[test]
    fn what_an_error_quotes_is_escaped_once() {
        let head = r#"{"format":1,"needs":"0.1.0","name":"a\u001b[2J'b"}"#;
        let error = Manifest::parse(head.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(r"`a\u{1b}[2J\'b` is not"), "{error}");
        let error = Manifest::parse(br#"{"format":1,"needs":"0.1.0","o\u001bk":1}"#).unwrap_err();
        assert!(error.to_string().contains(r"unknown field `o\u{1b}k`"), "{error}");
    }
}
