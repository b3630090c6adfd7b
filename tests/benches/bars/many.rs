//! Projects of many items: files on this machine, and downloads.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use camino::Utf8PathBuf;

use crate::liar::{Act, Liar};
use crate::scene::{Scene, settle, write_noise};

/// A project with the size and composition of a real one: drivers, about two hundred packages, an
/// image.
pub(crate) struct Many {
    folder: Utf8PathBuf,
}

impl Many {
    /// Files of `mib` MiB in total, locked and in the cache.
    pub(crate) fn new(scene: &Scene, mib: usize) -> Self {
        let folder = scene.path("many");
        fs::create_dir_all(folder.join("payload")).unwrap();
        // In hundredths of the total, and in KiB for small files.
        let large = [("host.run", 6), ("guest.run", 30), ("guest.exe", 24), ("image.tar", 36)];
        let mut names: Vec<String> = Vec::new();
        for (name, share) in large {
            write_noise(&folder.join("payload").join(name), (mib * share * 1024 / 100).max(1));
            names.push(name.to_owned());
        }
        let rest = (mib * 4 * 1024 / 100).max(202);
        for at in 0..202 {
            let name = format!("package-{at:03}.deb");
            // Most packages are small, and a few have nearly all the bytes.
            let kib = if at % 20 == 0 { rest / 12 } else { 1 + rest / 2000 + at % 7 };
            write_noise(&folder.join("payload").join(&name), kib);
            names.push(name);
        }
        write_recipe(
            &folder,
            "many",
            names.iter().map(|name| format!("path = \"payload/{name}\"")),
        );
        scene.once(scene.bundler("many", &["build"]));
        Self { folder }
    }

    /// Rebuilds the bundle.
    pub(crate) fn build(&self, scene: &Scene) -> Vec<Command> {
        let _ = fs::remove_file(self.folder.join("many-1.vgpu.tar"));
        settle();
        scene.bundler("many", &["build", "--offline"])
    }

    /// Copies the files, and syncs the copies.
    pub(crate) fn copy(&self, scene: &Scene) -> Vec<Command> {
        let copy = scene.path("copies");
        let _ = fs::remove_dir_all(&copy);
        settle();
        let payload = self.folder.join("payload");
        let words = ["-r", "--reflink=never", payload.as_str(), copy.as_str()];
        let mut commands = scene.tool("cp", &words);
        commands.extend(scene.tool("sync", &["-f", copy.as_str()]));
        commands
    }
}

/// A project whose items come from servers that limit each connection.
pub(crate) struct Slow {
    cache: Utf8PathBuf,
    _servers: Vec<Liar>,
}

/// The rate of a connection, in bytes per second.
const RATE: u64 = 8 << 20;

impl Slow {
    /// Sixteen downloads of 4 MiB, locked.
    pub(crate) fn new(scene: &Scene) -> Self {
        let folder = scene.path("slow");
        fs::create_dir_all(&folder).unwrap();
        let server = |at: u8| {
            let content: Vec<u8> = [at, 1, 2, 3].repeat(1 << 20);
            Liar::new(&content, [Act::Rate(RATE)])
        };
        let servers: Vec<Liar> = (0..16).map(server).collect();
        write_recipe(&folder, "slow", servers.iter().map(|it| format!("url = \"{}\"", it.url())));
        scene.once(scene.bundler("slow", &["lock", "--jobs", "16"]));
        Self { cache: scene.path("slow-cache"), _servers: servers }
    }

    /// Fetches everything into an empty cache, with this many downloads in parallel.
    pub(crate) fn fetch(&self, scene: &Scene, jobs: &str) -> Vec<Command> {
        let _ = fs::remove_dir_all(&self.cache);
        settle();
        scene.bundler("slow", &["fetch", "--jobs", jobs, "--cache", self.cache.as_str()])
    }
}

fn write_recipe(folder: &Utf8PathBuf, name: &str, items: impl Iterator<Item = String>) {
    let mut recipe = format!("[bundle]\nname = \"{name}\"\nchannel = \"{name}\"\n");
    for (at, source) in items.enumerate() {
        writeln!(recipe, "[[file]]\nname = \"item-{at}\"\n{source}").unwrap();
    }
    fs::write(folder.join("bundle.toml"), recipe).unwrap();
}
