//! A small bundle, and the means to make others.

use std::fs::{self, File};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::{KeyFile, Policy, Signer};
use vgpu_manifest::{
    Bundle, FORMAT, Item, ItemFields, ItemMode, Kind, Manifest, Measure, Origin, PartSize,
    ProgramVersion, Source, Target, Unverified, Verified, VerifyError, Wants, WriteError,
    write_bundle,
};

/// A folder, a trusted key, and files to pack.
pub(crate) struct Fixture {
    pub(crate) key: KeyFile,
    pub(crate) policy: Policy,
    folder: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let key = KeyFile::generate("test").unwrap();
        let policy = policy(1, &[("alice", key.public_key().to_string())]);
        Self { key, policy, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    /// Stores `content` as the source of the item `name`, and describes it.
    pub(crate) fn item(&self, name: &str, content: &[u8]) -> Item {
        fs::write(self.source(name), content).unwrap();
        let measured = Measure::of(&mut &*content).unwrap();
        Item::new(ItemFields {
            name: name.parse().unwrap(),
            size: measured.size,
            mode: ItemMode::Plain,
            sha256: measured.sha256,
            chunks: measured.chunks,
            kind: Kind::Plain,
            base: None,
            origin: Origin::File,
        })
        .unwrap()
    }

    fn source(&self, name: &str) -> Utf8PathBuf {
        self.path(&format!("source-{}", name.replace('/', "-")))
    }

    pub(crate) fn write(&self, items: Vec<Item>, split: Option<PartSize>) -> Utf8PathBuf {
        let path = self.path("test-1.vgpu.tar");
        self.write_to(&path, &manifest(items), split).unwrap();
        if split.is_some() { Utf8PathBuf::from(format!("{path}.001")) } else { path }
    }

    pub(crate) fn write_to(
        &self,
        path: &Utf8Path,
        manifest: &Manifest,
        split: Option<PartSize>,
    ) -> Result<(), WriteError> {
        let signers: [&dyn Signer; 1] = [&self.key];
        write_bundle(manifest, self, &signers, Target { path, split }, &|_| {}).map(|_| ())
    }

    pub(crate) fn open(path: &Utf8Path) -> Result<Bundle<Unverified>, VerifyError> {
        Bundle::open(path)
    }

    pub(crate) fn verify(&self, path: &Utf8Path) -> Result<Bundle<Verified>, VerifyError> {
        Self::open(path)?.verify(&self.policy)
    }

    /// Verifies the whole bundle: frame and payload.
    pub(crate) fn accepts(&self, path: &Utf8Path) -> bool {
        self.verify(path).is_ok_and(|bundle| bundle.check(&|_| {}).is_ok())
    }
}

impl Source for Fixture {
    fn open(&self, item: &Item) -> io::Result<File> {
        File::open(self.source(item.name().as_str()))
    }
}

pub(crate) fn manifest(items: Vec<Item>) -> Manifest {
    Manifest {
        proofs: Vec::new(),
        format: FORMAT,
        needs: "0.1.0".parse().unwrap(),
        made_by: ProgramVersion::current(),
        name: "test".parse().unwrap(),
        channel: "stable".parse().unwrap(),
        sequence: 1,
        created: 1_700_000_000,
        wants: Wants::default(),
        archives: Vec::new(),
        purpose: None,
        items,
    }
}

pub(crate) fn policy(threshold: usize, signers: &[(&str, String)]) -> Policy {
    let lines: Vec<String> = signers
        .iter()
        .map(|(name, key)| format!("{name} namespaces=\"vgpu-bundle\" {key}"))
        .collect();
    let lines = lines.join("\n");
    let text = format!(
        "version = 1\nthreshold = {threshold}\nchannels = ['stable']\nrevoked = ''\nsigners = '''\n{lines}\n'''\n"
    );
    Policy::parse(text.as_bytes()).unwrap()
}

/// Returns bytes that do not repeat, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.flat_map(u64::to_le_bytes).take(len).collect()
}
