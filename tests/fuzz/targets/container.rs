//! A whole bundle: its frame, headers, signed root, manifest and chunks.
//!
//! A mutation rarely keeps the signature valid, so the bundle is also read after its root was signed
//! again. `tar` must then list exactly the members that the reader sees.

#![no_main]

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use camino::Utf8Path;
use libfuzzer_sys::fuzz_target;
use vgpu_fuzz::{key, policy, scratch, signed_again};
use vgpu_keys::{Policy, Signer as _};
use vgpu_manifest::Bundle;

static POLICY: LazyLock<Policy> = LazyLock::new(|| policy(key().public_key()));
static FILE: LazyLock<String> = LazyLock::new(|| scratch("bundle"));

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if let Some(signed) = signed_again(bytes) {
        read(&signed);
    }
});

fn read(bytes: &[u8]) {
    fs::write(&*FILE, bytes).unwrap();
    let Ok(bundle) = Bundle::open(Utf8Path::new(&*FILE)) else { return };
    let Ok(bundle) = bundle.verify(&POLICY) else { return };
    let items = bundle.manifest().items.iter().map(|item| item.name().as_str());
    let listed = Command::new("tar").args(["--list", "--file", &FILE]).output().unwrap();
    assert!(listed.status.success(), "tar refuses what was accepted");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let members = ["SIGNATURES", "SHA256SUMS", "MANIFEST.json"].into_iter().chain(items);
    assert!(listed.lines().eq(members), "tar lists other members: {listed}");
    let _ = bundle.check_deep(&|_| {});
}
