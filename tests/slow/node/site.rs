//! A root with the installer in it, and the operations on both.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use vgpu_tests::kit::Kit;
use vgpu_tests::programs::{Program, Programs};
use vgpu_tests::roots::Root;
use vgpu_tests::scratch::{Said, expect, fingerprint};

/// The program in the root, where an operator would copy it.
const PROGRAM: &str = "/root/vgpu-installer";

/// The path of a bundle in the root, as on a stick.
const BUNDLE: &str = "/mnt/bundle.vgpu.tar";

/// Runs the installer on the root from outside.
const OUTSIDE: &str = include_str!("outside.sh");

/// A node: a root that trusts the key of a kit.
pub(crate) struct Site {
    pub(crate) root: Root,
    /// The installer on the machine, for a root whose glibc is too old for a debug build: it works
    /// on the root from outside, and its commands run inside.
    outside: Option<(TempDir, Programs)>,
    /// A script that runs the installer on a simulated machine.
    wrapper: Option<&'static str>,
}

impl Site {
    /// Installs the program in the root, and trusts the kit's key.
    pub(crate) fn new(root: Root, kit: &Kit) -> Self {
        Self::trusting(root, &kit.path("key.pub"))
    }

    /// Installs the program in the root, and trusts a key.
    pub(crate) fn trusting(root: Root, key: &Utf8Path) -> Self {
        let demo = env!("CARGO_BIN_EXE_demo");
        std::fs::copy(demo, root.at(PROGRAM)).unwrap();
        root.write("/root/key.pub", std::fs::read(key).unwrap());
        let runs = root.run(&[PROGRAM, "--version"]).code == Some(0);
        let outside = (!runs).then(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(folder.path()).unwrap().to_owned();
            (folder, Programs::link(Utf8Path::new(demo), &path).unwrap())
        });
        let site = Self { root, outside, wrapper: None };
        let fingerprint = fingerprint(key);
        let key = site.path("/root/key.pub");
        let words = ["trust", "add", key.as_str(), "--principal", "alice"];
        let more = ["--channel", "stable", "--fingerprint", &fingerprint];
        site.run(&[&words[..], &more].concat(), 0);
        site
    }

    /// Copies this site in its current state. While the copy lives, this site must only be read.
    pub(crate) fn fork(&self) -> Self {
        assert!(!self.is_outside(), "the programs outside belong to one site");
        Self { root: self.root.fork(), outside: None, wrapper: self.wrapper }
    }

    /// Returns the same site, with the installer started by this script.
    pub(crate) fn with_wrapper(self, script: &'static str) -> Self {
        Self { wrapper: Some(script), ..self }
    }

    /// Copies a bundle to the stick.
    pub(crate) fn insert(&self, bundle: &Utf8Path) {
        std::fs::copy(bundle, self.root.at(BUNDLE)).unwrap();
    }

    /// Returns the path of that bundle as an argument of the installer.
    pub(crate) fn bundle(&self) -> Utf8PathBuf {
        self.path(BUNDLE)
    }

    /// Checks whether the installer works on the root from outside.
    pub(crate) fn is_outside(&self) -> bool {
        self.outside.is_some()
    }

    /// Returns the installer's command in the root, without a network.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let Some((_, programs)) = &self.outside else {
            let program: &[&str] = match &self.wrapper {
                Some(script) => &["sh", "-e", "-c", script, "sh"],
                None => &[PROGRAM],
            };
            return self.root.command(&[program, words].concat());
        };
        let root = self.root.path().as_str();
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--"]);
        command.args(["sh", "-e", "-c", OUTSIDE, "sh", root]);
        command.arg(programs.path(Program::Installer));
        command.args(["--root", root, "--chroot"]).args(words);
        command.stdin(Stdio::null());
        command
    }

    /// Returns a path of the root as an argument of the installer.
    fn path(&self, path: &str) -> Utf8PathBuf {
        if self.outside.is_some() { self.root.at(path) } else { path.into() }
    }

    /// Runs the installer and checks its exit status.
    pub(crate) fn run(&self, words: &[&str], code: i32) -> Said {
        expect(self.command(words), code)
    }

    /// Applies the bundle on the stick.
    pub(crate) fn apply(&self, code: i32) -> Said {
        self.run(&["apply", self.path(BUNDLE).as_str(), "--yes"], code)
    }

    /// Starts to apply the bundle on the stick, or to revert it, and cuts the power.
    pub(crate) fn cut(&self, words: &[&str], after: Duration) -> bool {
        let mut command = self.command(words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        // `unshare --kill-child` ends all processes of the root with it, including dpkg's.
        let was_running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        // The kernel ends them one by one; the last holder of the lock has ended when the lock is
        // free.
        let lock = self.root.at("/var/lib/vgpu-offline/lock");
        while File::open(&lock).is_ok_and(|lock| lock.try_lock().is_err()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        was_running
    }

    /// Returns the arguments that apply the bundle on the stick.
    pub(crate) fn apply_words() -> [&'static str; 3] {
        ["apply", BUNDLE, "--yes"]
    }

    /// Returns every package with version, state and mark: the guarantee of an undo of packages.
    pub(crate) fn packages(&self) -> String {
        let format = "${binary:Package} ${Version} ${Status}\n";
        let list = expect(self.root.command(&["dpkg-query", "-W", "-f", format]), 0).out;
        let auto = expect(self.root.command(&["apt-mark", "showauto"]), 0).out;
        format!("{list}\nautomatic:\n{auto}")
    }
}

/// Downloads the Debian packages that apt would install for these, from the mirror, into a folder
/// of the root.
pub(crate) fn download(root: &Root, packages: &[&str]) -> Vec<Utf8PathBuf> {
    root.connect();
    let words = ["apt-get", "-y", "-q", "--no-install-recommends", "--download-only", "install"];
    expect(root.online(&[&words, packages].concat()), 0);
    let folder = root.at("/var/cache/apt/archives");
    let files = folder.read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path());
    let mut files: Vec<_> = files.filter(|path| path.extension() == Some("deb")).collect();
    files.sort();
    files
}

/// Returns the control file of a package.
pub(crate) fn control(file: &Utf8Path) -> String {
    let mut command = Command::new("dpkg-deb");
    command.args(["--field", file.as_str()]);
    expect(command, 0).out
}
