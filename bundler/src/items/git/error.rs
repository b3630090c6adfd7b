use anyhow::anyhow;
use vgpu_manifest::ui::ByteSize;

use crate::types::GitOrigin;

/// A run of git that failed.
#[derive(Debug, thiserror::Error)]
#[error("git cannot {doing}: {said}")]
pub(super) struct Refused {
    pub(super) doing: String,
    /// Its last words, safe to show.
    pub(super) said: String,
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

/// The last line that says something, without what a server has to say, and without secrets.
pub(super) fn tell(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
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
    fn the_last_word_is_short_and_safe() {
        let said = b"warning: x\nfatal: unable to access 'https://bob:secret@git.example/a/': \x1b[1m\r\nhint: y";
        let told = tell(said);
        assert_eq!(told, "unable to access 'https://git.example/a/': \\u{1b}[1m");
        assert_eq!(tell(b"remote: no\n"), "remote: no");
        assert_eq!(tell(b""), "it does not say why");
        assert!(tell(&[b'x'; 9000]).len() <= 300);
    }
}
