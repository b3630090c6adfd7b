//! The node's own word on a signature: its keyrings, by the verifiers that apt uses.

use std::io::Write as _;

use vgpu_manifest::package::Fingerprint;
use vgpu_manifest::printable;

use super::UpstreamError;
use crate::host::real::Lent;
use crate::host::{Command, Exit, HostPath, Kind, Look, Output};
use crate::state::fixed;

/// The packages whose keyrings count: those of Debian and Proxmox. A key that an operator or a
/// third-party package has added is trusted by apt for its own archive only, so it does not count.
const OWNERS: [&str; 2] = ["debian-archive-keyring", "proxmox-archive-keyring"];

/// The folders of keyrings. `proxmox-archive-keyring` of Proxmox VE 8 uses the second one.
const FOLDERS: [&str; 2] = ["/usr/share/keyrings/", "/etc/apt/trusted.gpg.d/"];

/// The hashes of signatures that count, by the identifiers of RFC 9580, 9.5: SHA-2 and SHA-3.
const STRONG: [&str; 6] = ["8", "9", "10", "11", "12", "14"];

/// The keyrings of this node, and the programs that check signatures by them.
#[derive(Debug)]
pub(super) struct Keyrings {
    paths: Vec<String>,
    verifiers: Vec<Verifier>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verifier {
    /// Used by apt before version 3.
    Gpgv,
    /// Used by apt since version 3.
    Sqv,
}

impl Keyrings {
    /// Finds the keyrings that dpkg has installed and that are unchanged since.
    pub(super) fn find(look: &dyn Look) -> Result<Self, UpstreamError> {
        let is_there = |path: &str| look.stat(&fixed(path)).map(|stat| stat.is_some());
        let mut verifiers = Vec::new();
        for (path, verifier) in [("/usr/bin/gpgv", Verifier::Gpgv), ("/usr/bin/sqv", Verifier::Sqv)]
        {
            if is_there(path)? {
                verifiers.push(verifier);
            }
        }
        if verifiers.is_empty() {
            return Err(UpstreamError::NoVerifier);
        }
        let mut paths = Vec::new();
        for owner in OWNERS {
            paths.extend(keyrings_of(look, owner)?);
        }
        if paths.is_empty() {
            return Err(UpstreamError::NoKeyring);
        }
        Ok(Self { paths, verifiers })
    }

