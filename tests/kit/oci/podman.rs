use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use crate::scratch::{Said, run};

/// podman with its own storage, without special kernel features.
#[derive(Debug)]
pub struct Podman {
    storage: Utf8PathBuf,
}

impl Podman {
    /// Returns podman with its storage in `folder`.
    #[must_use]
    pub fn new(folder: &Utf8Path) -> Self {
        Self { storage: folder.to_owned() }
    }

    /// Returns a podman command.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.args(["--root", self.storage.join("root").as_str()]);
        command.args(["--runroot", self.storage.join("run").as_str()]);
        command.args(["--storage-driver", "vfs"]).args(words).stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed, and returns its output.
    ///
    /// # Panics
    ///
    /// If it fails.
    #[expect(clippy::must_use_candidate, reason = "some are run for what they do")]
    pub fn ok(&self, words: &[&str]) -> String {
        let Said { code, out, err } = run(self.command(words));
        assert_eq!(code, Some(0), "podman {words:?}\n{out}{err}");
        out
    }

    /// Returns a command that runs a container inside another container: with `runc`, which
    /// supports control groups of both versions; without a journald log; and without raised limits.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Command {
        let mut command = self.command(&["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
        command.args(["run", "--log-driver", "k8s-file"]);
        command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]).args(words);
        command
    }
}
