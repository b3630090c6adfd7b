use std::ffi::OsString;
use std::process::{Child, Command, Stdio};

use anyhow::anyhow;
use camino::Utf8Path;

use super::error::PIPE;
use super::watch::{self, Watched};

/// The variables of git's that are left as the user has set them: how to reach a server, and where
/// the configuration with the credential helpers is. All others could change what is read.
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

/// What holds for each run, whatever the user's or a repository's configuration says: no hooks, no
/// programs but those that reach a server, objects checked, no submodules, nothing in the background,
/// and a server that is silent for a minute is given up.
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

/// The `git` program, so that nothing but what we ask for happens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Git<'g> {
    /// The bare repository that it works on, if it needs one.
    repository: Option<&'g Utf8Path>,
    config: Config,
}

/// Whose configuration holds, besides our own settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Config {
    /// That of the user, who may need credentials.
    #[default]
    User,
    /// Nobody's: where both ends are on this machine, the other one does not get our settings.
    None,
}

impl<'g> Git<'g> {
    /// At work on a bare repository.
    pub(super) fn at(repository: &'g Utf8Path) -> Self {
        Self { repository: Some(repository), config: Config::User }
    }

    /// With this configuration.
    pub(super) fn with(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// A run of it, to be started.
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
            // No other kind of address leads anywhere, whatever a server or a submodule says.
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
            // Or a window would open where there is one.
            command.env("GIT_ASKPASS", "");
        }
        if let Some(repository) = self.repository {
            command.arg("--git-dir").arg(repository);
        }
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Run it and return what it says; `doing` is for the error.
    pub(super) fn ask(self, doing: &str, args: &[&str]) -> anyhow::Result<Vec<u8>> {
        watch::run(start(self.command(args))?, doing, None)
    }

    /// Run something that may take long, and stop it when nothing happens or too much comes.
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
