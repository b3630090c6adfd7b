//! Bundles that leave out the payload of items.

use std::fs;

use vgpu_manifest::{Base, CHUNK, Digest, Item, PartSize, ReadError};

use crate::manifest::container::fixture::{Fixture, manifest, noise};

fn base() -> Base {
    Base { name: "base".parse().unwrap(), sequence: 3, digest: Digest::of(b"base") }
}

/// Returns four items, of which the second and the third are to be left out.
fn items(fixture: &Fixture) -> Vec<Item> {
    let large = noise(1, usize::try_from(2 * CHUNK).unwrap() + 7);
    [("a", &b"first"[..]), ("b", &large), ("c", b""), ("d", &large[..5000])]
        .map(|(name, bytes)| fixture.item(name, bytes))
        .into()
}

fn is_left_out(item: &Item) -> bool {
    ["b", "c"].contains(&item.name().as_str())
}

#[test]
fn only_what_is_carried_is_in_the_archive_and_in_the_list() {
    let fixture = Fixture::new();
    let full = manifest(items(&fixture));
    let delta = full.clone().leave_out(|item| is_left_out(item).then(base));
    assert_eq!(
        (full.file_name(), delta.file_name()),
        ("test-1.vgpu.tar".into(), "test-1.delta.vgpu.tar".into())
    );
    assert_eq!(delta.carried_bytes(), 5005);
    let path = fixture.path("delta");
    fixture.write_to(&path, &delta, None).unwrap();
    let archive = fs::read(&path).unwrap();
    // Three own members, two items, and the end; the manifest is the largest of them.
    assert!(archive.len() < 24 << 10, "{}", archive.len());
    let list = String::from_utf8_lossy(&archive[5120..]);
    let names: Vec<_> = list.lines().take(3).map(|line| &line[66..]).collect();
    assert_eq!(names, ["MANIFEST.json", "a", "d"]);

    let bundle = fixture.verify(&path).unwrap();
    assert_eq!(bundle.manifest(), &delta);
    let read = std::sync::atomic::AtomicU64::new(0);
    let progress = |bytes| {
        read.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    };
    bundle.check_deep(&progress).unwrap();
    assert_eq!(read.into_inner(), 5005);
    let mut copy = Vec::new();
    bundle.copy_archive(&mut copy, &|_| {}).unwrap();
    assert!(copy == archive);
    let ids: Vec<_> = full.items.iter().map(Item::id).collect();
    assert_eq!(bundle.manifest().items.iter().map(Item::id).collect::<Vec<_>>(), ids);
}

#[test]
fn what_is_left_out_cannot_be_read_and_is_not_taken_for_read() {
    let fixture = Fixture::new();
    let delta = manifest(items(&fixture)).leave_out(|item| is_left_out(item).then(base));
    let path = fixture.path("delta");
    fixture.write_to(&path, &delta, None).unwrap();
    let bundle = fixture.verify(&path).unwrap();
    let error = bundle.copy_item(&delta.items[1], &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("item `b` is not in this bundle, but in bundle base 3 (digest {})", base().digest)
    );
    let error = bundle.check_whole(&|item| item.name().as_str() == "c", &|_| {}).unwrap_err();
    assert!(matches!(error, ReadError::LeftOut { .. }), "{error}");
    let mut bytes = Vec::new();
    bundle.copy_item(&delta.items[3], &mut bytes).unwrap();
    assert!(bytes == fs::read(fixture.path("source-d")).unwrap());
}

#[test]
fn a_delta_is_split_like_any_other_bundle() {
    let fixture = Fixture::new();
    let delta =
        manifest(items(&fixture)).leave_out(|item| (item.name().as_str() == "a").then(base));
    let path = fixture.path("delta");
    fixture.write_to(&path, &delta, PartSize::new(CHUNK)).unwrap();
    let first = format!("{path}.001");
    assert!(fixture.accepts(first.as_str().into()));
    fs::remove_file(format!("{path}.003")).unwrap();
    assert!(!fixture.accepts(first.as_str().into()));
}
