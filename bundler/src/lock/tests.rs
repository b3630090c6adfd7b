use camino::Utf8Path;
use vgpu_manifest::Tree;
use vgpu_manifest::catalog::Catalog;

use super::*;

fn recipe(text: &str) -> Recipe {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("bundle.toml");
    Recipe::of_text(&path, text).unwrap()
}

const TEXT: &str = "
    [bundle]
    name = 'node'
    channel = 'stable'
    [[file]]
    name = 'a'
    url = ['http://one.example/a?token=1', 'http://two.example/a']
    mode = '0755'
    [[tree]]
    name = 'b.tar.zst'
    path = 'b'
    [host]
    modules = ['vfio']
";

fn pin(bytes: &[u8]) -> Pin {
    Pin { size: bytes.len() as u64, sha256: Digest::of(bytes), kind: Kind::Plain }
}

fn lock(text: &str, a: &[u8], previous: Option<&Lock>, now: u64) -> Lock {
    let kind = Kind::Tree(Tree { unpacked: 10, window_log: 22 });
    let recipe = recipe(text);
    let pins = [pin(a), Pin { kind, ..pin(b"b") }];
    let items = recipe.entries.iter().zip(pins);
    let items = items.map(|(entry, pin)| LockedItem::new(entry.clone(), pin, None)).collect();
    let catalog = Extended { catalog: Catalog::embedded(), files: Vec::new() };
    Lock::new(&recipe, &catalog, items, (Vec::new(), Vec::new()), previous, now)
}

