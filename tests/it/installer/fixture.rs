//! A simulated host, a key, bundles, and the program to run on the host.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use tempfile::TempDir;
use vgpu_keys::{KeyFile, Signer};
use vgpu_manifest::{
    Base, Item, ItemId, Manifest, Measure, PartSize, Source, Target, write_bundle,
};
use vgpu_tests::programs::Program;
use vgpu_tests::scratch::{Said, run};

/// A folder with a simulated host in `root` and a stick in `stick`.
pub(crate) struct Site {
    dir: TempDir,
}

/// The result of running the program.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Checks the exit code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Checks that stderr contains all of this.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.err.contains(word), "stderr lacks {word:?}:\n{}", self.err);
        }
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}:\n{}", self.out))
    }
}

impl Site {
    /// Returns a host with an Intel CPU and GRUB, without any state of the installer.
    pub(crate) fn new() -> Self {
        Self::named("node-a")
    }

    pub(crate) fn named(host_name: &str) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(site.path("stick")).unwrap();
        let uuid = format!("root=UUID={host_name}");
        for (path, text) in [
            ("etc/default/grub", "GRUB_DEFAULT=0\n"),
            ("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n"),
            ("etc/modprobe.d/mine.conf", "options kvm ignore_msrs=1\n"),
            ("etc/kernel/cmdline", &format!("{uuid} quiet\n")),
            ("proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t: fpu vmx\n"),
            ("proc/cmdline", &uuid),
            ("proc/sys/kernel/hostname", host_name),
            ("usr/local/sbin/other", "#!/bin/sh\n"),
        ] {
            site.write(&format!("root/{path}"), text.as_bytes());
        }
        site
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path()).unwrap().join(name)
    }

    pub(crate) fn root(&self) -> Utf8PathBuf {
        self.path("root")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Utf8PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Runs the program on the host, without a terminal.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let Said { code, out, err } = run(self.command(args));
        Ran { code: code.unwrap_or(-1), out, err }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(crate::program(Program::Installer));
        command.args(["--root", self.root().as_str()]).args(args).stdin(Stdio::null());
        command
    }

    /// Writes the public half of a key to the stick.
    pub(crate) fn public(&self, key: &KeyFile, name: &str) -> String {
        self.write(&format!("stick/{name}.pub"), key.public_line().as_bytes()).into_string()
    }

    /// Trusts `key` as that of `name`, with these further arguments.
    pub(crate) fn trust(&self, key: &KeyFile, name: &str, more: &[&str]) -> Ran {
        let file = self.public(key, name);
        let fingerprint = key.public_key().fingerprint().to_string();
        let args = ["trust", "add", &file, "--principal", name, "--fingerprint", &fingerprint];
        self.run(&[&args, more].concat())
    }

    /// Writes a bundle to the stick.
    pub(crate) fn bundle(&self, spec: &Spec, signers: &[&dyn Signer]) -> String {
        let name =
            format!("stick/{}-{}-{}.vgpu.tar", spec.channel, spec.sequence, spec.items.len());
        self.bundle_at(&name, spec, signers, None)
    }

    pub(crate) fn bundle_at(
        &self,
        name: &str,
        spec: &Spec,
        signers: &[&dyn Signer],
        split: Option<PartSize>,
    ) -> String {
        for (item, bytes) in &spec.items {
            self.write(&format!("payload/{item}"), bytes);
        }
        self.pack(name, &spec.manifest(), signers, split)
    }

    /// Writes the bundle `NAME.delta.vgpu.tar`, which leaves out what the bundle at `base` has.
    pub(crate) fn delta(&self, name: &str, spec: &Spec, base: &str, signer: &dyn Signer) -> String {
        let shown = self.run(&["inspect", "--json", base]).expect(0).json();
        let manifest = Manifest::parse(shown["manifest"].to_string().as_bytes()).unwrap();
        let digest = shown["digest"].as_str().unwrap().parse().unwrap();
        let own = Base { name: manifest.name, sequence: manifest.sequence, digest };
        let of = |item: &Item| (item.id(), item.base().unwrap_or(&own).clone());
        let known: BTreeMap<ItemId, Base> = manifest.items.iter().map(of).collect();
        for (item, bytes) in &spec.items {
            self.write(&format!("payload/{item}"), bytes);
        }
        let delta = spec.manifest().leave_out(|item| known.get(&item.id()).cloned());
        self.pack(&format!("stick/{name}.delta.vgpu.tar"), &delta, &[signer], None)
    }

    /// Writes the bundle of a manifest, with the items of the payload folder.
    pub(crate) fn pack(
        &self,
        name: &str,
        manifest: &Manifest,
        signers: &[&dyn Signer],
        split: Option<PartSize>,
    ) -> String {
        let (path, payload) = (self.path(name), Payload(self.path("payload")));
        let target = Target { path: &path, split };
        write_bundle(manifest, &payload, signers, target, &|_| {}).unwrap();
        path.into_string()
    }
}

