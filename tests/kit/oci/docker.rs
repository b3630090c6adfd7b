use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::scratch::{Said, run};

/// The real Docker of Debian's package `docker.io`, with its own storage and without network
/// access.
///
/// Dropping it stops the daemon.
#[derive(Debug)]
pub struct Docker {
    daemon: Child,
    socket: Utf8PathBuf,
}

impl Docker {
    /// Starts a daemon with its data in `folder`. Requires root.
    ///
    /// # Panics
    ///
    /// If it does not answer within a minute.
    pub fn start(folder: &Utf8Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let socket = folder.join("socket");
        let log = fs::File::create(folder.join("log"))?;
        let daemon = Command::new("dockerd")
            .args(["--host", &format!("unix://{socket}")])
            .args(["--data-root", folder.join("data").as_str()])
            .args(["--exec-root", folder.join("exec").as_str()])
            .args(["--pidfile", folder.join("pid").as_str()])
            .args(["--storage-driver", "vfs", "--bridge", "none"])
            .args(["--iptables=false", "--ip6tables=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut docker = Self { daemon, socket };
        let begun = Instant::now();
        while run(docker.command(&["version"])).code != Some(0) {
            let ended = docker.daemon.try_wait()?;
            let is_late = begun.elapsed() > Duration::from_mins(1);
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(ended.is_none() && !is_late, "dockerd does not start: {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(docker)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &format!("unix://{}", self.socket)]).args(words);
        command.stdin(Stdio::null());
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
        assert_eq!(code, Some(0), "docker {words:?}\n{out}{err}");
        out
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // SIGTERM instead of SIGKILL, so that its containerd ends too.
        let pid = self.daemon.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.daemon.wait();
    }
}
