//! The file of a private key. A passphrase takes too long to be tried here.

#![no_main]

use std::io;

use libfuzzer_sys::fuzz_target;
use vgpu_keys::{KeyFile, Signer as _};

fuzz_target!(|bytes: &[u8]| {
    let mut none = || Err(io::Error::other("no passphrase"));
    if let Ok(key) = KeyFile::parse(bytes, &mut none) {
        let text = key.to_openssh(None).unwrap();
        let again = KeyFile::parse(text.as_bytes(), &mut none).unwrap();
        assert_eq!(again.public_key(), key.public_key());
    }
});
