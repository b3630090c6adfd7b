//! Namespaces in which this program is root, with or without being root itself.

use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail};
use camino::Utf8Path;
use vgpu_manifest::ui::Exit;

use crate::ui::Advise as _;

/// Runs a program in a root.
const ENTER: &str = include_str!("enter.sh");

/// The complete environment of programs in a root.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
    ("TERM", "dumb"),
];

/// How this program gets the rights of root in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// It runs as root.
    Root,
    /// It maps the user, and the ids that `/etc/subuid` lends to the user.
    User,
}

impl Rights {
    /// Detects how this machine gives the rights of root.
    ///
    /// # Errors
    ///
    /// The machine does not let users have namespaces.
    pub(super) fn detect() -> anyhow::Result<Self> {
        if rustix::process::geteuid().is_root() {
            return Ok(Self::Root);
        }
        let tried = Self::User.outside().arg("true").stdin(Stdio::null()).output();
        let output =
            tried.context("cannot run `unshare`").hint("install util-linux 2.38 or newer")?;
        if output.status.success() {
            return Ok(Self::User);
        }
        let why = String::from_utf8_lossy(&output.stderr);
        let why = why.lines().next().unwrap_or_default().trim_start_matches("unshare: ").to_owned();
        let refused = anyhow!("this machine does not let users have namespaces: {why}");
        Err(refused).exit(Exit::Failed).hint(
            "install `uidmap`, give the user a range in /etc/subuid and /etc/subgid, and allow \
             user namespaces (`sysctl kernel.unprivileged_userns_clone \
             kernel.apparmor_restrict_unprivileged_userns`); or run this command as root",
        )
    }

    /// Returns the mode of `mmdebstrap`.
    pub(super) fn mode(self) -> &'static str {
        match self {
            Self::Root => "--mode=root",
            Self::User => "--mode=unshare",
        }
    }

    /// Returns a command that runs its arguments as root on the file system of this machine.
    pub(super) fn outside(self) -> Command {
        let mut command = Command::new("unshare");
        if self == Self::User {
            command.args(["--user", "--map-auto", "--map-root-user"]);
        }
        command.arg("--mount");
        command
    }

    /// Returns a command in the root at `path`, without a network. All of its processes end with it.
    pub(super) fn inside(self, path: &Utf8Path, words: &[&str]) -> Command {
        let mut command = self.outside();
        command.args(["--pid", "--ipc", "--uts", "--net", "--fork", "--kill-child", "--"]);
        command.args(["sh", "-e", "-c", ENTER, "sh", path.as_str()]).args(words);
        command.env_clear().envs(ENVIRONMENT).stdin(Stdio::null());
        command
    }

    /// Runs a program on the file system of this machine, and fails with its output if it does.
    pub(super) fn run(self, words: &[&str]) -> anyhow::Result<()> {
        let output = self.outside().arg("--").args(words).stdin(Stdio::null()).output();
        let output = output.with_context(|| format!("cannot run `{}`", words.join(" ")))?;
        if output.status.success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().next_back().unwrap_or_default().to_owned();
        bail!("`{}` failed with {}: {last}", words.join(" "), output.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_a_root_has_no_network_and_nothing_of_the_users_environment() {
        for rights in [Rights::Root, Rights::User] {
            let command = rights.inside(Utf8Path::new("/a root"), &["true"]);
            let words: Vec<_> = command.get_args().map(|word| word.to_str().unwrap()).collect();
            assert!(words.contains(&"--net") && words.ends_with(&["sh", "/a root", "true"]));
            assert_eq!(words.contains(&"--user"), rights == Rights::User);
            assert_eq!(command.get_envs().count(), ENVIRONMENT.len());
        }
    }
}
