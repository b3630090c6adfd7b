//! Allowed signers, revoked keys and one public key. Written again, they read as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vgpu_keys::{AllowedSigners, PublicKey, RevokedKeys};

fuzz_target!(|text: &str| {
    if let Ok(signers) = text.parse::<AllowedSigners>() {
        assert_eq!(signers.to_string().parse::<AllowedSigners>().as_ref(), Ok(&signers));
    }
    if let Ok(revoked) = text.parse::<RevokedKeys>() {
        assert_eq!(revoked.to_string().parse::<RevokedKeys>().as_ref(), Ok(&revoked));
    }
    if let Ok(key) = text.parse::<PublicKey>() {
        assert_eq!(key.to_string().parse::<PublicKey>().as_ref(), Ok(&key));
    }
});
