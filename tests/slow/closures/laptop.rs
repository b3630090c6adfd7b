//! The real bundler, from a recipe to a bundle.

use std::fmt::Write as _;
use std::fs;

use camino::Utf8PathBuf;
use serde_json::Value;
use vgpu_manifest::Manifest;
use vgpu_tests::roots::{Archive, Mirror, Release};
use vgpu_tests::scratch::{Said, Scratch, expect, run, without_network};

use super::sets::Upgrades;

pub(super) struct Laptop<'l> {
    scratch: &'l Scratch,
    network: Network<'l>,
    folder: Utf8PathBuf,
}

/// The bundler's network access.
#[derive(Clone, Copy)]
pub(super) enum Network<'n> {
    /// The machine's network, with the proxy of its apt.
    Through(Option<&'n str>),
    /// No network.
    Cut,
}

/// The package section of a recipe.
#[derive(Clone, Copy)]
pub(super) struct Recipe<'r> {
    pub(super) release: Release,
    pub(super) wanted: &'r [&'r str],
    pub(super) upgrades: Upgrades,
    /// The node section: a whole line, or nothing.
    pub(super) node: &'r str,
    pub(super) archives: &'r [Archive],
    pub(super) mirror: &'r Mirror,
    /// The pinned keys.
    pub(super) keys: &'r [String],
}

/// A bundle and its manifest.
pub(super) struct Built {
    pub(super) bundle: Utf8PathBuf,
    pub(super) manifest: Manifest,
}

impl<'l> Laptop<'l> {
    /// Creates a new folder of this name.
    pub(super) fn new(
        scratch: &'l Scratch,
        network: Network<'l>,
        name: &str,
        recipe: Recipe<'_>,
    ) -> Self {
        let folder = scratch.path("laptop").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("bundle.toml"), recipe.text()).unwrap();
        Self { scratch, network, folder }
    }

    /// Returns the path of a file of this name.
    pub(super) fn path(&self, name: &str) -> Utf8PathBuf {
        self.folder.join(name)
    }

    /// `vgpu-bundler build`.
    pub(super) fn build(&self) -> Built {
        let said = self.run(&["build"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let bundle = self.folder.join(said.out.trim());
        let said = expect(self.scratch.bundler(&["inspect", bundle.as_str(), "--json"]), 0);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        let manifest = Manifest::parse(report["manifest"].to_string().as_bytes()).unwrap();
        Built { bundle, manifest }
    }

    /// Extracts all items of a bundle.
    pub(super) fn extract(&self, built: &Built) -> Utf8PathBuf {
        let out = self.folder.join("out");
        let words = ["--quiet", "extract", built.bundle.as_str(), "-o", out.as_str()];
        expect(self.scratch.bundler(&words), 0);
        out
    }

    /// Runs `vgpu-bundler` with these arguments.
    pub(super) fn run(&self, words: &[&str]) -> Said {
        let mut command = self.scratch.bundler(words);
        command.current_dir(&self.folder);
        match self.network {
            Network::Through(None) => {}
            Network::Through(Some(proxy)) => {
                command.env("http_proxy", proxy).env("https_proxy", proxy);
            }
            Network::Cut => command = without_network(&command),
        }
        run(command)
    }
}

impl Drop for Laptop<'_> {
    fn drop(&mut self) {
        // Bundles are large, and there are dozens.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Recipe<'_> {
    fn text(&self) -> String {
        let (release, upgrades) = (self.release.codename(), self.upgrades.word());
        let (wanted, keys) = (list(self.wanted), list(self.keys));
        let mut text = format!(
            "[bundle]\nname = \"set\"\nchannel = \"stable\"\n\n[[apt]]\nrelease = \"{release}\"\n\
             install = {wanted}\nupgrades = \"{upgrades}\"\n{}\n",
            self.node
        );
        let keyring = self.mirror.keyring();
        for Archive { url, suite } in self.archives {
            // Debian 11 gets no more releases, and its last one has expired.
            let expired = if self.release == Release::Debian11 { "accept" } else { "refuse" };
            write!(
                text,
                "\n[[apt.archive]]\nname = \"{suite}\"\nmirror = \"{url}\"\n\
                 suite = \"{suite}\"\ncomponents = [\"main\"]\nkeyring = \"{keyring}\"\n\
                 signed-by = {keys}\nexpired = \"{expired}\"\n"
            )
            .unwrap();
        }
        text
    }
}

fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("\"{}\"", word.as_ref())).collect();
    format!("[{}]", words.join(", "))
}
