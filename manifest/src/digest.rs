use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The size of a chunk, in bytes: 4 MiB.
///
/// An item up to this size is one chunk and is known by its SHA-256. A larger one is cut into
/// chunks of this size (the last may be shorter), which are hashed in parallel.
pub const CHUNK: u64 = 4 << 20;

/// A SHA-256 digest, written as 64 lower-case hex digits, as `sha256sum` does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// The 32 bytes themselves.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Add some bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes added.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// The tree digest of an item larger than one [`CHUNK`]: SHA-256 over its size, as eight bytes
/// with the most significant first, and then the SHA-256 of each of its chunks, in order.
#[must_use]
pub fn tree_digest(size: u64, chunks: &[Digest]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(&size.to_be_bytes());
    for chunk in chunks {
        hasher.update(&chunk.0);
    }
    hasher.finish()
}

/// What the bytes of an item are, by a digest that is checked on every read.
///
/// It is the key of the store. The two kinds never meet in one name, so a small item cannot be
/// crafted to pass as a large one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum ItemId {
    /// The SHA-256 of an item of at most one [`CHUNK`].
    Whole(Digest),
    /// The [`tree_digest`] of a larger item.
    Tree(Digest),
}

/// A string is not a digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{}` is not a digest: expected 64 lower-case hex digits{}", .text.escape_debug(), .prefix)]
pub struct ParseDigestError {
    text: String,
    prefix: &'static str,
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let error = || ParseDigestError { text: s.to_owned(), prefix: "" };
        let mut bytes = [0; 32];
        if s.len() != 64 {
            return Err(error());
        }
        for (byte, pair) in bytes.iter_mut().zip(s.as_bytes().chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(nibble);
            *byte = high.zip(low).map(|(h, l)| h << 4 | l).ok_or_else(error)?;
        }
        Ok(Self(bytes))
    }
}

/// The value of a lower-case hex digit.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        let mut text = Self::with_capacity(64);
        // Writing to a `String` cannot fail.
        let _ = write!(text, "{digest}");
        text
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseDigestError;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl FromStr for ItemId {
    type Err = ParseDigestError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let prefix = " after `sha256-` or `tree-`";
        let error = || ParseDigestError { text: s.to_owned(), prefix };
        match s.split_once('-') {
            Some(("sha256", hex)) => hex.parse().map(Self::Whole).map_err(|_| error()),
            Some(("tree", hex)) => hex.parse().map(Self::Tree).map_err(|_| error()),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(digest) => write!(f, "sha256-{digest}"),
            Self::Tree(digest) => write!(f, "tree-{digest}"),
        }
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<ItemId> for String {
    fn from(id: ItemId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ItemId {
    type Error = ParseDigestError;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn has_exactly_one_spelling() {
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(digest));
        let bad = ["", "00", &EMPTY[..63], &EMPTY.to_uppercase(), &format!("{EMPTY}0"), "é"];
        for s in bad.into_iter().chain([&*EMPTY.replace("e3", "+3"), &*EMPTY.replace("e3", "é")]) {
            assert!(s.parse::<Digest>().is_err(), "{s}");
        }
    }

    #[test]
    fn an_id_says_which_kind_of_digest_it_is() {
        for prefix in ["sha256-", "tree-"] {
            let text = format!("{prefix}{EMPTY}");
            assert_eq!(text.parse::<ItemId>().unwrap().to_string(), text);
        }
        for bad in [EMPTY, "sha256-", "tree-00", "sha512-00"] {
            assert!(bad.parse::<ItemId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_tree_digest_depends_on_size_order_and_content() {
        let [a, b] = [Digest::of(b"a"), Digest::of(b"b")];
        let trees = [
            tree_digest(2, &[a, b]),
            tree_digest(2, &[b, a]),
            tree_digest(3, &[a, b]),
            tree_digest(2, &[a]),
        ];
        for (i, tree) in trees.iter().enumerate() {
            assert!(!trees[i + 1..].contains(tree));
        }
        // What `printf '\0\0\0\0\0\0\0\2' | cat - a.sha b.sha | sha256sum` yields.
        assert_eq!(
            tree_digest(2, &[]).to_string(),
            Digest::of(&[0, 0, 0, 0, 0, 0, 0, 2]).to_string()
        );
    }
}
