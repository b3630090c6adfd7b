//! A laptop with the recipe and its sources, and a second laptop.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_manifest::{Digest, Manifest};
use vgpu_tests::dls::Generation;
use vgpu_tests::nvidia::StandIn;
use vgpu_tests::oci::{Format, Layout, Registry};
use vgpu_tests::roots::{Archive, Pristine, Roots};
use vgpu_tests::scratch::{Scratch, expect};

use crate::unlock::{repository, with_rust};

/// The driver: one that the catalog lists for the node's GPU.
const DRIVER: &str = "535.230.02";

/// The files that the recipe refers to.
const FILES: [&str; 4] = ["bundle.toml", "host.run", "535.230.02.patch", "node.json"];

/// A laptop, in the network of the machine.
pub(super) struct Laptop<'r> {
    pub(super) scratch: Scratch,
    roots: &'r Roots,
    /// A laptop next to the first one, which must outlive it.
    registry: Option<Registry>,
}

impl<'r> Laptop<'r> {
    /// Creates a laptop with a key, and with everything except the node's inventory.
    pub(super) fn new(roots: &'r Roots, host: &Pristine, kernel: &str) -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let words = ["key", "generate", "--principal", "alice", "--no-passphrase"];
        expect(scratch.bundler(&words), 0);
        let stand_in = StandIn::host(DRIVER);
        let driver = scratch.path("laptop/host.run");
        stand_in.write(&driver).unwrap();
        scratch.write("535.230.02.patch", stand_in.patch());
        let clone = scratch.path("clone");
        let commit = repository(&clone);
        let registry = Registry::start(&scratch.path("registry")).unwrap();
        let image = Generation::Two.image().unwrap();
        let layout = Layout::of_image(&scratch.path("layout"), "2.0.3", &image).unwrap();
        registry.push(&layout, "2.0.3", "team/fastapi-dls", Format::Docker).unwrap();
        let recipe = [
            ("@DRIVER@", Digest::of(&fs::read(&driver).unwrap()).to_string()),
            ("@REPOSITORY@", clone.to_string()),
            ("@COMMIT@", commit),
            ("@IMAGE@", format!("{}/team/fastapi-dls:2.0.3", registry.host())),
            ("@RELEASE@", host.release().codename().to_owned()),
            ("@KERNEL@", kernel.to_owned()),
            ("@ARCHIVES@", archives(roots, host)),
        ]
        .iter()
        .fold(include_str!("bundle.toml").to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
        assert!(recipe.lines().count() <= 70, "the recipe is longer than a screen:\n{recipe}");
        scratch.write("bundle.toml", recipe);
        Self { scratch, roots, registry: Some(registry) }
    }

    /// Copies the inventory from the node.
    pub(super) fn take_inventory(&self, file: &Utf8Path) {
        self.scratch.write("node.json", fs::read(file).unwrap());
    }

    /// Creates another laptop, with another folder, cache, time zone and language, and with the
    /// recipe, its files, the lock and the key.
    pub(super) fn another(&self) -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        for name in FILES.iter().chain(&["bundle.lock"]) {
            scratch.write(name, fs::read(self.path(name)).unwrap());
        }
        let config = "config/vgpu-offline";
        fs::create_dir_all(scratch.path(config)).unwrap();
        for file in self.scratch.path(config).read_dir_utf8().unwrap() {
            let file = file.unwrap();
            // With its mode, because it is secret.
            fs::copy(file.path(), scratch.path(config).join(file.file_name())).unwrap();
        }
        Self { scratch, roots: self.roots, registry: None }
    }

    /// Runs `vgpu-bundler` with these arguments.
    pub(super) fn bundler(&self, words: &[&str]) -> Command {
        let mut command = with_rust(self.scratch.bundler(words));
        if let Some(proxy) = self.roots.mirror().proxy() {
            command.env("http_proxy", proxy).env("https_proxy", proxy);
            command.env("no_proxy", "127.0.0.1");
        }
        if self.registry.is_none() {
            command.env("TZ", "Asia/Tokyo").env("LC_ALL", "C");
        }
        command
    }

    /// Returns the path of a file in its folder.
    pub(super) fn path(&self, name: &str) -> Utf8PathBuf {
        self.scratch.path("laptop").join(name)
    }

    /// Returns the public key.
    pub(super) fn key(&self) -> Utf8PathBuf {
        self.scratch.path("config/vgpu-offline/key.pub")
    }

    /// Returns the bundle, once it is built.
    pub(super) fn bundle(&self) -> Utf8PathBuf {
        self.path("mission-1.vgpu.tar")
    }

    /// Returns the lock.
    pub(super) fn lock(&self) -> String {
        fs::read_to_string(self.path("bundle.lock")).unwrap()
    }

    /// Returns the manifest of the bundle.
    pub(super) fn manifest(&self) -> Manifest {
        let mut tar = Command::new("tar");
        tar.args(["--occurrence=1", "-xOf", self.bundle().as_str(), "MANIFEST.json"]);
        Manifest::parse(expect(tar, 0).out.as_bytes()).unwrap()
    }
}

/// Returns the tables of the suites that the node's root was built from.
fn archives(roots: &Roots, host: &Pristine) -> String {
    let keyring = roots.mirror().keyring();
    let keys: Vec<_> =
        roots.mirror().fingerprints().iter().map(|key| format!("\"{key}\"")).collect();
    let keys = keys.join(", ");
    let mut text = String::new();
    for Archive { url, suite } in host.archives() {
        write!(
            text,
            "[[apt.archive]]\nname = \"{suite}\"\nmirror = \"{url}\"\ncomponents = [\"main\"]\n\
             keyring = \"{keyring}\"\nsigned-by = [{keys}]\n\n"
        )
        .unwrap();
    }
    text
}
