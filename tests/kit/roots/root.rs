//! A root that a test may change.

#![expect(clippy::missing_panics_doc, reason = "a root that does not work fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::Mirror;
use super::cache::{COPIES, copy, remove};
use crate::scratch::{Said, expect, run};
use crate::tree::Snapshot;

/// The apt settings for reaching this machine's mirror.
const SETTINGS: &str = "etc/apt/apt.conf.d/99machine";

/// The complete environment of programs in a root.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("TERM", "dumb"),
];

/// A root file system.
#[derive(Debug)]
pub struct Root {
    path: Utf8PathBuf,
    mirror: Mirror,
    fresh: Option<Fresh>,
}

/// The parts of a copy.
#[derive(Debug)]
struct Fresh {
    is: Kind,
    /// The lower layers for another overlay on top of this one, the uppermost first, as mount(8)
    /// expects them.
    layers: String,
    /// The folder, which is removed on drop.
    folder: tempfile::TempDir,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Overlay,
    Files,
}

impl Root {
    /// Returns the root in a folder, which is not removed on drop.
    pub(super) fn at_folder(path: &Utf8Path, mirror: &Mirror) -> Self {
        Self { path: path.to_owned(), mirror: mirror.clone(), fresh: None }
    }

    /// Returns a copy of `lower` in a new folder below `folder`.
    pub(super) fn over(lower: &Utf8Path, folder: &Utf8Path, mirror: &Mirror) -> Self {
        let copies = folder.join(COPIES);
        fs::create_dir_all(&copies).expect("a folder");
        Self::on(lower, lower.as_str(), &copies, mirror)
    }

    /// Returns a copy of the current state of this copy. While the new copy exists, this one must
    /// not be changed.
    #[must_use]
    pub fn fork(&self) -> Self {
        let copies = self.path.ancestors().nth(2).expect("a folder of copies");
        let Some(Fresh { is, layers, folder }) = &self.fresh else {
            panic!("{}: only a copy can be copied again", self.path)
        };
        let upper = folder.path().join("upper");
        let layers = match is {
            Kind::Overlay => format!("{}:{layers}", upper.display()),
            Kind::Files => self.path.to_string(),
        };
        Self::on(&self.path, &layers, copies, &self.mirror)
    }

    /// Returns a copy of the tree at `lower`, which consists of `layers`, in a new folder in
    /// `copies`.
    fn on(lower: &Utf8Path, layers: &str, copies: &Utf8Path, mirror: &Mirror) -> Self {
        let folder = tempfile::tempdir_in(copies).expect("a folder");
        let at = |name: &str| Utf8PathBuf::from_path_buf(folder.path().join(name)).expect("UTF-8");
        let path = at("root");
        let is = if overlay(lower, layers, &[at("upper"), at("work"), path.clone()]) {
            Kind::Overlay
        } else {
            remove(&path);
            copy(lower, &path);
            Kind::Files
        };
        let fresh = Fresh { is, layers: layers.to_owned(), folder };
        Self { path, mirror: mirror.clone(), fresh: Some(fresh) }
    }

    /// Returns its path, as this process sees it.
    #[must_use]
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Returns the location of one of its paths, as this process sees it.
    #[must_use]
    pub fn at(&self, path: &str) -> Utf8PathBuf {
        self.path.join(path.trim_start_matches('/'))
    }

