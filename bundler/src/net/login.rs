//! Names and passwords for web servers, from `~/.netrc` or the environment.
//!
//! They are read for the first request, and are sent only to the server that they belong to. They
//! never get into a recipe, lock, log, error or bundle.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

use camino::Utf8PathBuf;
use url::Url;
use zeroize::Zeroizing;

use super::Authorization;

#[derive(Debug, Default)]
pub(super) struct Logins(Vec<Login>);

/// A name, a password and the server that they belong to.
struct Login {
    machine: Machine,
    name: String,
    password: Zeroizing<String>,
}

/// A server in the syntax of `apt_auth.conf(5)`: `[https://]host[:port][/path]`.
#[derive(Debug)]
struct Machine {
    /// `https` unless stated otherwise, because `http` would expose the password.
    scheme: String,
    host: String,
    port: Option<u16>,
    /// The prefix of the path.
    path: String,
}

/// The variable with logins in netrc syntax.
const VARIABLE: &str = "VGPU_LOGINS";

/// The largest file, in bytes.
const MAX_LEN: u64 = 1 << 20;

impl Logins {
    /// Reads the environment, then the file of the user. The first match is used.
    pub(super) fn of_user() -> Result<Self, String> {
        let mut logins = Self::default();
        if let Ok(text) = env::var(VARIABLE) {
            logins.add(&Zeroizing::new(text)).map_err(|fault| format!("`{VARIABLE}`: {fault}"))?;
        }
        let named = env::var("NETRC").ok().filter(|path| !path.is_empty());
        let home = || env::var("HOME").ok().map(|home| Utf8PathBuf::from(home).join(".netrc"));
        let Some(path) = named.clone().map(Utf8PathBuf::from).or_else(home) else {
            return Ok(logins);
        };
        let mut text = Zeroizing::new(String::new());
        let read = File::open(&path).and_then(|file| file.take(MAX_LEN).read_to_string(&mut text));
        match read {
            Ok(_) => logins.add(&text).map_err(|fault| format!("`{path}`: {fault}"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {}
            Err(error) => return Err(format!("cannot read `{path}`: {error}")),
        }
        Ok(logins)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        self.0.extend(parse(text)?);
        Ok(())
    }

    /// Returns the login for the server of `url`, if there is one.
    pub(super) fn find(&self, url: &Url) -> Option<Authorization> {
        let login = self.0.iter().find(|login| login.machine.is(url))?;
        Some(Authorization::basic(&login.name, &login.password))
    }
}

impl Machine {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        // Parse host and port as the HTTP library does.
        let url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        if !["http", "https"].contains(&url.scheme()) || !is_plain || url.query().is_some() {
            return None;
        }
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: url.host_str()?.to_owned(),
            port: url.port(),
            path: url.path().to_owned(),
        })
    }

    fn is(&self, url: &Url) -> bool {
        let is_below = || {
            let rest = url.path().strip_prefix(self.path.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        url.scheme() == self.scheme
            && url.host_str() == Some(&self.host)
            && url.port() == self.port
            && is_below()
    }
}

/// Parses the logins of a netrc file. Errors do not quote the file.
fn parse(text: &str) -> Result<Vec<Login>, String> {
    let mut logins = Vec::new();
    let mut open: Option<Open> = None;
    let mut in_macro = false;
    for (number, line) in text.lines().enumerate() {
        let fault = |what: &str| format!("line {}: {what}", number + 1);
        if in_macro || line.trim_start().starts_with('#') {
            in_macro &= !line.trim().is_empty();
            continue;
        }
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| fault("a word is missing at its end"));
            match word {
                "machine" => {
                    let machine = Machine::parse(value()?);
                    close(open.replace((machine, None, None)), &mut logins);
                }
                // A default login would be sent to every server.
                "default" => close(open.replace((None, None, None)), &mut logins),
                "login" | "password" | "account" => {
                    let value = value()?;
                    let Some((_, name, password)) = &mut open else {
                        return Err(fault("nothing says for which machine that is"));
                    };
                    match word {
                        "login" => *name = Some(value.to_owned()),
                        "password" => *password = Some(Zeroizing::new(value.to_owned())),
                        _ => {}
                    }
                }
                "macdef" => {
                    in_macro = true;
                    break;
                }
                _ => return Err(fault("expected `machine`, `login` or `password`")),
            }
        }
    }
    close(open, &mut logins);
    Ok(logins)
}

type Open = (Option<Machine>, Option<String>, Option<Zeroizing<String>>);

/// Completes a login when the next one begins. Logins for other protocols are dropped.
fn close(open: Option<Open>, logins: &mut Vec<Login>) {
    if let Some((Some(machine), Some(name), password)) = open {
        logins.push(Login { machine, name, password: password.unwrap_or_default() });
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("machine", &self.machine).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# a comment
machine mirror.example login me password secret
machine enterprise.example/debian/pve
  login pve4p-123
  password other
machine http://127.0.0.1:8080 login l password p
machine ftp://files.example login f password f
macdef init
  machine not.example login a password b

default login anonymous password anon
";

    fn who(url: &str) -> Option<String> {
        let logins = parse(TEXT).unwrap();
        let url = Url::parse(url).unwrap();
        logins.iter().find(|login| login.machine.is(&url)).map(|login| login.name.clone())
    }

    #[test]
    fn a_login_is_for_one_server_only() {
        assert_eq!(who("https://mirror.example/debian/dists/a").as_deref(), Some("me"));
        assert_eq!(who("https://enterprise.example/debian/pve/a").as_deref(), Some("pve4p-123"));
        assert_eq!(who("http://127.0.0.1:8080/x").as_deref(), Some("l"));
        for other in [
            "http://mirror.example/debian",
            "https://mirror.example:8443/debian",
            "https://mirror.example.evil.example/",
            "https://evil.example/mirror.example",
            "https://enterprise.example/debian/ceph",
            "https://enterprise.example/debian/pve-no",
            "http://127.0.0.1/x",
            "https://127.0.0.1:8080/x",
            "https://not.example/",
            "https://files.example/",
            "https://anything.example/",
        ] {
            assert_eq!(who(other), None, "{other}");
        }
    }

    #[test]
    fn faults_are_reported_without_secrets() {
        for (text, word) in [
            ("machine a.example login", "line 1: a word is missing"),
            ("\nlogin me password secret", "line 2: nothing says"),
            ("machine a.example secret", "line 1: expected"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(word) && !fault.contains("secret"), "{fault}");
        }
        let logins = parse(TEXT).unwrap();
        assert!(!format!("{logins:?}").contains("secret"));
    }
}
