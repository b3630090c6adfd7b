//! An armored signature, and the slots of a bundle. Both have one spelling.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vgpu_keys::{Role, SLOTS_LEN, Signature, Slots};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(signature) = Signature::from_armor(bytes) {
        assert_eq!(Signature::from_armor(signature.to_armor().as_bytes()).as_ref(), Ok(&signature));
        let _ = signature.verify(Role::Bundle, b"message");
    }
    let mut slots = [b'\n'; SLOTS_LEN];
    let len = bytes.len().min(SLOTS_LEN);
    slots[..len].copy_from_slice(&bytes[..len]);
    if let Ok(read) = Slots::parse(&slots) {
        assert_eq!(read.to_bytes(), slots);
    }
});
