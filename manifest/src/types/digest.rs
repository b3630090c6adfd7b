use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{ParseTextError, serde_as_text};

/// The size of a chunk, in bytes: 4 MiB.
///
/// An item up to this size is one chunk, with its SHA-256 as its id. A larger one is split into
/// chunks of this size (the last may be shorter), which are hashed in parallel.
pub const CHUNK: u64 = 4 << 20;

/// A SHA-256 digest, written as 64 lower-case hex digits, as `sha256sum` does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[0-9a-f]{64}$"))
)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Computes a [`Digest`] piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all added bytes.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Returns the tree digest of an item larger than one [`CHUNK`]: SHA-256 over its size, as eight bytes
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

/// The id of an item's content: a digest that is checked on every read.
///
/// It is the key of the store. The text form names the kind, so a small item cannot be crafted to
/// pass as a large one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^(sha256|tree)-[0-9a-f]{64}$"))
)]
pub enum ItemId {
    /// The SHA-256 of an item of at most one [`CHUNK`].
    Whole(Digest),
    /// The [`tree_digest`] of a larger item.
    Tree(Digest),
}

impl FromStr for Digest {
    type Err = ParseTextError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let error = || ParseTextError::new(s, "a digest", "64 lower-case hex digits");
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

serde_as_text!(Digest);

impl FromStr for ItemId {
    type Err = ParseTextError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let rule = "64 lower-case hex digits after `sha256-` or `tree-`";
        let error = || ParseTextError::new(s, "a digest", rule);
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

serde_as_text!(ItemId);

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
