//! Inspection of this machine.

use std::env;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_keys::Agent;

use crate::apt::Verifier;
use crate::items::unlock::Lacking;
use crate::trust;
use crate::types::Toolchain;

/// The state of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Laptop {
    pub(super) cache: Place,
    pub(super) output: Place,
    /// The current time, in seconds since 1970.
    pub(super) now: u64,
    pub(super) key: KeyState,
    /// The keys in the ssh-agent, if there is one.
    pub(super) agent: Result<usize, String>,
    /// The number of allowed signers, or why there are none.
    pub(super) signers: Result<usize, String>,
    /// The number of trusted certificates.
    pub(super) certificates: usize,
    /// The configured proxies, without user names and passwords, or why one cannot be used.
    pub(super) proxies: Vec<Result<String, String>>,
    /// The version lines of programs; `None` for a missing one.
    pub(super) git: Option<String>,
    pub(super) megadl: Option<String>,
    /// The program that checks signatures of package archives.
    pub(super) verifier: Option<String>,
    pub(super) toolchain: Result<Toolchain, Lacking>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) path: Utf8PathBuf,
    /// The free bytes, or why the folder is not writable.
    pub(super) free: Result<u64, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyState {
    /// Exists, readable by its owner only.
    Good(Utf8PathBuf),
    /// Exists, readable by others.
    Open(Utf8PathBuf),
    NotThere(Utf8PathBuf),
}

/// The paths to inspect.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) cache: Utf8PathBuf,
    pub(crate) output: Utf8PathBuf,
    pub(crate) key: Utf8PathBuf,
    pub(crate) signers: Utf8PathBuf,
}

impl Laptop {
    /// Inspects this machine without using the network, and leaves nothing behind.
    pub(crate) fn look(places: &Places) -> Self {
        Self {
            cache: Place::look(&places.cache),
            output: Place::look(&places.output),
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            key: key(&places.key),
            agent: agent(),
            signers: signers(&places.signers),
            certificates: crate::net::certificates(),
            proxies: proxies(),
            git: says("git", &["--version"]),
            megadl: says("megadl", &["--version"]),
            verifier: Verifier::ALL.iter().find_map(|it| says(it.name(), &["--version"])),
            toolchain: Toolchain::find(),
        }
    }
}

impl Place {
    /// Checks whether the folder is writable. For a missing folder, its closest existing parent is
    /// checked.
    fn look(path: &Utf8Path) -> Self {
        let there = path.ancestors().find(|folder| folder.as_str().is_empty() || folder.exists());
        let folder = there.filter(|it| !it.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
        let free = || {
            tempfile::Builder::new().prefix(".doctor-").tempfile_in(folder)?;
            let stat = rustix::fs::statvfs(folder.as_std_path())?;
            Ok::<_, io::Error>(stat.f_bavail.saturating_mul(stat.f_frsize))
        };
        Self { path: path.to_owned(), free: free().map_err(|error| error.to_string()) }
    }
}

fn key(path: &Utf8Path) -> KeyState {
    let path = path.to_owned();
    match fs::metadata(&path).map(|meta| meta.permissions()) {
        Ok(permissions) if is_open(&permissions) => KeyState::Open(path),
        Ok(_) => KeyState::Good(path),
        Err(_) => KeyState::NotThere(path),
    }
}

fn is_open(permissions: &Permissions) -> bool {
    permissions.mode() & 0o077 != 0
}

fn agent() -> Result<usize, String> {
    let socket = env::var_os("SSH_AUTH_SOCK").ok_or("there is none")?;
    let keys = Agent::connect(socket).and_then(|agent| agent.keys());
    keys.map(|keys| keys.len()).map_err(|error| error.to_string())
}

fn signers(path: &Utf8Path) -> Result<usize, String> {
    match trust::read(path) {
        Ok(Some(signers)) => Ok(signers.iter().count()),
        Ok(None) => Err(format!("there is no `{path}`")),
        Err(error) => Err(error.to_string()),
    }
}

/// The environment variables that downloads use.
const PROXIES: [&str; 6] =
    ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

fn proxies() -> Vec<Result<String, String>> {
    let set = PROXIES.iter().filter_map(|name| Some((name, env::var(name).ok()?)));
    set.filter(|(_, value)| !value.is_empty()).map(|(name, value)| proxy(name, &value)).collect()
}

/// Returns a proxy without the user name and password, which precede the last `@`.
fn proxy(name: &str, value: &str) -> Result<String, String> {
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host).trim_end_matches('/');
    let known = ["http", "https"].contains(&scheme);
    let good = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
    if known && !host.is_empty() && host.chars().all(good) {
        Ok(format!("{name} is {scheme}://{host}"))
    } else {
        Err(format!("{name} is no address of an HTTP proxy"))
    }
}

/// Returns the first line of the output of a program, if it exists.
fn says(program: &str, words: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_proxies_are_not_shown() {
        assert_eq!(
            proxy("https_proxy", "http://me:secret@p@proxy.example:3128/"),
            Ok("https_proxy is http://proxy.example:3128".to_owned())
        );
        assert_eq!(proxy("a", "proxy.example:1"), Ok("a is http://proxy.example:1".to_owned()));
        for bad in ["socks5://x:1", "http://", "http://a b", "http://x/path"] {
            let error = proxy("a", bad).unwrap_err();
            assert!(!error.contains("//"), "{error}");
        }
    }

    #[test]
    fn what_is_not_there_says_nothing() {
        assert_eq!(says("no-such-program-anywhere", &["--version"]), None);
        assert_eq!(says("false", &[]), None);
        let nowhere = Place::look(Utf8Path::new("/proc/nowhere/at/all"));
        assert!(nowhere.free.is_err());
    }
}
