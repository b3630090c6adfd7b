//! License servers elsewhere: on another node, or NVIDIA's own.
//!
//! Guests migrate, so a cluster has one server, and its other nodes write the same files for
//! guests.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::address::{AddressError, GuestHost};
use super::guest::Told;
use super::service::{Port, Service};
use super::{LicenseError, data};
use crate::host::own::{folder_mode, license, private};
use crate::host::{Host, HostError, Look, OwnPath, OwnState};

/// The license server for guests of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Elsewhere {
    /// The server at this address, verified by this root certificate in PEM.
    Server { url: ServerUrl, root: String },
    /// The server in this token, which the NVIDIA License System creates for its guests.
    Token(String),
}

/// The URL of a license server: `https://dls.example:8443`. The default port is 443.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct ServerUrl {
    pub(crate) host: GuestHost,
    pub(crate) port: Port,
}

/// The reason why a text is not the URL of a license server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum UrlError {
    #[error("`{}` is not the URL of a license server, such as `https://dls.example:8443`", .0.escape_debug())]
    Syntax(String),
    #[error(transparent)]
    Host(#[from] AddressError),
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let syntax = || UrlError::Syntax(text.to_owned());
        let rest = text.strip_prefix("https://").ok_or_else(syntax)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(v6) => {
                let (address, port) = v6.split_once(']').ok_or_else(syntax)?;
                (address, port.strip_prefix(':').or((port.is_empty()).then_some("443")))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, Some("443")),
            },
        };
        let port = port.and_then(|port| port.parse().ok()).ok_or_else(syntax)?;
        Ok(Self { host: host.parse()?, port })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}:{}", self.host.in_url(), self.port)
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.to_string()
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        text.parse()
    }
}

fn path() -> OwnPath {
    license().join("elsewhere.json")
}

/// Returns the configured server elsewhere, if there is one.
pub(crate) fn load(look: &dyn Look) -> Result<Option<Elsewhere>, HostError> {
    let Some(bytes) = look.read(&path())? else { return Ok(None) };
    Ok(serde_json::from_slice(&bytes).ok())
}

/// Points guests of this node at the server.
pub(crate) fn save(host: &mut dyn Host, elsewhere: &Elsewhere) -> Result<(), LicenseError> {
    let mut own = OwnState::of(host);
    own.ensure_dir(&license(), folder_mode())?;
    let text = serde_json::to_vec(elsewhere)
        .unwrap_or_else(|_| unreachable!("a server's address is plain data"));
    Ok(own.replace(&path(), &text, private())?)
}

/// Returns the server for guests of this node: `service`, if it is installed or about to be, else
/// the one elsewhere. Returns `None` without a root certificate of the service.
pub(crate) fn told(
    look: &dyn Look,
    service: Option<&Service>,
) -> Result<Option<Told>, LicenseError> {
    let Some(service) = service else {
        return Ok(load(look)?.map(|elsewhere| match elsewhere {
            Elsewhere::Server { url, root } => Told::Server { url, root },
            Elsewhere::Token(token) => Told::Token(token),
        }));
    };
    let url = ServerUrl { host: service.host.clone(), port: service.port };
    let root = look.text(&data::root_certificate())?;
    Ok(root.map(|root| Told::Server { url, root }))
}

/// Checks whether a text is a token: three base64url parts with dots between them.
#[must_use]
pub(crate) fn is_token(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    text.split('.').count() == 3 && text.split('.').all(is_part)
}

/// Checks whether a text is one certificate in PEM without blank lines, so that it cannot end a
/// here-document.
#[must_use]
pub(crate) fn is_certificate(text: &str) -> bool {
    let body = text
        .trim_end()
        .strip_prefix("-----BEGIN CERTIFICATE-----\n")
        .and_then(|text| text.strip_suffix("\n-----END CERTIFICATE-----"));
    let is_line = |line: &str| {
        !line.is_empty() && line.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
    };
    body.is_some_and(|body| body.split('\n').all(is_line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (text, same) in [
            ("https://dls.example", "https://dls.example:443"),
            ("https://DLS.example:8443/", "https://dls.example:8443"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
            ("https://192.0.2.1:1", "https://192.0.2.1:1"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().to_string(), same);
        }
        for bad in [
            "",
            "dls.example",
            "http://dls.example",
            "https://",
            "https://dls.example/path",
            "https://dls.example:0",
            "https://dls.example:99999",
            "https://user@dls.example",
            "https://[::1]:1",
            "https://127.0.1.1",
            "https://[2001:db8::1",
            "https://[2001:db8::1]x",
        ] {
            assert!(bad.parse::<ServerUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_tokens_and_certificates_get_into_scripts() {
        assert!(is_token("a.b-_.c"));
        for bad in ["", "a.b", "a.b.c.d", "a..c", "a.b.c'", "a.b.c\n"] {
            assert!(!is_token(bad), "{bad:?}");
        }
        let pem = |body: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        };
        assert!(is_certificate(&pem("MIIB\nAA==")));
        for bad in ["", "MIIB\n'@\n", "MIIB\n\nAA==", "$(reboot)"] {
            assert!(!is_certificate(&pem(bad)), "{bad:?}");
        }
        assert!(!is_certificate("MIIB"));
    }
}
