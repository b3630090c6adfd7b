//! A manifest. Written again, it reads as the same one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vgpu_manifest::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let text = manifest.to_bytes().unwrap();
    assert_eq!(Manifest::parse(&text).unwrap(), manifest);
});
