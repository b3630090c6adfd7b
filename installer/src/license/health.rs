//! Asking the service, by the node's own `curl`: this program opens no socket and has no TLS.

use serde::Deserialize;
use vgpu_manifest::HostPath;

use super::data;
use super::service::Service;
use crate::host::{Command, HostError, Look};
use crate::state::fixed;
use crate::ui::Date;

/// Every Proxmox VE has it.
const CURL: &str = "/usr/bin/curl";

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// This, from whom the root certificate belongs to.
    Body(Vec<u8>),
    /// Nothing, and `curl` says why.
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
    /// When it ends, in seconds since 1970, if that is said: as a number, or as a date in UTC.
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

/// Ask the service for a path, at the address where it listens, by the name that guests use.
///
/// The certificate has to hold for that name, and has to be signed by our root.
pub(crate) fn ask(look: &dyn Look, service: &Service, path: &str) -> Result<Reply, HostError> {
    if look.stat(&fixed(CURL))?.is_none() {
        return Ok(Reply::Nothing(format!("{CURL} is not there, and it is asked by nobody else")));
    }
    let Some(output) = look.query(&question(service, path, &data::root_certificate()))? else {
        return Ok(Reply::NotAsked);
    };
    if output.succeeded() {
        return Ok(Reply::Body(output.stdout));
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(Reply::Nothing(if said.is_empty() { output.exit.to_string() } else { said }))
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

/// Whether the service says that it is well.
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

/// The leases in an answer to `/-/leases`.
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
