use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use vgpu_manifest::{CHUNK, Digest, Hasher, Item, ItemId, tree_digest};

/// The identity and size of a file's bytes.
///
/// Files on the host, items in the store and copies in the undo store use the same kind of identity
/// as a bundle's items, so that they can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Content {
    /// The digest.
    pub id: ItemId,
    /// The size in bytes.
    pub size: u64,
}

impl From<&Item> for Content {
    fn from(item: &Item) -> Self {
        Self { id: item.id(), size: item.size() }
    }
}

impl Content {
    /// Returns the content of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = ContentHasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the content of what `reader` yields, read in pieces of at most 256 KiB.
    pub fn of_reader(mut reader: impl Read) -> io::Result<Self> {
        let mut hasher = ContentHasher::default();
        copy_pieces(&mut reader, |piece| {
            hasher.update(piece);
            Ok(())
        })?;
        Ok(hasher.finish())
    }
}

/// The largest piece in which contents are read and written.
pub(super) const PIECE: usize = 256 << 10;

/// Passes everything that `reader` yields to `each`, in pieces of at most [`PIECE`] bytes.
pub(super) fn copy_pieces(
    reader: &mut impl Read,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => each(&buffer[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Computes a [`Content`] piece by piece.
#[derive(Debug, Default)]
pub(crate) struct ContentHasher {
    size: u64,
    chunks: Vec<Digest>,
    chunk: Hasher,
    filled: u64,
}

impl ContentHasher {
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.filled == CHUNK {
                self.chunks.push(std::mem::take(&mut self.chunk).finish());
                self.filled = 0;
            }
            let room = usize::try_from(CHUNK - self.filled).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.chunk.update(now);
            self.filled += now.len() as u64;
            bytes = later;
        }
    }

    /// Returns the content of all bytes.
    pub(crate) fn finish(mut self) -> Content {
        let last = self.chunk.finish();
        let id = if self.chunks.is_empty() {
            ItemId::Whole(last)
        } else {
            self.chunks.push(last);
            ItemId::Tree(tree_digest(self.size, &self.chunks))
        };
        Content { id, size: self.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_identity_that_items_of_a_bundle_have() {
        let chunk = usize::try_from(CHUNK).unwrap();
        let bytes: Vec<u8> = (0..=chunk * 2).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let digest = |range: std::ops::Range<usize>| Digest::of(&bytes[range]);

        assert_eq!(Content::of(b"").id, ItemId::Whole(Digest::of(b"")));
        assert_eq!(Content::of(&bytes[..chunk]).id, ItemId::Whole(digest(0..chunk)));
        let one_more = tree_digest(CHUNK + 1, &[digest(0..chunk), digest(chunk..chunk + 1)]);
        assert_eq!(Content::of(&bytes[..=chunk]).id, ItemId::Tree(one_more));
        let exactly_two = tree_digest(2 * CHUNK, &[digest(0..chunk), digest(chunk..2 * chunk)]);
        assert_eq!(Content::of(&bytes[..2 * chunk]).id, ItemId::Tree(exactly_two));
        assert_eq!(Content::of_reader(&bytes[..]).unwrap(), Content::of(&bytes));
    }
}