struct Payload(Utf8PathBuf);

impl Source for Payload {
    fn open(&self, item: &Item) -> io::Result<File> {
        File::open(self.0.join(item.name().as_str()))
    }
}

/// The contents of a bundle.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    pub(crate) channel: &'static str,
    pub(crate) sequence: u64,
    pub(crate) items: Vec<(&'static str, Vec<u8>)>,
    pub(crate) wants: Value,
}

impl Spec {
    /// Returns a bundle that requests one change of each kind.
    pub(crate) fn full(sequence: u64) -> Self {
        let unit = b"[Service]\nExecStart=/bin/true\n".to_vec();
        Self {
            channel: "stable",
            sequence,
            items: vec![
                ("files/tool", b"#!/bin/sh\nexit 0\n".to_vec()),
                ("files/large", (0..9_000_000_u32).map(|i| (i % 251) as u8).collect()),
                ("units/vgpu.service", unit.clone()),
                ("units/twin.service", unit),
                ("units/extra.conf", b"[Service]\nNice=5\n".to_vec()),
                ("files/empty", Vec::new()),
            ],
            wants: json!({
                "iommu": "on",
                "kernel-words": ["vfio.test=1"],
                "modules": ["vfio", "vfio-pci"],
                "modprobe": ["blacklist nouveau"],
                "file": [
                    { "item": "files/tool", "path": "/opt/vgpu/bin/tool", "mode": "0755" },
                    { "item": "files/large", "path": "/opt/vgpu/large" },
                    { "item": "files/empty", "path": "/usr/local/sbin/other" },
                ],
                "unit": [
                    { "name": "vgpu.service", "item": "units/vgpu.service", "wanted-by": "multi-user.target" },
                ],
                "drop-in": [
                    { "unit": "pveproxy.service", "name": "vgpu.conf", "item": "units/extra.conf" },
                ],
            }),
        }
    }

    /// Returns a bundle that requests one small file.
    pub(crate) fn small(sequence: u64, text: &str) -> Self {
        Self {
            channel: "stable",
            sequence,
            items: vec![("note", text.as_bytes().to_vec())],
            wants: json!({ "file": [{ "item": "note", "path": "/etc/vgpu-note" }] }),
        }
    }

    /// Returns the same bundle with signed policies.
    pub(crate) fn bringing(mut self, policies: &str) -> Self {
        self.items.insert(0, ("policies", policies.as_bytes().to_vec()));
        self
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let items: Vec<Value> = self.items.iter().map(|(name, bytes)| item(name, bytes)).collect();
        let manifest = json!({
            "format": 1,
            "needs": "0.1.0",
            "made-by": "0.1.0",
            "name": "test",
            "channel": self.channel,
            "sequence": self.sequence,
            "created": 1_700_000_000,
            "wants": self.wants,
            "items": items,
        });
        Manifest::parse(manifest.to_string().as_bytes()).unwrap()
    }
}

fn item(name: &str, bytes: &[u8]) -> Value {
    let measured = Measure::of(&mut &*bytes).unwrap();
    let mut item = json!({
        "name": name,
        "size": measured.size,
        "mode": "0644",
        "sha256": measured.sha256,
        "origin": { "kind": "file" },
    });
    if name == "policies" {
        item["kind"] = json!({ "policies": {} });
    }
    if !measured.chunks.is_empty() {
        item["chunks"] = json!(measured.chunks);
    }
    item
}

/// Returns the key with this number.
pub(crate) fn key(seed: u8) -> KeyFile {
    KeyFile::from_seed(&[seed; 32], "").unwrap()
}
