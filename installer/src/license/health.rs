//! Queries to the service with the node's own `curl`: the installer opens no sockets and has no
//! TLS.

use serde::Deserialize;
use vgpu_manifest::HostPath;

use super::data;
use super::service::Service;
use crate::date::Date;
use crate::host::{Command, HostError, Look};
use crate::state::fixed;

/// Part of every Proxmox VE.
const CURL: &str = "/usr/bin/curl";

/// The result of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The body of an answer that the root certificate verified.
    Body(Vec<u8>),
    /// The error of `curl`.
    Nothing(String),
    /// Commands do not run here.
    NotAsked,
}

/// A lease of the service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Lease {
    #[serde(default, alias = "lease_expires")]
    expires: Option<serde_json::Value>,
}

impl Lease {
    /// Returns its end in seconds since 1970, if recorded: a number, or a date in UTC.
    #[must_use]
    pub(crate) fn ends(&self) -> Option<i64> {
        let value = self.expires.as_ref()?;
        if let Some(seconds) = value.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "whole seconds are meant")]
            return Some(seconds as i64);
        }
        Date::parse(value.as_str()?).map(|date| date.0)
    }
}

/// Queries a path of the service at the address where it listens, by the name that guests use.
///
/// Its certificate must be valid for that name and signed by the node's root.
pub(crate) fn ask(look: &dyn Look, service: &Service, path: &str) -> Result<Reply, HostError> {
    if look.stat(&fixed(CURL))?.is_none() {
        return Ok(Reply::Nothing(format!(
            "{CURL} is not installed, so the server cannot be queried"
        )));
    }
    let Some(output) = look.query(&question(service, path, &data::root_certificate()))? else {
        return Ok(Reply::NotAsked);
    };
    if output.succeeded() {
        return Ok(Reply::Body(output.stdout));
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(Reply::Nothing(if stderr.is_empty() { output.exit.to_string() } else { stderr }))
}

fn question(service: &Service, path: &str, root: &HostPath) -> Command {
    let listen = match service.listen {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    };
    let (host, port) = (service.host.in_url(), service.port);
    Command::new(
        CURL,
        &[
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "10",
            "--noproxy",
            "*",
            "--cacert",
            root.as_path().as_str(),
            "--connect-to",
            &format!("{host}:{port}:{listen}:{port}"),
            &format!("{}{path}", service.url()),
        ],
    )
}

/// Checks whether the service reports that it is up.
pub(crate) fn is_up(look: &dyn Look, service: &Service) -> Result<bool, HostError> {
    Ok(match ask(look, service, "/-/health")? {
        Reply::Body(body) => says_up(&body),
        Reply::Nothing(_) | Reply::NotAsked => false,
    })
}

fn says_up(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Health {
        status: String,
    }
    serde_json::from_slice::<Health>(body).is_ok_and(|health| health.status == "up")
}

/// Parses the leases in an answer to `/-/leases`.
pub(crate) fn leases(body: &[u8]) -> serde_json::Result<Vec<Lease>> {
    serde_json::from_slice(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_up_is_up() {
        assert!(says_up(br#"{"status":"up"}"#));
        for bad in ["", "up", "{}", r#"{"status":"down"}"#, "<html>up</html>", "[]"] {
            assert!(!says_up(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn leases_are_read_as_services_give_them() {
        let all = leases(
            br#"[{"ref":"a","expires":1.5},{"lease_expires":"2027-01-01T00:00:00.123"},{}]"#,
        )
        .unwrap();
        let ends: Vec<_> = all.iter().map(Lease::ends).collect();
        assert_eq!(ends, [Some(1), Some(1_798_761_600), None]);
        assert!(leases(b"{}").is_err());
    }
}
