//! Keys and signatures by the real `gpg`, in its own home.

#![allow(dead_code, reason = "each test that includes this file needs another part of it")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A home of `gpg` with the keys that were created in it. Its agent ends when the folder is
/// removed.
#[derive(Debug)]
pub(crate) struct Gpg {
    home: tempfile::TempDir,
}

/// The form of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Inline,
    Detached,
}

/// The parameters of a certificate as archives use it: a primary key that certifies, and a subkey
/// that signs.
pub(crate) const ED25519: &str = "Key-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: cert\n\
    Subkey-Type: eddsa\nSubkey-Curve: ed25519\nSubkey-Usage: sign\nExpire-Date: 0\n";

/// Returns the time this many days ago, in seconds since 1970.
pub(crate) fn days_ago(days: u64) -> u64 {
    let then = SystemTime::now() - Duration::from_hours(24 * days);
    then.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Gpg {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Creates a key that is dated some days ago, and returns its fingerprint. `fields` are those
    /// of gpg's unattended key generation.
    pub(crate) fn key(&self, days: u64, fields: &str, options: &[&str]) -> String {
        let fields = format!(
            "{fields}Name-Real: archive\nCreation-Date: seconds={}\n%no-protection\n%commit\n",
            days_ago(days)
        );
        let said =
            self.run(&[options, &["--status-fd=1", "--gen-key"]].concat(), fields.as_bytes());
        let said = String::from_utf8(said).unwrap();
        said.split_whitespace().find(|word| word.len() == 40).unwrap().to_owned()
    }

    /// Returns the fingerprint of the first subkey.
    pub(crate) fn subkey(&self, key: &str) -> String {
        let words = ["--with-colons", "--with-subkey-fingerprint", "--list-keys", key];
        let listed = String::from_utf8(self.run(&words, b"")).unwrap();
        let after = listed.split("\nsub:").nth(1).unwrap();
        after.split(':').find(|field| field.len() == 40).unwrap().to_owned()
    }

    /// Returns the certificates of these keys.
    pub(crate) fn export(&self, keys: &[&str]) -> Vec<u8> {
        self.run(&[&["--export"], keys].concat(), b"")
    }

    /// Returns a text, signed by these keys.
    pub(crate) fn sign(&self, keys: &[&str], form: Form, options: &[&str], text: &str) -> Vec<u8> {
        let mut words = options.to_vec();
        for key in keys {
            words.extend(["--local-user", key]);
        }
        words.extend(match form {
            Form::Inline => &["--clearsign"][..],
            Form::Detached => &["--armor", "--detach-sign"],
        });
        self.run(&words, text.as_bytes())
    }

    /// Returns the output of gpg for this standard input.
    pub(crate) fn run(&self, words: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.home.path()).args(["--batch", "--quiet"]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut gpg = command.env("LC_ALL", "C").spawn().unwrap();
        gpg.stdin.take().unwrap().write_all(input).unwrap();
        let output = gpg.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {words:?}: {error}");
        output.stdout
    }
}
