use std::ffi::OsString;
use std::process::{Child, Command, Stdio};

use anyhow::anyhow;
use camino::Utf8Path;

use super::error::PIPE;
use super::watch::{self, Watched};

/// The git variables that are passed on: those that configure the access to servers. All others
/// could change the content that is read.
const KEPT: [&str; 13] = [
    "GIT_ASKPASS",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_HTTP_PROXY_AUTHMETHOD",
    "GIT_HTTP_USER_AGENT",
    "GIT_PROXY_SSL_CAINFO",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "GIT_SSL_VERSION",
];

/// Settings of every run, which override those of the user and of a repository: no hooks, no
/// programs except those that reach a server, objects checked, no submodules, no background work,
/// and a timeout of a minute for silent servers.
const SETTINGS: [&str; 18] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.alternateRefsCommand=",
    "core.attributesFile=/dev/null",
    "core.pager=cat",
    "fetch.fsckObjects=true",
    "transfer.fsckObjects=true",
    "transfer.bundleURI=false",
    "fetch.recurseSubmodules=no",
    "fetch.unpackLimit=1",
    "fetch.writeCommitGraph=false",
    "submodule.recurse=false",
    "uploadpack.packObjectsHook=",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
    "protocol.ext.allow=never",
];

/// A run of the `git` program in a controlled environment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Git<'g> {
    /// The bare repository, if the command needs one.
    repository: Option<&'g Utf8Path>,
    config: Config,
}

/// The configuration that git reads, in addition to the settings above.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Config {
    /// The configuration of the user, which may name credential helpers.
    #[default]
    User,
    /// No configuration: for a local repository, the settings would also apply to the remote end.
    None,
}

impl<'g> Git<'g> {
    /// Starts a command on a bare repository.
    pub(super) fn at(repository: &'g Utf8Path) -> Self {
        Self { repository: Some(repository), config: Config::User }
    }

    pub(super) fn with(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Returns the command, not yet started.
    pub(super) fn command(self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if is_ours(&name) {
                command.env_remove(name);
            }
        }
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command
            // Redirects and submodules must not lead to other protocols.
            .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:file")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C");
        if self.config == Config::None {
            command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        }
        if std::env::var_os("GIT_ASKPASS").is_none() {
            // Otherwise git may open a window that asks for a password.
            command.env("GIT_ASKPASS", "");
        }
        if let Some(repository) = self.repository {
            command.arg("--git-dir").arg(repository);
        }
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs git and returns its output; `doing` is for the error.
    pub(super) fn ask(self, doing: &str, args: &[&str]) -> anyhow::Result<Vec<u8>> {
        watch::run(start(self.command(args))?, doing, None)
    }

    /// Runs a command that may take long, and stops it after a silence or on too much output.
    pub(super) fn watched(
        self,
        doing: &str,
        args: &[&str],
        watched: Watched<'_>,
    ) -> anyhow::Result<()> {
        watch::run(start(self.command(args))?, doing, Some(watched)).map(drop)
    }
}

fn is_ours(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("GIT_") && !KEPT.contains(&name))
}

pub(super) fn start(mut command: Command) -> anyhow::Result<Child> {
    command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => anyhow!("there is no `git` on the PATH; install git"),
        _ => anyhow::Error::new(error).context(PIPE),
    })
}
