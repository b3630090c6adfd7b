//! Split bundles: each fault of a part has its own message.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::{CHUNK, PartSize};

use crate::manifest::container::fixture::{Fixture, noise};

/// Returns a bundle of three parts of 8 MiB and a smaller one, each with unique chunks.
fn split(seed: u64) -> (Fixture, Utf8PathBuf) {
    let fixture = Fixture::new();
    let size = usize::try_from(CHUNK).unwrap();
    let items = vec![
        fixture.item("first", &noise(seed, 1000)),
        fixture.item("large", &noise(seed + 1, 5 * size + 3)),
        fixture.item("last", &noise(seed + 2, 2 * size + 100_000)),
    ];
    let path = fixture.write(items, PartSize::new(2 * CHUNK));
    (fixture, path)
}

fn part(first: &Utf8Path, number: usize) -> Utf8PathBuf {
    first.as_str().replace(".001", &format!(".{number:03}")).into()
}

/// Returns the error for the bundle at `path`, with its causes.
fn complaint(fixture: &Fixture, path: &Utf8Path) -> String {
    match fixture.verify(path) {
        Ok(bundle) => bundle.check(&|_| {}).map_or_else(|e| e.to_string(), |()| String::new()),
        Err(error) => error.to_string(),
    }
}

fn check(fixture: &Fixture, path: &Utf8Path, expected: &[&str]) {
    let said = complaint(fixture, path);
    for words in expected {
        assert!(said.contains(words), "expected `{words}` in `{said}`");
    }
}

#[test]
fn the_parts_joined_are_the_bundle() {
    let (fixture, first) = split(1);
    let joined: Vec<u8> = (1..=4).flat_map(|n| fs::read(part(&first, n)).unwrap()).collect();
    assert!(!part(&first, 5).exists());
    let whole = fixture.path("joined.vgpu.tar");
    fs::write(&whole, joined).unwrap();
    assert_eq!(complaint(&fixture, &first), "");
    assert_eq!(complaint(&fixture, &whole), "");
}

#[test]
fn a_copy_is_the_whole_archive_however_it_was_split() {
    let (fixture, first) = split(1);
    let joined: Vec<u8> = (1..=4).flat_map(|n| fs::read(part(&first, n)).unwrap()).collect();
    let told = std::sync::atomic::AtomicU64::new(0);
    let progress = |bytes| {
        told.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    };
    let bundle = fixture.verify(&first).unwrap();
    let mut copy = Vec::new();
    bundle.copy_archive(&mut copy, &progress).unwrap();
    assert!(copy == joined);
    assert_eq!(told.into_inner(), bundle.total());

    // Bytes that change after verification are not copied.
    let damage = |number: usize, at: u64| {
        use std::os::unix::fs::FileExt as _;
        let (fixture, first) = split(1);
        let bundle = fixture.verify(&first).unwrap();
        let file = fs::File::options().write(true).open(part(&first, number)).unwrap();
        file.write_all_at(b"!", at).unwrap();
        let mut copy = Vec::new();
        bundle.copy_archive(&mut copy, &|_| {}).unwrap_err().to_string()
    };
    // The manifest of so few items begins after two headers, the signatures and one block of
    // digests.
    assert!(damage(1, 3 * 512 + 4096 + 512).contains("has changed since"));
    assert!(damage(3, 5).contains("item `large` is damaged"));
}

#[test]
fn a_missing_part_is_named() {
    for number in 2..=4 {
        let (fixture, first) = split(1);
        fs::remove_file(part(&first, number)).unwrap();
        check(&fixture, &first, &["missing", &format!(".{number:03}`")]);
    }
}

#[test]
fn a_short_or_long_part_is_named() {
    for number in 1..=4 {
        let (fixture, first) = split(1);
        let path = part(&first, number);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1000]).unwrap();
        check(&fixture, &first, &["truncated", &format!(".{number:03}`")]);
    }
    let (fixture, first) = split(1);
    fs::write(part(&first, 4), [fs::read(part(&first, 4)).unwrap(), vec![0]].concat()).unwrap();
    check(&fixture, &first, &[".004`", "more bytes than"]);
}

#[test]
fn swapped_parts_are_named() {
    let (fixture, first) = split(1);
    let [a, b, c] = [part(&first, 2), part(&first, 3), fixture.path("c")];
    fs::rename(&a, &c).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&c, &b).unwrap();
    check(&fixture, &first, &["has the content of", ".002`", ".003`"]);
}

#[test]
fn a_part_of_another_bundle_is_named() {
    let (fixture, first) = split(1);
    let (_other, foreign) = split(100);
    fs::copy(part(&foreign, 3), part(&first, 3)).unwrap();
    check(&fixture, &first, &[".003` belongs to another bundle"]);
}

#[test]
fn a_damaged_part_is_named_and_not_called_foreign() {
    let (fixture, first) = split(1);
    let path = part(&first, 3);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    fs::write(&path, bytes).unwrap();
    check(&fixture, &first, &["damaged", ".003`; copy it again"]);
}

#[test]
fn a_surplus_part_and_a_later_part_are_named() {
    let (fixture, first) = split(1);
    check(&fixture, &part(&first, 2), &["later part", ".001`"]);
    fs::write(part(&first, 5), b"x").unwrap();
    check(&fixture, &first, &[".005`", "does not belong"]);
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let fixture = Fixture::new();
    let folder = fixture.path("folder");
    fs::create_dir(&folder).unwrap();
    check(&fixture, &folder, &["not a regular file"]);
    check(&fixture, Utf8Path::new("/dev/null"), &["not a regular file"]);
    check(&fixture, &fixture.path("nothing"), &["cannot open"]);
}
