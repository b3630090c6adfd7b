//! Every byte of a bundle is protected.

use std::fs;
use std::os::unix::fs::FileExt;

use crate::manifest::container::fixture::Fixture;

/// Returns a bundle of a few KiB, with one used and seven empty slots, an empty item and padding.
fn small() -> (Fixture, camino::Utf8PathBuf, Vec<u8>) {
    let fixture = Fixture::new();
    let items = vec![
        fixture.item("a/one.conf", b"hello\n"),
        fixture.item("empty", b""),
        fixture.item("two", &[0; 513]),
    ];
    let path = fixture.write(items, None);
    let bytes = fs::read(&path).unwrap();
    assert!(fixture.accepts(&path));
    (fixture, path, bytes)
}

#[test]
fn a_bundle_with_any_one_byte_changed_is_refused() {
    let (fixture, path, bytes) = small();
    let file = fs::File::options().write(true).open(&path).unwrap();
    for (i, &byte) in bytes.iter().enumerate() {
        for wrong in [byte ^ 1, byte ^ 0x80, !byte] {
            file.write_all_at(&[wrong], i as u64).unwrap();
            assert!(!fixture.accepts(&path), "byte {i} changed from {byte} to {wrong}");
        }
        file.write_all_at(&[byte], i as u64).unwrap();
    }
    assert!(fixture.accepts(&path));
}

#[test]
fn a_bundle_with_any_one_byte_removed_is_refused() {
    let (fixture, path, bytes) = small();
    for i in 0..bytes.len() {
        fs::write(&path, [&bytes[..i], &bytes[i + 1..]].concat()).unwrap();
        assert!(!fixture.accepts(&path), "byte {i} removed");
    }
}

#[test]
fn a_bundle_with_any_one_byte_added_is_refused() {
    let (fixture, path, bytes) = small();
    for i in 0..=bytes.len() {
        for extra in [0, b'\n', b'0'] {
            fs::write(&path, [&bytes[..i], &[extra], &bytes[i..]].concat()).unwrap();
            assert!(!fixture.accepts(&path), "byte {extra} added at {i}");
        }
    }
}

#[test]
fn a_bundle_cut_anywhere_is_refused() {
    let (fixture, path, bytes) = small();
    let file = fs::File::options().write(true).open(&path).unwrap();
    for len in (0..bytes.len()).rev() {
        file.set_len(len as u64).unwrap();
        assert!(!fixture.accepts(&path), "cut to {len} bytes");
    }
}