    /// Returns the certificate that has made a good signature, or why there is none.
    ///
    /// One good signature is enough, because archives sign with an old and a new key for a while. If
    /// both verifiers are installed, one is enough: apt would use either.
    pub(super) fn verify(
        &self,
        look: &dyn Look,
        text: &[u8],
        signature: &[u8],
    ) -> Result<Result<Fingerprint, String>, UpstreamError> {
        let [mut text_file, mut signature_file] = [Lent::new()?, Lent::new()?];
        text_file.write_all(text)?;
        signature_file.write_all(signature)?;
        let files = [signature_file.path(), text_file.path()];
        let mut reasons = Vec::new();
        for verifier in &self.verifiers {
            let output = look.query(&verifier.command(&self.paths, &files))?;
            match verifier.judge(&output.ok_or(UpstreamError::NoCommands)?) {
                Ok(by) => return Ok(Ok(by)),
                Err(why) => reasons.push(why),
            }
        }
        Ok(Err(reasons.join("; ")))
    }
}

/// Returns the keyrings of a package, without those of retired keys and those that were changed.
fn keyrings_of(look: &dyn Look, owner: &str) -> Result<Vec<String>, UpstreamError> {
    let Some(list) = look.text(&fixed(&format!("/var/lib/dpkg/info/{owner}.list")))? else {
        return Ok(Vec::new());
    };
    let check = look.query(&Command::new("dpkg", &["--verify", owner]))?;
    let check = check.ok_or(UpstreamError::NoCommands)?;
    let changed = String::from_utf8_lossy(&check.stdout).into_owned();
    // dpkg exits with 1 if files are changed, and with 2 if it could not check.
    if !matches!(check.exit, Exit::Status(0 | 1)) {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for path in list.lines().filter(|path| is_keyring(path)) {
        let is_changed = changed.lines().any(|line| line.ends_with(path));
        let Ok(at) = HostPath::new(path) else { continue };
        // A link has no checksum, and its target is in the list.
        let is_file = look.stat(&at)?.is_some_and(|stat| stat.kind == Kind::File);
        if is_file && !is_changed {
            paths.push(path.to_owned());
        }
    }
    Ok(paths)
}

/// Returns whether a file is a keyring in binary form, which both verifiers read.
fn is_keyring(path: &str) -> bool {
    let Some(name) = FOLDERS.iter().find_map(|folder| path.strip_prefix(folder)) else {
        return false;
    };
    let is_binary = [".gpg", ".pgp"].iter().any(|end| name.ends_with(end));
    is_binary && !name.contains("removed") && !name.contains('/')
}

impl Verifier {
    fn command(self, keyrings: &[String], files: &[String; 2]) -> Command {
        let (program, options) = match self {
            // It refuses signatures of the future unless told otherwise, and a node with an empty
            // battery lives in the past.
            Self::Gpgv => (
                "gpgv",
                &[
                    "--status-fd=1",
                    "--ignore-time-conflict",
                    "--weak-digest=SHA1",
                    "--weak-digest=RIPEMD160",
                ][..],
            ),
            Self::Sqv => ("sqv", &[][..]),
        };
        let keyrings = keyrings.iter().flat_map(|path| ["--keyring", path]);
        let files = files.iter().map(String::as_str);
        let words: Vec<&str> = options.iter().copied().chain(keyrings).chain(files).collect();
        Command::new(program, &words)
    }

    fn judge(self, output: &Output) -> Result<Fingerprint, String> {
        let stdout = String::from_utf8_lossy(&output.stdout);
        let by = match self {
            Self::Gpgv => good_signature(&stdout),
            // It prints the certificates that count, one a line.
            Self::Sqv => output.succeeded().then(|| stdout.lines().next()).flatten(),
        };
        by.and_then(|by| by.trim().parse().ok()).ok_or_else(|| last_line(&output.stderr))
    }
}

/// Returns the primary key of a good signature by the status lines of `gpgv`, which `GnuPG` documents
/// in `doc/DETAILS`.
///
/// A key that expired after it had signed counts, as time never decides; a revoked key does not.
fn good_signature(status: &str) -> Option<&str> {
    let lines = status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
    let lines: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    let signatures = lines.split(|line| line[0] == "NEWSIG").skip(1);
    signatures.into_iter().find_map(|lines| {
        let all = |word: &'static str| lines.iter().filter(move |line| line[0] == word);
        // Fingerprint, date, time, expiry, version, reserved, algorithm, hash, class, primary key.
        let mut valid = all("VALIDSIG");
        let (Some(signature), None) = (valid.next(), valid.next()) else { return None };
        let (&created, &hash, &by) = (signature.get(3)?, signature.get(8)?, signature.get(10)?);
        let bad = ["BADSIG", "ERRSIG", "REVKEYSIG", "EXPSIG"];
        if !STRONG.contains(&hash) || bad.into_iter().any(|word| all(word).next().is_some()) {
            return None;
        }
        let outlived = || {
            let expired = all("KEYEXPIRED").filter_map(|line| line.get(1)?.parse::<u64>().ok());
            let first = expired.filter(|&time| time != 0).min()?;
            Some(all("EXPKEYSIG").next().is_some() && created.parse::<u64>().ok()? <= first)
        };
        let is_good = all("GOODSIG").next().is_some() || outlived() == Some(true);
        is_good.then_some(by)
    })
}

/// Returns the last line of a program's output, safe to show.
pub(super) fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    printable(&line.chars().take(300).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 0E98404D386FA1D9 1 10 00 1 9 -\n\
        [GNUPG:] NO_PUBKEY 0E98404D386FA1D9\n[GNUPG:] NEWSIG x@debian.org\n[GNUPG:] KEY_CONSIDERED A 0\n\
        [GNUPG:] GOODSIG 6ED0 Debian\n[GNUPG:] VALIDSIG SUBKEY 2026-01-10 1768041082 0 4 0 1 10 01 PRIMARY\n";

    #[test]
    fn one_good_signature_of_several_is_enough() {
        assert_eq!(good_signature(GOOD), Some("PRIMARY"));
    }

    #[test]
    fn no_other_status_counts() {
        let expired = "[GNUPG:] KEYEXPIRED 1768041000\n[GNUPG:] EXPKEYSIG";
        for (from, to) in [
            ("GOODSIG", "REVKEYSIG"),
            ("GOODSIG", "EXPSIG"),
            ("GOODSIG", "EXPKEYSIG"),
            ("[GNUPG:] GOODSIG", expired),
            ("GOODSIG 6ED0 Debian", "BADSIG 6ED0 Debian"),
            ("VALIDSIG", "NOTATION"),
            (" 10 01 ", " 2 01 "),
            (" 10 01 ", " 1 01 "),
            ("NEWSIG x@debian.org", "OTHER"),
            ("[GNUPG:]", "gpgv:"),
        ] {
            let status = GOOD.replace(from, to);
            assert_ne!(status, GOOD);
            assert_eq!(good_signature(&status), None, "{status}");
        }
        // The key expired later.
        let later = expired.replace("1768041000", "1768041083");
        assert_eq!(good_signature(&GOOD.replace("[GNUPG:] GOODSIG", &later)), Some("PRIMARY"));
        assert_eq!(good_signature(""), None);
    }

    #[test]
    fn keyrings_are_binary_and_of_keys_in_use() {
        assert!(is_keyring("/usr/share/keyrings/debian-archive-keyring.gpg"));
        assert!(is_keyring("/usr/share/keyrings/debian-archive-keyring.pgp"));
        assert!(is_keyring("/etc/apt/trusted.gpg.d/proxmox-release-bookworm.gpg"));
        for other in [
            "/usr/share/keyrings/debian-archive-removed-keys.gpg",
            "/etc/apt/trusted.gpg.d/debian-archive-bookworm-stable.asc",
            "/usr/share/keyrings",
            "/usr/share/doc/debian-archive-keyring.gpg",
        ] {
            assert!(!is_keyring(other), "{other}");
        }
    }
}
