//! A second writer of bundles, which packs and signs any input.
//!
//! It shares no code with the writer of the library. If both agree, they follow `docs/FORMAT.md`.

use std::fmt::Write as _;
use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use vgpu_keys::{KeyFile, Policy, Role, Signer};
use vgpu_manifest::{Bundle, Digest, Verified, VerifyError};

pub(crate) const CREATED: u64 = 1_700_000_000;

/// A trusted key, and a file for bundles.
pub(crate) struct Writer {
    key: KeyFile,
    policy: Policy,
    folder: tempfile::TempDir,
}

/// A member of the archive.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) mode: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        let key = KeyFile::from_seed(&[7; 32], "test").unwrap();
        let policy = format!(
            "version = 1\nthreshold = 1\nchannels = ['stable']\nrevoked = ''\n\
             signers = '''\nalice namespaces=\"vgpu-bundle\" {}\n'''\n",
            key.public_key()
        );
        let policy = Policy::parse(policy.as_bytes()).unwrap();
        Self { key, policy, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join("b.vgpu.tar")
    }

    /// Verifies these bytes as a bundle, with its payload.
    pub(crate) fn verdict(&self, bytes: &[u8]) -> Result<Bundle<Verified>, String> {
        fs::write(self.path(), bytes).unwrap();
        let verified = Bundle::open(&self.path()).and_then(|bundle| bundle.verify(&self.policy));
        let bundle = verified.map_err(|error: VerifyError| {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", why.unwrap_or_default())
        })?;
        bundle.check_deep(&|_| {}).map_err(|error| error.to_string())?;
        Ok(bundle)
    }

    /// Returns the bundle with this text as its manifest and these items, correctly signed.
    pub(crate) fn bundle(&self, manifest: &[u8], created: u64, items: &[Member]) -> Vec<u8> {
        let mut sums = format!("{}  MANIFEST.json\n", Digest::of(manifest));
        for item in items {
            writeln!(sums, "{}  {}", Digest::of(&item.bytes), item.name).unwrap();
        }
        let armor = self.key.sign(Role::Bundle, sums.as_bytes()).unwrap().to_armor();
        let mut slots = vec![b'\n'; 4096];
        slots[..armor.len()].copy_from_slice(armor.as_bytes());

        let mut archive = Vec::new();
        put(&mut archive, "SIGNATURES", 0o644, created, &slots);
        put(&mut archive, "SHA256SUMS", 0o644, created, sums.as_bytes());
        put(&mut archive, "MANIFEST.json", 0o644, created, manifest);
        for item in items {
            put(&mut archive, &item.name, item.mode, created, &item.bytes);
        }
        archive.resize(archive.len() + 1024, 0);
        archive
    }
}

/// Returns a member, field by field as in `docs/FORMAT.md`.
fn put(archive: &mut Vec<u8>, name: &str, mode: u32, created: u64, bytes: &[u8]) {
    let mut header = Vec::new();
    let mut field = |len: usize, text: &str| {
        let end = header.len() + len;
        header.extend_from_slice(&text.as_bytes()[..text.len().min(len)]);
        header.resize(end, 0);
    };
    field(100, name);
    field(8, &format!("{mode:07o}"));
    field(8, "0000000");
    field(8, "0000000");
    field(12, &format!("{:011o}", bytes.len()));
    field(12, &format!("{created:011o}"));
    field(8, "        ");
    field(1, "0");
    field(100, "");
    field(8, "ustar\x0000");
    field(64, "");
    field(8, "0000000");
    field(8, "0000000");
    field(167, "");
    assert_eq!(header.len(), 512);
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend_from_slice(&header);
    archive.extend_from_slice(bytes);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

/// Returns the items of the initial bundle.
pub(crate) fn items() -> Vec<Member> {
    let member = |name: &str, mode, bytes: &[u8]| Member {
        name: name.to_owned(),
        mode,
        bytes: bytes.to_vec(),
    };
    vec![
        member("conf/one.conf", 0o644, b"one = 1\n"),
        member("empty", 0o644, b""),
        member("bin/tool", 0o755, &[b'#'; 700]),
        member("a.service", 0o644, b"[Unit]\n"),
    ]
}

/// Returns the manifest of these items, with every kind of record.
pub(crate) fn manifest(items: &[Member]) -> Value {
    let describe = |item: &Member| {
        json!({
            "name": item.name,
            "size": item.bytes.len(),
            "mode": format!("{:04o}", item.mode),
            "sha256": Digest::of(&item.bytes).to_string(),
            "origin": { "kind": "file" },
        })
    };
    let mut described: Vec<Value> = items.iter().map(describe).collect();
    described[0]["origin"] = json!({ "kind": "url", "url": "https://example.org/one" });
    described[2]["kind"] = json!({ "tree": { "unpacked": 10_240, "window-log": 20 } });
    json!({
        "format": 1,
        "needs": "0.1.0",
        "made-by": "0.1.0",
        "name": "test",
        "channel": "stable",
        "sequence": 3,
        "created": CREATED,
        "wants": {
            "iommu": "on",
            "kernel-words": ["quiet"],
            "modules": ["vfio"],
            "modprobe": ["blacklist nouveau"],
            "file": [{ "item": "conf/one.conf", "path": "/etc/one.conf", "mode": "0644" }],
            "unit": [{ "name": "a.service", "item": "a.service", "wanted-by": "multi-user.target" }],
            "drop-in": [{ "unit": "b.service", "name": "c.conf", "item": "conf/one.conf" }],
        },
        "items": described,
    })
}

/// Returns a good bundle.
pub(crate) fn good(writer: &Writer) -> Vec<u8> {
    let items = items();
    let bytes = writer.bundle(manifest(&items).to_string().as_bytes(), CREATED, &items);
    let bundle = writer.verdict(&bytes).unwrap();
    assert_eq!(bundle.manifest().items.len(), items.len());
    bytes
}
