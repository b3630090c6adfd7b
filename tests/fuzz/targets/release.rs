//! A clear-signed release and its list of files.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vgpu_manifest::debian::{ReleaseFiles, split_signed};

fuzz_target!(|bytes: &[u8]| {
    vgpu_bundler::fuzzing::release(bytes);
    if let Ok((text, armor)) = split_signed(bytes) {
        assert!(armor.starts_with(b"-----BEGIN PGP SIGNATURE-----"));
        vgpu_bundler::fuzzing::release(&text);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = ReleaseFiles::parse(text);
    }
});