    /// Writes one of its files, and creates the parent folders.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Returns a command in the root, without a network, not even the machine's loopback.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.enter();
        command.arg("--net").args(["--"]).args(words);
        command
    }

    /// Returns a command in the root, with the machine's network. Call [`Root::connect`] first.
    #[must_use]
    pub fn online(&self, words: &[&str]) -> Command {
        let mut command = self.enter();
        for name in ["http_proxy", "https_proxy", "no_proxy"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.args(["--"]).args(words);
        command
    }

    fn enter(&self) -> Command {
        let mut command = Command::new("unshare");
        // A separate process namespace: all processes end with the command, and `reboot` affects
        // only them.
        command.args(["--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]);
        command.args(["--mount-proc", &format!("--root={}", self.path), "--wd=/"]);
        command.env_clear().envs(ENVIRONMENT).stdin(Stdio::null());
        command
    }

    /// Runs a command without a network.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Said {
        run(self.command(words))
    }

    /// Configures access to the machine's mirror, and reads its indexes.
    pub fn connect(&self) {
        self.write("etc/resolv.conf", fs::read("/etc/resolv.conf").unwrap_or_default());
        self.write(SETTINGS, self.mirror.settings());
        for path in self.mirror.settings().lines().filter_map(certificates) {
            self.write(path, fs::read(path).expect("certificates of apt's configuration"));
        }
        let roots = "etc/ssl/certs/ca-certificates.crt";
        if let Ok(certificates) = fs::read(format!("/{roots}")) {
            self.write(roots, certificates);
        }
        expect(self.online(&["apt-get", "--quiet", "update"]), 0);
    }

    /// Removes the configuration of [`Root::connect`].
    pub(super) fn disconnect(&self) {
        for path in ["etc/resolv.conf", SETTINGS] {
            fs::remove_file(self.at(path)).expect("a file of `connect`");
        }
        let lists = self.at("var/lib/apt/lists");
        remove(&lists);
        for folder in [lists.clone(), lists.join("partial"), lists.join("auxfiles")] {
            fs::create_dir(folder).expect("a folder");
        }
    }

    /// Installs packages from the mirror, without recommended packages.
    pub fn install(&self, packages: &[&str]) {
        let words = ["apt-get", "--yes", "--quiet", "--no-install-recommends", "install"];
        let mut command = self.online(&[&words, packages].concat());
        // The copy is temporary, so its data need not reach the disk.
        command.env("DPKG_FORCE", "unsafe-io");
        expect(command, 0);
    }

    /// Returns the installed packages, by name and architecture: version, state, and whether they
    /// were requested explicitly. A revert restores exactly this.
    #[must_use]
    pub fn packages(&self) -> BTreeMap<String, String> {
        let format = "${Package}:${Architecture} ${Version} ${Status}\\n";
        let listed = expect(self.command(&["dpkg-query", "--show", "--showformat", format]), 0).out;
        let marked = expect(self.command(&["apt-mark", "showauto"]), 0).out;
        let state = |line: &str| {
            let (name, state) = line.split_once(' ')?;
            let plain = name.split(':').next()?;
            let mark = if marked.lines().any(|it| it == plain) { "auto" } else { "manual" };
            Some((name.to_owned(), format!("{state} {mark}")))
        };
        listed.lines().filter_map(state).collect()
    }

    /// Returns its whole tree, except the paths in `except` and everything below them.
    #[must_use]
    pub fn snapshot(&self, except: &[&str]) -> Snapshot {
        Snapshot::of(&self.path, except).expect("a tree that can be read")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(Fresh { is: Kind::Overlay, .. }) = &self.fresh {
            // The folder below is removed next, by its own drop.
            let _ = Command::new("umount").args(["--lazy", self.path.as_str()]).status();
        }
    }
}

/// Mounts an overlay of these layers, which together are the tree at `lower`, if this process has
/// its own mounts and the kernel supports it.
fn overlay(lower: &Utf8Path, layers: &str, folders: &[Utf8PathBuf; 3]) -> bool {
    for folder in folders {
        fs::create_dir(folder).expect("a folder");
    }
    let [upper, work, path] = folders;
    let mode = fs::metadata(lower).expect("a root").permissions();
    fs::set_permissions(upper, mode).expect("a mode");
    if std::env::var_os(super::mounts::MARK).is_none() {
        return false;
    }
    // With `redirect_dir`, folders can be renamed as on any other file system.
    let options = format!("lowerdir={layers},upperdir={upper},workdir={work},redirect_dir=on");
    let words = ["-t", "overlay", "overlay", "-o", &options, path.as_str()];
    Command::new("mount").args(words).output().is_ok_and(|output| output.status.success())
}

/// Returns the certificate file that a line of apt's settings names.
fn certificates(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(' ')?;
    let is_file = ["::CAInfo", "::CaInfo"].iter().any(|suffix| name.ends_with(suffix));
    is_file.then(|| value.trim_matches(['"', ';']))
}
