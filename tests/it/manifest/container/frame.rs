//! Round trips; refused signers and refused items.

use std::fs;
use std::sync::Mutex;
use std::{collections::BTreeMap, io};

use vgpu_keys::{KeyFile, Signer};
use vgpu_manifest::{CHUNK, Item, PIECE, ReadError, Sink, VerifyError, WriteError};

use crate::manifest::container::fixture::{Fixture, manifest, noise, policy};

/// A collector of items in memory.
#[derive(Default)]
struct Memory {
    bytes: Mutex<BTreeMap<String, Vec<u8>>>,
    complete: Mutex<Vec<String>>,
}

impl Sink for Memory {
    fn piece(&self, item: &Item, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(bytes.len() <= PIECE);
        let mut all = self.bytes.lock().unwrap();
        let content = all.entry(item.name().to_string()).or_default();
        content.resize(usize::try_from(item.size()).unwrap(), 0);
        let at = usize::try_from(offset).unwrap();
        content[at..at + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn complete(&self, item: &Item) -> io::Result<()> {
        self.complete.lock().unwrap().push(item.name().to_string());
        Ok(())
    }
}

#[test]
fn every_item_is_handed_out_once_and_whole() {
    let fixture = Fixture::new();
    let chunk = usize::try_from(CHUNK).unwrap();
    let sizes = [0, 1, PIECE, PIECE + 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 5];
    let contents: Vec<(String, Vec<u8>)> =
        sizes.iter().map(|&size| (format!("item-{size}"), noise(size as u64, size))).collect();
    let items = contents.iter().map(|(name, bytes)| fixture.item(name, bytes)).collect();
    let bundle = fixture.verify(&fixture.write(items, None)).unwrap();

    let memory = Memory::default();
    bundle.stage(|_| true, &memory, &|_| {}).unwrap();
    let mut complete = memory.complete.into_inner().unwrap();
    complete.sort();
    let mut names: Vec<_> = contents.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    assert_eq!(complete, names);
    let staged = memory.bytes.into_inner().unwrap();
    for (name, bytes) in contents.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        assert!(staged[name] == *bytes, "{name}");
        let mut copy = Vec::new();
        let item = bundle.manifest().item(&name.parse().unwrap()).unwrap();
        bundle.copy_item(item, &mut copy).unwrap();
        assert!(copy == *bytes, "{name}");
    }
    bundle.check_deep(&|_| {}).unwrap();
}

#[test]
fn damage_is_named_by_item_and_offset_and_nothing_of_the_chunk_gets_out() {
    let fixture = Fixture::new();
    let chunk = usize::try_from(CHUNK).unwrap();
    let items = vec![fixture.item("small", b"x"), fixture.item("large", &noise(1, 3 * chunk))];
    let path = fixture.write(items, None);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[end - 1024 - chunk - 1] ^= 1; // the last byte of the second of three chunks
    fs::write(&path, bytes).unwrap();

    let bundle = fixture.verify(&path).unwrap();
    let error = bundle.check(&|_| {}).unwrap_err();
    let ReadError::Damaged(damage) = &error else { panic!("{error:?}") };
    assert_eq!((damage.item.as_str(), damage.offset, damage.len), ("large", CHUNK, CHUNK));
    assert!(error.to_string().contains("(bytes 4194304–"), "{error}");

    let memory = Memory::default();
    assert!(bundle.stage(|_| true, &memory, &|_| {}).is_err());
    let staged = memory.bytes.into_inner().unwrap();
    if let Some(large) = staged.get("large") {
        assert!(large[chunk..2 * chunk].iter().all(|&byte| byte == 0));
    }
    assert!(!memory.complete.into_inner().unwrap().contains(&"large".to_owned()));
}

#[test]
fn a_second_signature_is_added_in_place_and_counts() {
    let fixture = Fixture::new();
    let bob = KeyFile::generate("bob").unwrap();
    let keys = [fixture.key.public_key().to_string(), bob.public_key().to_string()];
    let both = policy(2, &[("alice", keys[0].clone()), ("bob", keys[1].clone())]);
    let path = fixture.write(vec![fixture.item("a", b"a")], None);
    let before = fs::read(&path).unwrap();

    let error = Fixture::open(&path).unwrap().verify(&both).unwrap_err();
    assert!(matches!(error, VerifyError::Distrusted(_)), "{error:?}");
    let bundle = fixture.verify(&path).unwrap();
    assert_eq!(bundle.cosign(&bob).unwrap(), 2);
    assert!(bundle.cosign(&bob).is_err(), "the same key twice");
    assert_eq!(Fixture::open(&path).unwrap().verify(&both).unwrap().trusted().principals.len(), 2);

    let after = fs::read(&path).unwrap();
    let changed: Vec<_> = (0..before.len()).filter(|&i| before[i] != after[i]).collect();
    assert!(changed.iter().all(|i| (1024..1536).contains(i)), "{changed:?}");
}

#[test]
fn cosigning_refuses_a_file_that_was_put_in_place_of_the_verified_one() {
    let fixture = Fixture::new();
    let path = fixture.write(vec![fixture.item("a", b"a")], None);
    let bundle = fixture.verify(&path).unwrap();
    let other = fixture.path("other");
    fs::copy(&path, &other).unwrap();
    fs::rename(&other, &path).unwrap();
    let bob = KeyFile::generate("bob").unwrap();
    assert!(bundle.cosign(&bob).unwrap_err().to_string().contains("verify it again"));
}

#[test]
fn a_source_that_has_changed_is_not_packed_and_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let item = fixture.item("a", b"before");
    fs::write(fixture.path("source-a"), b"after!").unwrap();
    let path = fixture.path("b.vgpu.tar");
    let error = fixture.write_to(&path, &manifest(vec![item]), None).unwrap_err();
    assert!(matches!(error, WriteError::Changed { .. }), "{error:?}");
    assert!(!path.exists() && !fixture.path("b.vgpu.tar.partial").exists());
}

#[test]
fn names_that_collide_are_not_packed() {
    let fixture = Fixture::new();
    for names in [["a", "a"], ["a/B", "A/b"], ["a", "a/b"]] {
        let items = names.map(|name| fixture.item(name, b"x")).to_vec();
        let error = fixture.write_to(&fixture.path("b"), &manifest(items), None).unwrap_err();
        assert!(error.to_string().contains("collide"), "{error}");
    }
}

#[test]
fn the_same_manifest_gives_the_same_bytes() {
    let fixture = Fixture::new();
    let items = vec![fixture.item("a", b"a"), fixture.item("b", &noise(7, 9_000_000))];
    let path = fixture.write(items.clone(), None);
    let first = fs::read(&path).unwrap();
    fixture.write(items, None);
    assert!(first == fs::read(&path).unwrap());
}
