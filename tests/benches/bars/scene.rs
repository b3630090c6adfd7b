//! A laptop and a node in a scratch folder, with a payload on the laptop and a bundle on the node.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::nodes::Node;
use vgpu_tests::programs::{Program, Programs};

use crate::run::have;

/// The scratch folder.
pub(crate) struct Scene {
    folder: tempfile::TempDir,
    programs: Programs,
    /// The bundle with the payload.
    pub(crate) bundle: Utf8PathBuf,
    /// A bundle of a few KiB.
    pub(crate) small_bundle: Utf8PathBuf,
    pub(crate) payload: Utf8PathBuf,
    /// The public key for minisign.
    pub(crate) minisign: Utf8PathBuf,
}

impl Scene {
    /// Creates a payload of `mib` MiB, two bundles, and a node that trusts them.
    pub(crate) fn new(mib: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| Utf8Path::from_path(folder.path()).unwrap().join(name);
        let executable = Utf8Path::new(env!("CARGO_BIN_EXE_demo"));
        let programs = Programs::link(executable, &path("bin")).unwrap();
        let scene = Self {
            programs,
            bundle: path("large/large-1.vgpu.tar"),
            small_bundle: path("small/small-1.vgpu.tar"),
            payload: path("large/payload.bin"),
            minisign: path("minisign.pub"),
            folder,
        };
        for name in ["large", "small"] {
            fs::create_dir_all(scene.path(name)).unwrap();
        }
        write_noise(&scene.payload, mib << 10);
        fs::write(scene.path("small/payload.bin"), b"small\n").unwrap();

        scene.once(
            scene.bundler("small", &["key", "generate", "--principal", "bench", "--no-passphrase"]),
        );
        for name in ["large", "small"] {
            let recipe = format!(
                "[bundle]\nname = \"{name}\"\nchannel = \"{name}\"\n\n\
                 [[file]]\nname = \"payload.bin\"\npath = \"payload.bin\"\n"
            );
            fs::write(scene.path(&format!("{name}/bundle.toml")), recipe).unwrap();
            scene.once(scene.bundler(name, &["build"]));
        }
        Node::TeslaT4.write(&scene.path("node")).unwrap();
        scene.trust();
        scene.sign_with_minisign();
        scene
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    /// Returns the command of the installer, working on the node.
    pub(crate) fn installer(&self, words: &[&str]) -> Vec<Command> {
        let mut command = self.programs.command(Program::Installer);
        command.arg("--root").arg(self.path("node")).args(words);
        vec![command]
    }

    pub(crate) fn bundler(&self, folder: &str, words: &[&str]) -> Vec<Command> {
        let mut command = self.programs.command(Program::Bundler);
        command.args(words).current_dir(self.path(folder));
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.env("XDG_CACHE_HOME", self.path("cache"));
        vec![command]
    }

    /// Returns the command of a system tool.
    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    pub(crate) fn tool(&self, name: &str, words: &[&str]) -> Vec<Command> {
        let mut command = Command::new(name);
        command.args(words);
        vec![command]
    }

    /// Applies the large bundle to a node whose store is empty.
    pub(crate) fn apply(&self) -> Vec<Command> {
        let store = self.path("node/var/lib/vgpu-offline/store");
        if store.exists() {
            fs::remove_dir_all(store).unwrap();
        }
        settle();
        self.installer(&["apply", "--yes", self.bundle.as_str()])
    }

    /// Rebuilds the large bundle; everything is in the cache.
    pub(crate) fn build(&self) -> Vec<Command> {
        let _ = fs::remove_file(&self.bundle);
        settle();
        self.bundler("large", &["build"])
    }

    /// Copies `file` and syncs the copy.
    pub(crate) fn copy(&self, file: &Utf8Path) -> Vec<Command> {
        let copy = self.path("copy");
        let _ = fs::remove_file(&copy);
        settle();
        let mut commands = self.tool("cp", &["--reflink=never", file.as_str(), copy.as_str()]);
        commands.extend(self.tool("sync", &[copy.as_str()]));
        commands
    }

    /// Returns the procedure without this project: archive, compress, sign.
    pub(crate) fn tar_zstd_minisign(&self) -> Vec<Command> {
        let archive = self.path("other.tar.zst");
        let _ = fs::remove_file(&archive);
        settle();
        let folder = self.payload.parent().unwrap();
        let tar = [
            "--use-compress-program=zstd -3",
            "-C",
            folder.as_str(),
            "-cf",
            archive.as_str(),
            "payload.bin",
        ];
        let key = self.path("minisign.key");
        let sign = ["-S", "-W", "-s", key.as_str(), "-m", archive.as_str()];
        let mut commands = self.tool("tar", &tar);
        commands.extend(self.tool("minisign", &sign));
        commands.extend(self.tool("sync", &[archive.as_str()]));
        commands
    }

    fn trust(&self) {
        let key = self.path("config/vgpu-offline/key.pub");
        let text = fs::read_to_string(&key).unwrap();
        let key_file: vgpu_keys::PublicKey = text.trim().parse().unwrap();
        let fingerprint = key_file.fingerprint().to_string();
        let words = [
            "trust",
            "add",
            key.as_str(),
            "--principal",
            "bench",
            "--channel",
            "large",
            "--channel",
            "small",
            "--fingerprint",
            &fingerprint,
        ];
        self.once(self.installer(&words));
    }

    fn sign_with_minisign(&self) {
        if have("minisign") {
            let key = self.path("minisign.key");
            let new = ["-G", "-W", "-p", self.minisign.as_str(), "-s", key.as_str()];
            let sign = ["-S", "-W", "-s", key.as_str(), "-m", self.bundle.as_str()];
            self.once(self.tool("minisign", &new));
            self.once(self.tool("minisign", &sign));
        }
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    pub(crate) fn once(&self, commands: Vec<Command>) {
        for mut command in commands {
            let output = command.stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {said}");
        }
    }
}

/// Writes all dirty pages, so that no run pays for the bytes of another.
pub(crate) fn settle() {
    rustix::fs::sync();
}

/// Writes bytes that do not repeat or compress; each file has different ones.
pub(crate) fn write_noise(path: &Utf8Path, kib: usize) {
    let seed =
        path.as_str().bytes().fold(7, |seed, byte| seed * 31_u64 % 1_000_003 + u64::from(byte));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ seed;
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path).unwrap());
    for _ in 0..kib << 7 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        file.write_all(&state.to_le_bytes()).unwrap();
    }
    file.into_inner().unwrap().sync_all().unwrap();
}
