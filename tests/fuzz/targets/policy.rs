//! A policy. Written again, it reads as the same one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vgpu_keys::Policy;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(policy) = Policy::parse(bytes) {
        assert_eq!(Policy::parse(policy.to_string().as_bytes()).as_ref(), Ok(&policy));
    }
});
