use anyhow::anyhow;
use vgpu_manifest::ui::ByteSize;

use crate::types::GitOrigin;

/// A run of git that failed.
#[derive(Debug, thiserror::Error)]
#[error("git cannot {doing}: {why}")]
pub(super) struct Refused {
    pub(super) doing: String,
    /// The reason that git gives, safe to show.
    pub(super) why: String,
}

/// The context of a failed exchange with git.
pub(super) const PIPE: &str = "cannot run `git`";

/// Returns the error for a repository that needs to be asked which commit a name stands for.
pub(crate) fn unresolved(origin: &GitOrigin) -> anyhow::Error {
    anyhow!("the commit of {origin} is not resolved yet; run `vgpu-bundler lock`")
}

/// Returns the error for a submodule where files are wanted.
pub(crate) fn submodule(path: &str) -> anyhow::Error {
    anyhow!(
        "`{path}` is a submodule, which is another repository: leave it out with `exclude`, or name that repository as an item of its own"
    )
}

/// Returns the error for something of `size` bytes where at most `cap` are allowed.
pub(crate) fn too_large(what: &str, size: u64, cap: ByteSize) -> anyhow::Error {
    let size = ByteSize::new(size);
    anyhow!("`{what}` has {size}, more than the {cap} allowed")
}

/// Returns the reason in the output of git: its error line, or its last line, without secrets.
pub(super) fn reason(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines = || text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
    let fatal = lines().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
    let line = fatal.or_else(|| lines().next_back()).unwrap_or("it does not say why");
    let line = line.trim_start_matches("fatal: ").trim_start_matches("error: ");
    let short: String = without_user(line).chars().take(300).collect();
    short.escape_debug().to_string().replace("\\'", "'")
}

/// Addresses without user name and password: a user's `insteadOf` may have put some in.
fn without_user(line: &str) -> String {
    let mut parts = line.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', ' ', '\'']).unwrap_or(part.len());
        let (host, rest) = part.split_at(end);
        let host = host.rsplit('@').next().unwrap_or_default();
        clean.push_str("://");
        clean.push_str(host);
        clean.push_str(rest);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_short_and_safe() {
        let output = b"warning: x\nfatal: unable to access 'https://bob:secret@git.example/a/': \x1b[1m\r\nhint: y";
        let shown = reason(output);
        assert_eq!(shown, "unable to access 'https://git.example/a/': \\u{1b}[1m");
        assert_eq!(reason(b"remote: no\n"), "remote: no");
        assert_eq!(reason(b""), "it does not say why");
        assert!(reason(&[b'x'; 9000]).len() <= 300);
    }
}
