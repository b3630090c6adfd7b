//! The largest of everything that a bundle may have, and why.
//!
//! A reader must allocate before it can trust. So whatever is read before the signature has been
//! checked has a limit here, and what is read afterwards is bounded by signed sizes.

use crate::header::MAX_SIZE;

/// The largest manifest, in bytes. It is held in memory; a full one describes over 200 GiB.
pub const MAX_MANIFEST: u64 = 4 << 20;

/// The largest list of digests, in bytes: [`MAX_ITEMS`] lines of the longest kind fit.
pub const MAX_SUMS: u64 = 1 << 20;

/// The most items in one bundle. A large closure of packages has some hundreds.
pub const MAX_ITEMS: usize = 4096;

/// The largest item, in bytes: one byte less than 8 GiB, which is what a ustar header can say.
pub const MAX_ITEM: u64 = MAX_SIZE;

/// The largest bundle, in bytes: 1 TiB, far above what the limits on manifest and items allow in
/// practice. It keeps every sum of sizes away from the end of `u64`.
pub const MAX_BUNDLE: u64 = 1 << 40;

/// The most parts that a bundle may be split into: their numbers have three digits.
pub const MAX_PARTS: usize = 999;