#[test]
fn a_lock_comes_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("bundle.lock");
    assert_eq!(Lock::read(&path).unwrap(), None);
    let lock = lock(TEXT, b"a", None, 1_700_000_000);
    lock.write(&path).unwrap();
    assert_eq!(Lock::read(&path).unwrap().as_ref(), Some(&lock));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(lock.file_name(), "node-1.vgpu.tar");

    let text = std::fs::read_to_string(&path).unwrap();
    for (old, new, word) in [
        ("version = 1", "version = 2", "has version 2"),
        ("sequence = 1", "sequence = -1", "line 8"),
        ("channel", "chanel", "unknown field"),
        ("mode = \"0755\"", "mode = \"4755\"", "unknown variant"),
    ] {
        assert!(text.contains(old), "{text}");
        std::fs::write(&path, text.replacen(old, new, 1)).unwrap();
        let error = Lock::read(&path).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn number_and_date_change_with_the_bundle_and_only_then() {
    let first = lock(TEXT, b"a", None, 100);
    assert_eq!((first.sequence, first.created), (1, 100));
    let same = lock(TEXT, b"a", Some(&first), 200);
    assert_eq!((same.sequence, same.created), (1, 100));
    // Another token for the same address, another folder: nothing that affects the bundle.
    let moved = TEXT.replace("token=1", "token=2").replace("path = 'b'", "path = 'c'");
    let moved = lock(&moved, b"a", Some(&first), 200);
    assert_eq!((moved.sequence, moved.created), (1, 100));

    let mut old = first.clone();
    old.bundler = "0.0.1".parse().unwrap();
    let changes = [
        lock(TEXT, b"other", Some(&first), 200),
        lock(&TEXT.replace("vfio", "other"), b"a", Some(&first), 200),
        lock(&TEXT.replace("0755", "0644"), b"a", Some(&first), 200),
        lock(&TEXT.replace("stable", "test"), b"a", Some(&first), 200),
        lock(&TEXT.replace("one.example", "three.example"), b"a", Some(&first), 200),
        lock(TEXT, b"a", Some(&old), 200),
    ];
    for changed in changes {
        assert_eq!((changed.sequence, changed.created), (2, 200), "{changed:?}");
    }
}

#[test]
fn a_lock_serves_the_recipe_that_it_was_made_from() {
    let lock = lock(TEXT, b"a", None, 100);
    assert_eq!(lock.check_current(&recipe(TEXT), &[]), Ok(()));
    assert_eq!(lock.check_current(&recipe(&format!("# note\n{TEXT}")), &[]), Ok(()));
    let other = recipe(&TEXT.replace("vfio", "other"));
    assert_eq!(lock.check_current(&other, &[]), Err(Stale::Recipe));
}

#[test]
fn downloads_stay_pinned_while_their_addresses_stay() {
    let lock = lock(TEXT, b"a", None, 100);
    let entries = recipe(TEXT).entries;
    assert_eq!(lock.pin(&entries[0]), Some(pin(b"a")));
    // Folders are read again each time.
    assert_eq!(lock.pin(&entries[1]), None);
    for (old, new) in [
        ("one.example", "three.example"),
        ("name = 'a'", "name = 'c'"),
        ("mode = '0755'", "max-size = 0"),
        ("mode = '0755'", &format!("sha256 = '{}'", Digest::of(b"other"))),
    ] {
        assert_eq!(lock.pin(&recipe(&TEXT.replace(old, new)).entries[0]), None, "{new}");
    }
}

#[test]
fn a_lock_is_stale_without_its_catalog_files() {
    let file = |name: &str, text: &str| CatalogFile {
        name: name.to_owned(),
        sha256: Digest::of(text.as_bytes()),
    };
    let mut lock = lock(TEXT, b"a", None, 1_700_000_000);
    let (one, two) = (file("catalog.d/one.toml", "1"), file("catalog.d/two.toml", "2"));
    lock.catalog = vec![one.clone()];
    let check = |files: &[CatalogFile]| lock.check_current(&recipe(TEXT), files);
    assert_eq!(check(std::slice::from_ref(&one)), Ok(()));
    let stale = |name: &str| Err(Stale::Catalog(name.to_owned()));
    assert_eq!(check(&[]), stale("catalog.d/one.toml"));
    assert_eq!(check(&[file("catalog.d/one.toml", "changed")]), stale("catalog.d/one.toml"));
    assert_eq!(check(&[one, two]), stale("catalog.d/two.toml"));
}

#[test]
fn a_proof_stays_while_its_inputs_do() {
    let first = lock(TEXT, b"a", None, 100);
    let proof = |kernel: &str, log: &[u8]| Proof {
        kernel: kernel.parse().unwrap(),
        driver: "535.230.02".parse().unwrap(),
        inputs: first.inputs_of_build(),
        compiler: "gcc 12".parse().unwrap(),
        log: Digest::of(log),
        modules: Vec::new(),
    };
    let proven = first.with_proof(proof("6.8.12-9-pve", b"one"), 200);
    assert_eq!((proven.sequence, proven.created), (2, 200));
    // The same result again makes the same bundle.
    let again = proven.with_proof(proof("6.8.12-9-pve", b"one"), 300);
    assert_eq!(again, proven);
    let replaced = proven.with_proof(proof("6.8.12-9-pve", b"two"), 300);
    assert_eq!((replaced.sequence, replaced.proofs.len()), (3, 1));
    let both = proven.with_proof(proof("6.2.16-1-pve", b"one"), 300);
    let kernels: Vec<_> = both.proofs.iter().map(|proof| proof.kernel.as_str()).collect();
    assert_eq!(kernels, ["6.2.16-1-pve", "6.8.12-9-pve"]);
    // `lock` keeps it with the same items, and with other ones that no build depends on.
    let same = lock(TEXT, b"a", Some(&both), 400);
    assert_eq!(same, both);
    let other = lock(TEXT, b"other", Some(&both), 400);
    assert_eq!((other.proofs.len(), other.sequence), (2, 4));
    let mut stale = both.clone();
    for proof in &mut stale.proofs {
        proof.inputs = Digest::of(b"other");
    }
    assert!(lock(TEXT, b"a", Some(&stale), 400).proofs.is_empty());
}
