//! Stanzas, the index of an archive, and dpkg's status.

#![no_main]

use std::io::Write as _;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vgpu_manifest::Manifest;
use vgpu_manifest::debian::{IndexSearch, Stanza, relation_fields};

static MANIFEST: LazyLock<Manifest> = LazyLock::new(vgpu_fuzz::manifest);

fuzz_target!(|bytes: &[u8]| {
    vgpu_installer::fuzzing::dpkg_status(bytes);
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(stanza) = Stanza::parse(text)
    {
        for (name, value) in relation_fields(&stanza) {
            assert!(stanza.get(name).is_some() && !value.contains('\n'));
        }
    }
    // The result does not depend on the pieces in which an index is read.
    let found = |size: usize| {
        let mut search = IndexSearch::new(&MANIFEST, &MANIFEST.archives[0].name);
        let result = bytes.chunks(size).try_for_each(|piece| search.write_all(piece));
        search.end();
        (result.is_ok(), search.found())
    };
    assert_eq!(found(1), found(bytes.len().max(1)));
});
