//! Shared code of the fuzz targets.

use std::path::PathBuf;

use serde_json::json;
use vgpu_keys::{KeyFile, Policy, PublicKey, Role, Signer as _, Slots};
use vgpu_manifest::{Manifest, SIGNATURES_AT};

/// Returns the key that signs the bundles of the target `container`.
pub fn key() -> KeyFile {
    KeyFile::from_seed(&[1; 32], "").expect("a key")
}

/// Returns a policy that trusts one key.
pub fn policy(key: &PublicKey) -> Policy {
    let head = "version = 1\nthreshold = 1\nchannels = ['stable']\nrevoked = ''\n";
    let line = format!("alice namespaces=\\\"vgpu-bundle\\\" {key}\\n");
    Policy::parse(format!("{head}signers = \"{line}\"\n").as_bytes()).expect("a policy")
}

/// Returns a bundle with a good signature of whatever its root now is.
pub fn signed_again(bytes: &[u8]) -> Option<Vec<u8>> {
    // The slots end where the header of the root begins.
    let root = usize::try_from(SIGNATURES_AT).ok()? + 4096;
    let size = std::str::from_utf8(bytes.get(root + 124..root + 135)?).ok()?;
    let size = usize::from_str_radix(size, 8).ok()?;
    let sums = bytes.get(root + 512..)?.get(..size)?;
    let mut slots = Slots::default();
    slots.add(key().sign(Role::Bundle, sums).ok()?).ok()?;
    let mut signed = bytes.to_vec();
    signed[root - 4096..root].copy_from_slice(&slots.to_bytes());
    Some(signed)
}

/// Returns the path of a file of this process.
pub fn scratch(name: &str) -> String {
    format!("{}/{name}", scratch_folder(name))
}

/// Creates a folder of this process, in memory where the machine has such a file system.
pub fn scratch_folder(name: &str) -> String {
    let memory = PathBuf::from("/dev/shm");
    let base = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = base.join(format!("vgpu-fuzz-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.into_os_string().into_string().expect("a UTF-8 path")
}

/// Returns a manifest with one package, as the seed of the target `deb822` lists it.
pub fn manifest() -> Manifest {
    let file = |name: &str| {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        json!({ "name": name, "size": 0, "mode": "0644", "sha256": digest,
                "origin": { "kind": "file" } })
    };
    let mut deb = file("apt/dkms.deb");
    deb["kind"] = json!({ "package": {
        "name": "dkms", "arch": "all", "version": "1.0", "reason": "requested",
        "archive": "bookworm", "fields": { "Depends": "make" },
    } });
    let manifest = json!({
        "format": 1, "needs": "0.1.0", "made-by": "0.1.0", "name": "seed", "channel": "stable",
        "sequence": 1, "created": 1, "wants": {},
        "archives": [{
            "name": "bookworm", "codename": "bookworm", "release": "apt/InRelease",
            "signed-by": "A".repeat(40), "dated": 1,
        }],
        "items": [deb, file("apt/InRelease")],
    });
    Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest")
}
