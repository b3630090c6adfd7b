//! Handmade bundles with records of packages and drivers, for suites about the node.
//!
//! The bundler would create the same bundles from the same files; here a test controls the complete
//! manifest.

#![expect(clippy::missing_panics_doc, reason = "a bundle that cannot be made fails the test")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use tempfile::TempDir;
use vgpu_keys::{KeyFile, Role, Signer};
use vgpu_manifest::{
    FORMAT, Item, Manifest, Measure, ProgramVersion, Source, Target, write_bundle,
};

/// A folder with a key, files, and the bundles made of them.
#[derive(Debug)]
pub struct Kit {
    folder: TempDir,
    key: KeyFile,
    items: BTreeMap<String, Value>,
}

impl Default for Kit {
    fn default() -> Self {
        Self::new()
    }
}

impl Kit {
    /// Creates a new key in an empty folder.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let key = KeyFile::generate("alice").expect("a key");
        let kit = Self { folder, key, items: BTreeMap::new() };
        fs::create_dir(kit.path("items")).expect("a folder");
        fs::write(kit.path("key.pub"), kit.key.public_line()).expect("a key");
        kit
    }

    /// Returns a path in the folder.
    #[must_use]
    pub fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("UTF-8").join(name)
    }

    /// Returns the fingerprint of the key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.key.public_key().fingerprint().to_string()
    }

    /// Signs a file as the program for nodes, next to it: `FILE.sig`.
    pub fn sign_program(&self, path: &Utf8Path) {
        let program = fs::read(path).expect("a program");
        let signature = self.key.sign(Role::Installer, &program).expect("a signature");
        fs::write(format!("{path}.sig"), signature.to_armor()).expect("a signature");
    }

    fn source(&self, item: &str) -> Utf8PathBuf {
        self.path("items").join(item.replace('/', "="))
    }

    /// Adds a file of this machine as an item.
    pub fn file(&mut self, name: &str, from: &Utf8Path) {
        fs::copy(from, self.source(name)).unwrap_or_else(|error| panic!("{from}: {error}"));
        self.take(name);
    }

    /// Adds these bytes as an item.
    pub fn bytes(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.source(name), bytes).expect("an item");
        self.take(name);
    }

    fn take(&mut self, name: &str) {
        let path = self.source(name);
        let measured = Measure::of(&mut File::open(&path).expect("an item")).expect("an item");
        let mode = fs::metadata(&path).expect("an item").permissions().mode() & 0o777;
        let mode = if mode == 0o755 { "0755" } else { "0644" };
        let mut item = json!({
            "name": name, "size": measured.size, "mode": mode, "sha256": measured.sha256,
            "origin": { "kind": "file" },
        });
        if !measured.chunks.is_empty() {
            item["chunks"] = json!(measured.chunks);
        }
        self.items.insert(name.to_owned(), item);
    }

    /// Writes a bundle of all items, with these further fields of its manifest.
    ///
    /// The field `kinds` gives the kinds of items, as [`kind`] writes them. These items come first,
    /// in its order; the others follow by name.
    #[must_use]
    pub fn bundle(&self, sequence: u64, fields: Value) -> Utf8PathBuf {
        let Value::Object(mut fields) = fields else { panic!("fields are an object") };
        let mut rest = self.items.clone();
        let described = |kind: &Value| {
            let name = kind["item"].as_str().expect("the name of an item");
            let mut item = rest.remove(name).expect("an item");
            item["kind"] = kind["kind"].clone();
            item
        };
        let kinds = fields.remove("kinds").unwrap_or_default();
        let kinds = kinds.as_array().into_iter().flatten();
        let mut items: Vec<Value> = kinds.map(described).collect();
        items.extend(rest.into_values());
        let mut manifest = json!({
            "format": FORMAT,
            "needs": "0.1.0",
            "made-by": ProgramVersion::current(),
            "name": "node",
            "channel": "stable",
            "sequence": sequence,
            "created": 1_700_000_000,
            "items": items,
        });
        for (name, value) in fields {
            manifest[name] = value;
        }
        let manifest = Manifest::parse(manifest.to_string().as_bytes()).expect("a manifest");
        let path = self.path(&format!("node-{sequence}.vgpu.tar"));
        let _ = fs::remove_file(&path);
        let signers: [&dyn Signer; 1] = [&self.key];
        let target = Target { path: &path, split: None };
        write_bundle(&manifest, self, &signers, target, &|_| {}).expect("a bundle");
        path
    }
}

impl Source for Kit {
    fn open(&self, item: &Item) -> io::Result<File> {
        File::open(self.source(item.name().as_str()))
    }
}

/// Returns the entry of the field `kinds` for an item with this record.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "callers make the record in place")]
pub fn kind(item: &str, kind: &str, record: Value) -> Value {
    json!({ "item": item, "kind": { kind: record } })
}

/// Returns the manifest's record of a Debian package file, from its control file.
#[must_use]
pub fn package(item: &str, control: &str, archive: &str, reason: &str) -> Value {
    let mut fields = BTreeMap::new();
    let mut last = String::new();
    for line in control.lines() {
        if let Some((name, value)) = line.split_once(": ").filter(|_| !line.starts_with(' ')) {
            name.clone_into(&mut last);
            fields.insert(name.to_owned(), value.to_owned());
        } else if line.starts_with(' ')
            && let Some(value) = fields.get_mut(&last)
        {
            value.push_str(line);
        }
    }
    let mut take = |name: &str| fields.remove(name).unwrap_or_else(|| panic!("no {name}: {item}"));
    let mut record = json!({
        "name": take("Package"), "version": take("Version"), "arch": take("Architecture"), "reason": reason, "archive": archive,
    });
    let relations = [
        "Depends",
        "Pre-Depends",
        "Provides",
        "Conflicts",
        "Breaks",
        "Replaces",
        "Recommends",
        "Multi-Arch",
        "Essential",
        "Installed-Size",
    ];
    fields.retain(|name, _| relations.contains(&name.as_str()));
    record["fields"] = json!(fields);
    kind(item, "package", record)
}

/// Returns the manifest's record of the packages' archive.
#[must_use]
pub fn archive(name: &str, codename: &str, release: &str) -> Value {
    json!({
        "name": name, "codename": codename, "release": release, "dated": 1_700_000_000,
        "signed-by": "4CB50190207B4758A3F73A796ED0E7B82643E131",
    })
}
