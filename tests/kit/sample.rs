//! A small signed bundle with keys and policies, for suites that take bundles apart.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::json;
use tempfile::TempDir;
use vgpu_keys::{KeyFile, Policy, Signer};
use vgpu_manifest::{
    CHUNK, FORMAT, Item, ItemFields, ItemMode, Kind, Manifest, Measure, Origin, POLICIES,
    PoliciesRecord, ProgramVersion, Source, Target, write_bundle,
};

/// The creation time of the sample bundles, in seconds since 1970.
pub const CREATED: u64 = 1_700_000_000;

/// A folder with keys, the sources of items, and the bundles made of them.
///
/// The keys are the files `alice`, `alice-2`, `bob`, `reporter` and `revoked` of [`Sample::keys`].
/// The first two belong to one principal; `reporter` may sign reports only; `alice`, `bob` and `revoked`
/// may sign policies, too.
#[derive(Debug)]
pub struct Sample {
    folder: TempDir,
    keys: Vec<(&'static str, KeyFile)>,
}

/// The bytes and the manifest fields of one item.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its mode: executable or not.
    pub mode: ItemMode,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Sample {
    /// Creates keys in a new folder.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let names = ["alice", "alice-2", "bob", "reporter", "revoked"];
        let keys = names.map(|name| Ok((name, KeyFile::generate(name)?)));
        let keys = keys.into_iter().collect::<Result<Vec<_>>>()?;
        let sample = Self { folder, keys };
        fs::create_dir(sample.keys())?;
        fs::create_dir(sample.path("sources"))?;
        for (name, key) in &sample.keys {
            let path = sample.keys().join(name);
            fs::write(&path, key.to_openssh(None)?.as_bytes())?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            fs::write(format!("{path}.pub"), key.public_line())?;
        }
        Ok(sample)
    }

    /// Returns a path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap_or(Utf8Path::new(".")).join(name)
    }

    /// Returns the folder with the keys, as `ssh-keygen` writes them.
    #[must_use]
    pub fn keys(&self) -> Utf8PathBuf {
        self.path("keys")
    }

    /// Returns the private key with this name.
    pub fn key(&self, name: &str) -> Result<&KeyFile> {
        let found = self.keys.iter().find(|(other, _)| *other == name);
        found.map(|(_, key)| key).with_context(|| format!("there is no key `{name}`"))
    }

    /// Returns the text of `allowed_signers`: the principals and their roles.
    pub fn allowed_signers(&self) -> Result<String> {
        let line = |who: &str, role: &str, key: &str| -> Result<String> {
            Ok(format!("{who} namespaces=\"{role}\" {}\n", self.key(key)?.public_key()))
        };
        Ok([
            line("alice", "vgpu-bundle,vgpu-policy", "alice")?,
            line("alice", "vgpu-bundle", "alice-2")?,
            line("bob", "vgpu-bundle,vgpu-policy", "bob")?,
            line("reporter", "vgpu-report", "reporter")?,
            line("old", "vgpu-bundle,vgpu-policy", "revoked")?,
        ]
        .concat())
    }

    /// Returns the text of the revoked keys.
    pub fn revoked_keys(&self) -> Result<String> {
        Ok(format!("{}\n", self.key("revoked")?.public_key()))
    }

    /// Returns the document of the policy that requires the signatures of `threshold` principals.
    pub fn policy_text(&self, threshold: usize) -> Result<String> {
        Ok(format!(
            "version = 1\nthreshold = {threshold}\nchannels = ['stable']\n\
             signers = '''\n{}'''\nrevoked = '''\n{}'''\n",
            self.allowed_signers()?,
            self.revoked_keys()?,
        ))
    }

    /// Returns that policy.
    pub fn policy(&self, threshold: usize) -> Result<Policy> {
        Ok(Policy::parse(self.policy_text(threshold)?.as_bytes())?)
    }

    /// Writes a bundle of these items, signed by the keys `signers`, to the file `name`.
    pub fn write(&self, name: &str, parts: &[Part], signers: &[&str]) -> Result<Utf8PathBuf> {
        let path = self.path(name);
        let items = parts.iter().map(|part| self.item(part)).collect::<Result<Vec<_>>>()?;
        let signers = signers.iter().map(|name| Ok(self.key(name)? as &dyn Signer));
        let signers = signers.collect::<Result<Vec<_>>>()?;
        let target = Target { path: &path, split: None };
        write_bundle(&manifest(&items)?, self, &signers, target, &|_| {})?;
        Ok(path)
    }

    /// Stores the bytes of an item, and describes it.
    fn item(&self, part: &Part) -> Result<Item> {
        fs::write(self.source(&part.name), &part.bytes)?;
        let measured = Measure::of(&mut &*part.bytes)?;
        Ok(Item::new(ItemFields {
            name: part.name.parse()?,
            size: measured.size,
            mode: part.mode,
            sha256: measured.sha256,
            chunks: measured.chunks,
            kind: match part.name.as_str() {
                POLICIES => Kind::Policies(PoliciesRecord {}),
                _ => Kind::Plain,
            },
            base: None,
            origin: Origin::File,
        })?)
    }

    fn source(&self, item: &str) -> Utf8PathBuf {
        self.path("sources").join(item.replace('/', "="))
    }
}

impl Source for Sample {
    fn open(&self, item: &Item) -> io::Result<File> {
        File::open(self.source(item.name().as_str()))
    }
}

/// Returns the items of the base bundle of the hostile collection: two of the same length, an empty
/// one, a program, and one with two chunks.
#[must_use]
pub fn parts() -> Vec<Part> {
    let part =
        |name: &str, mode, bytes: &[u8]| Part { name: name.into(), mode, bytes: bytes.into() };
    let large = noise(1, usize::try_from(CHUNK).unwrap_or_default() + 5);
    vec![
        part("conf/vgpu.conf", ItemMode::Plain, b"profile = nvidia-63\n"),
        part("conf/profiles.conf", ItemMode::Plain, b"profile = nvidia-64\n"),
        part("empty", ItemMode::Plain, b""),
        part("bin/tool", ItemMode::Executable, b"#!/bin/sh\necho a tool\n"),
        part("driver/NVIDIA-Linux-x86_64-535.run", ItemMode::Plain, &large),
    ]
}

/// Returns the manifest of a bundle of these items. If they include `conf/vgpu.conf`, it requests
/// every kind of change of a host.
fn manifest(items: &[Item]) -> Result<Manifest> {
    let mut manifest = json!({
        "format": FORMAT,
        "needs": "0.1.0",
        "made-by": ProgramVersion::current(),
        "name": "sample",
        "channel": "stable",
        "sequence": 1,
        "created": CREATED,
        "items": items,
    });
    if items.iter().any(|item| item.name().as_str() == "conf/vgpu.conf") {
        manifest["wants"] = json!({
            "kernel-words": ["quiet"],
            "modules": ["vfio"],
            "modprobe": ["blacklist nouveau"],
            "file": [{ "item": "conf/vgpu.conf", "path": "/etc/vgpu/vgpu.conf" }],
        });
    }
    Ok(Manifest::parse(manifest.to_string().as_bytes())?)
}

/// Returns bytes that do not repeat, the same for the same seed.
#[must_use]
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = vec![0; len];
    // Word by word: tests are not optimized, and some take 70 MiB.
    for word in bytes.chunks_mut(size_of::<u64>()) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word.copy_from_slice(&state.to_le_bytes()[..word.len()]);
    }
    bytes
}
