//! The laptop: a recipe from the node's inventory, the lock, the bundle, and the stick.

use std::fs;
use std::process::Command;

use camino::Utf8PathBuf;
use vgpu_manifest::Digest;
use vgpu_tests::nvidia::StandIn;
use vgpu_tests::roots::Roots;
use vgpu_tests::scratch::{Scratch, expect, fingerprint};
use vgpu_tests::vm::Stick;

use crate::static_build;

/// A vGPU release and the version of its host driver.
const DRIVER: (&str, &str) = ("17.6", "550.163.02");

/// The space on a stick, in MiB.
const STICK: u64 = 1024;

pub(super) struct Laptop {
    scratch: Scratch,
    /// The program for nodes.
    installer: Utf8PathBuf,
}

impl Laptop {
    /// Creates a laptop with a key and the static installer.
    pub(super) fn new() -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let words = ["key", "generate", "--principal", "alice", "--no-passphrase"];
        expect(scratch.bundler(&words), 0);
        let installer = static_build::program();
        fs::create_dir(scratch.path("first")).unwrap();
        fs::copy(&installer, scratch.path("first/vgpu-installer")).unwrap();
        Self { scratch, installer }
    }

    /// Returns a stick with the program only, for the inventory.
    pub(super) fn first_stick(&self) -> Stick {
        let stick = Stick::new(STICK);
        stick.put(&self.scratch.path("first"));
        stick
    }

    /// Builds the bundle for the inventory on a stick, and returns a stick with it.
    pub(super) fn second_stick(&self, roots: &Roots, first: &Stick) -> Stick {
        let laptop = self.scratch.path("laptop");
        first.get("node.json", &laptop.join("node.json"));
        fs::create_dir_all(laptop.join("inputs")).unwrap();
        let stand_in = StandIn::host(DRIVER.1);
        stand_in.write(&laptop.join("inputs").join(stand_in.file_name())).unwrap();

        let words = ["init", "--no-input", "--name", "node", "--driver", DRIVER.0];
        let node = ["--inventory", "node.json", "--accept-mirrors"];
        expect(self.online(roots, &[&words[..], &node].concat()), 0);
        // A stand-in is not the file that the catalog has for this version.
        let digest =
            Digest::of(&fs::read(laptop.join("inputs").join(stand_in.file_name())).unwrap());
        let recipe = expect(self.scratch.bundler(&["expand"]), 0).out;
        let path = format!("path = \"inputs/{}\"\n", stand_in.file_name());
        assert!(recipe.contains(&path), "{recipe}");
        let pinned = recipe.replace(&path, &format!("{path}sha256 = \"{digest}\"\n"));
        fs::write(laptop.join("bundle.toml"), pinned).unwrap();
        expect(self.online(roots, &["lock"]), 0);
        expect(self.online(roots, &["build"]), 0);

        let folder = self.scratch.path("stick");
        fs::create_dir(&folder).unwrap();
        let words = ["write", folder.as_str(), "--installer", self.installer.as_str()];
        expect(self.scratch.bundler(&words), 0);
        let stick = Stick::new(STICK);
        stick.put(&folder);
        stick
    }

    fn online(&self, roots: &Roots, words: &[&str]) -> Command {
        let mut command = self.scratch.bundler(words);
        if let Some(proxy) = roots.mirror().proxy() {
            command.env("http_proxy", proxy).env("https_proxy", proxy);
        }
        command
    }

    /// Returns the commands of the stick's page for an operator who has the fingerprint on paper.
    pub(super) fn page(&self) -> String {
        let page = fs::read_to_string(self.scratch.path("stick/START-HERE.txt")).unwrap();
        let paper = fingerprint(&self.scratch.path("config/vgpu-offline/key.pub"));
        let lines = page.lines().filter_map(|line| line.strip_prefix("    "));
        let set = |line: &str| {
            if line.starts_with("STICK=") {
                "STICK=/mnt".to_owned()
            } else if line.starts_with("PAPER=") {
                format!("PAPER={paper}")
            } else {
                line.to_owned()
            }
        };
        lines.map(set).collect::<Vec<_>>().join("\n")
    }
}
