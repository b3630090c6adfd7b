use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use crate::scratch::{Said, run};

/// podman with storage of its own, which needs nothing of the kernel.
#[derive(Debug)]
pub struct Podman {
    storage: Utf8PathBuf,
}

impl Podman {
    /// With its storage in `folder`.
    #[must_use]
    pub fn new(folder: &Utf8Path) -> Self {
        Self { storage: folder.to_owned() }
    }

    /// A command of it.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.args(["--root", self.storage.join("root").as_str()]);
        command.args(["--runroot", self.storage.join("run").as_str()]);
        command.args(["--storage-driver", "vfs"]).args(words).stdin(Stdio::null());
        command
    }

    /// Run a command of it that must succeed, and return what it prints.
    ///
    /// # Panics
    /// If it fails.
    #[expect(clippy::must_use_candidate, reason = "some are run for what they do")]
    pub fn ok(&self, words: &[&str]) -> String {
        let Said { code, out, err } = run(self.command(words));
        assert_eq!(code, Some(0), "podman {words:?}\n{out}{err}");
        out
    }

    /// A command that runs a container, with what it takes inside of another container: `runc`,
    /// which knows control groups of both versions side by side; no log of systemd's; and limits
    /// that nobody has to raise.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Command {
        let mut command = self.command(&["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
        command.args(["run", "--log-driver", "k8s-file"]);
        command.args(["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]).args(words);
        command
    }
}
