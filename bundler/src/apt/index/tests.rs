use std::io::{Seek as _, Write as _};

use super::*;

const MAIN: &str = "\
Package: libc6
Architecture: amd64
Version: 2.36-9+deb12u10
Priority: optional
Provides: libc6-2.36
Filename: pool/main/g/glibc/libc6_2.36-9+deb12u10_amd64.deb
Size: 5
SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

Package: dash
Architecture: amd64
Version: 0.5
Priority: required
Depends: libc6 (>= 2.36)

Package: odd
Architecture: amd64
Version: not a version

Package: evil
Architecture: all
Version: 1
Filename: ../../etc/passwd
Size: 1
SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
";

const BACKPORTS: &str = "\
Package: libc6
Architecture: amd64
Version: 2.38-1

Package: dash
Architecture: amd64
Version: 0.6
Priority: required
";

fn indexes() -> Indexes {
    let mut indexes = Indexes::default();
    for (name, text, pin) in [("main", MAIN, 500), ("backports", BACKPORTS, 100)] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.rewind().unwrap();
        indexes.add(file, &name.parse().unwrap(), Pin(pin)).unwrap();
    }
    indexes
}

fn name(text: &str) -> PackageName {
    text.parse().unwrap()
}

#[test]
fn packages_of_all_archives_are_found_by_every_name() {
    let indexes = indexes();
    assert_eq!(indexes.len(), 6);
    let versions = indexes.versions(&name("libc6")).unwrap();
    let offers: Vec<_> = versions
        .iter()
        .map(|it| (it.version.as_str(), it.offer.archive.as_str(), it.offer.pin))
        .collect();
    assert_eq!(offers, [("2.36-9+deb12u10", "main", Pin(500)), ("2.38-1", "backports", Pin(100))]);
    let providers = indexes.providers(&name("libc6-2.36")).unwrap();
    assert_eq!(providers.len(), 1);
    assert_eq!(providers[0].name, name("libc6"));
    assert!(indexes.versions(&name("libc6-2.36")).unwrap().is_empty());
    assert!(indexes.providers(&name("libc6")).unwrap().is_empty());
    assert!(indexes.versions(&name("nothing")).unwrap().is_empty());
    let base = indexes.base().unwrap();
    assert_eq!(base.len(), 1);
    assert_eq!(base[0].version.as_str(), "0.6");
}

#[test]
fn where_a_package_is_to_be_had_stands_in_its_stanza() {
    let indexes = indexes();
    let versions = indexes.versions(&name("libc6")).unwrap();
    let deb = indexes.deb(&versions[0]).unwrap().unwrap();
    assert_eq!(deb.path, "pool/main/g/glibc/libc6_2.36-9+deb12u10_amd64.deb");
    assert_eq!((deb.size, deb.fields.len()), (5, 2));
    assert!(deb.fields.contains(&("Provides", "libc6-2.36".to_owned())));
    let message = indexes.deb(&versions[1]).unwrap().unwrap_err().to_string();
    assert_eq!(
        message,
        "the stanza of `libc6` in the index of `backports` has no usable `Filename`"
    );
    let evil = indexes.versions(&name("evil")).unwrap();
    assert!(indexes.deb(&evil[0]).unwrap().is_err());
}

#[test]
fn an_invalid_stanza_is_skipped_and_reported() {
    let indexes = indexes();
    assert!(indexes.versions(&name("odd")).unwrap().is_empty());
    let unread = indexes.unread();
    assert_eq!(unread.len(), 1);
    assert!(unread[0].starts_with("main: `odd`: its `Version`"), "{unread:?}");
}
