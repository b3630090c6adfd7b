//! The signature of a report, by a key that the node makes at first use.
//!
//! `ssh-keygen` makes the key and signs, so that this program needs no code for private keys.

use anyhow::{Context as _, anyhow};
use vgpu_keys::{PublicKey, Role};

use crate::host::{Command, Host, HostError, OwnPath, OwnState};
use crate::journal::run_transient;
use crate::state;

/// A signed report: what stands in the signature file, and the key.
#[derive(Debug)]
pub(crate) struct ReportSignature {
    pub(crate) armor: Vec<u8>,
    pub(crate) key: PublicKey,
}

fn private() -> OwnPath {
    state::dir().join("report-key")
}

fn public() -> OwnPath {
    state::dir().join("report-key.pub")
}

/// Signs a report with the node's key for reports, in OpenSSH's format.
///
/// The caller has the lock.
pub(crate) fn sign(host: &mut dyn Host, report: &[u8]) -> anyhow::Result<ReportSignature> {
    make_key(host).context("cannot make the key for reports")?;
    // `ssh-keygen` signs a file, and writes the signature next to it.
    let [text, signature] = ["report.json", "report.json.sig"].map(|name| state::dir().join(name));
    let mut own = OwnState::of(host);
    own.remove(&signature)?;
    own.replace(&text, report, state::private())?;
    let key = private().as_path().to_owned();
    let words = ["-q", "-Y", "sign", "-f", key.as_str(), "-n", Role::Report.namespace()];
    let words = [&words[..], &[text.as_path().as_str()]].concat();
    let signed = run_transient(host, &Command::new("ssh-keygen", &words));
    let armor = host.read(&signature);
    let mut own = OwnState::of(host);
    own.remove(&text)?;
    own.remove(&signature)?;
    signed.context("cannot sign the report")?;
    let armor = armor?.ok_or_else(not_run)?;
    let line = host.text(&public())?.ok_or_else(not_run)?;
    let key = line.parse().with_context(|| {
        format!("cannot use {}; without this file, the next report gets a new key", public())
    })?;
    Ok(ReportSignature { armor, key })
}

/// Makes the key, unless both halves are there.
fn make_key(host: &mut dyn Host) -> Result<(), HostError> {
    if host.stat(&private())?.is_some() && host.stat(&public())?.is_some() {
        return Ok(());
    }
    let mut own = OwnState::of(host);
    own.remove(&private())?;
    own.remove(&public())?;
    let path = private().as_path().to_owned();
    let words = ["-q", "-t", "ed25519", "-N", "", "-C", "vgpu-report", "-f", path.as_str()];
    run_transient(host, &Command::new("ssh-keygen", &words))
}

fn not_run() -> anyhow::Error {
    anyhow!("`ssh-keygen` was only recorded; a report is signed on the node itself")
}
