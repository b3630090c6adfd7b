//! Sizes around the limits at which other formats fail, on sparse files.
//!
//! Hashing tens of gigabytes is slow, so all but one need the feature `slow`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use vgpu_keys::Signer;
use vgpu_manifest::{
    CHUNK, Digest, Item, ItemFields, ItemMode, Kind, Origin, Source, Target, limits, write_bundle,
};

use crate::manifest::container::fixture::{Fixture, manifest};

/// Describes an item of `size` zeros with a different last byte, without writing it.
fn zeros(name: &str, size: u64) -> Result<Item, vgpu_manifest::ItemError> {
    let chunk = usize::try_from(CHUNK).unwrap();
    let full = Digest::of(&vec![0; chunk]);
    let tail = usize::try_from(size % CHUNK).unwrap();
    let mut chunks = vec![full; usize::try_from(size / CHUNK).unwrap()];
    if tail > 0 {
        chunks.push(Digest::of(&vec![0; tail]));
    }
    Item::new(ItemFields {
        name: name.parse().unwrap(),
        size,
        mode: ItemMode::Plain,
        // Only `--deep` checks it, which would be another pass over gigabytes of zeros.
        sha256: Digest::of(b""),
        chunks,
        kind: Kind::Plain,
        base: None,
        origin: Origin::File,
    })
}

/// A source of files of zeros of any size, without allocated blocks.
struct Sparse(Fixture);

impl Source for Sparse {
    fn open(&self, item: &Item) -> io::Result<File> {
        let path = self.0.path(&format!("sparse-{}", item.size()));
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.set_len(item.size())?;
        Ok(file)
    }
}

/// Packs items of these sizes, verifies them, and checks that the last byte of each matters.
///
/// The writer leaves holes for zeros, so this takes no disk space.
fn check(sizes: &[u64]) {
    let sparse = Sparse(Fixture::new());
    let items = sizes.iter().map(|&size| zeros(&format!("item-{size}"), size).unwrap()).collect();
    let path = sparse.0.path("sparse.vgpu.tar");
    let signers: [&dyn Signer; 1] = [&sparse.0.key];
    let target = Target { path: &path, split: None };
    write_bundle(&manifest(items), &sparse, &signers, target, &|_| {}).unwrap();

    let bundle = sparse.0.verify(&path).unwrap();
    let size = sizes.last().unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let padding = (512 - size % 512) % 512;
    file.write_all_at(&[1], bundle.total() - 1024 - padding - 1).unwrap();
    // The first damage is reported, so everything before the last chunk has matched.
    let error = bundle.check(&|_| {}).unwrap_err().to_string();
    let offset = (size - 1) / CHUNK * CHUNK;
    assert!(error.contains(&format!("`item-{size}`")), "{error}");
    assert!(error.contains(&format!("(bytes {offset}–")), "{error}");
}

#[test]
fn just_above_two_gib() {
    check(&[(1 << 31) + 1]);
}

#[cfg(feature = "slow")]
#[test]
fn around_two_gib() {
    check(&[(1 << 31) - 1, 1 << 31, (1 << 31) + 1]);
}

#[cfg(feature = "slow")]
#[test]
fn around_four_gib() {
    check(&[(1 << 32) - 1, 1 << 32, (1 << 32) + 1]);
}

#[cfg(feature = "slow")]
#[test]
fn up_to_the_largest_member() {
    check(&[limits::MAX_ITEM]);
}

#[test]
fn no_further_than_a_header_can_say() {
    assert_eq!(limits::MAX_ITEM, (8 << 30) - 1);
    assert!(zeros("large", limits::MAX_ITEM).is_ok());
    let error = zeros("large", limits::MAX_ITEM + 1).unwrap_err();
    assert!(error.to_string().contains("split the file"), "{error}");
}
