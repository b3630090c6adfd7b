use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::types::LocalPath;

/// The location of a git repository: an `https`, `http`, `ssh` or `file` URL, or a path.
///
/// It has no password, and a user name only for `ssh`, where it is not secret. The short form
/// `host:path` is refused, because it looks like a path, and so is the `helper::address` form of
/// git, which runs programs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct GitUrl(Place);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Remote(Arc<Url>),
    File(Arc<Url>),
    Path(LocalPath),
}

/// A text that is not the address of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not the address of a git repository: {why}", .text.escape_debug())]
pub(crate) struct ParseGitUrlError {
    text: String,
    why: &'static str,
}

impl GitUrl {
    /// Returns the address for the git command line. A relative path starts at `base`.
    #[must_use]
    pub(crate) fn for_git(&self, base: &Utf8Path) -> String {
        match &self.0 {
            Place::Remote(url) | Place::File(url) => url.as_str().to_owned(),
            Place::Path(path) => {
                let path = path.below(base);
                // An absolute path cannot be parsed as an option or as `host:path`.
                let absolute = std::path::absolute(&path).ok();
                absolute
                    .and_then(|path| path.into_os_string().into_string().ok())
                    .unwrap_or_else(|| path.into_string())
            }
        }
    }

    /// Returns the address for a manifest, without user name and query; `None` for a local path.
    #[must_use]
    pub(crate) fn public(&self) -> Option<String> {
        let Place::Remote(url) = &self.0 else { return None };
        let mut url = Url::clone(url);
        url.set_query(None);
        // This fails only for URLs without a host, which are refused.
        let _ = url.set_username("");
        Some(url.into())
    }

    /// Checks whether the repository is on another machine.
    #[must_use]
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.0, Place::Remote(_))
    }
}

impl FromStr for GitUrl {
    type Err = ParseGitUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why| ParseGitUrlError { text: text.to_owned(), why };
        let Some((scheme, _)) = text.split_once("://") else { return path(text).map_err(error) };
        let url = Url::parse(text).map_err(|_| error("it is not a URL"))?;
        if url.password().is_some() || !(url.username().is_empty() || url.scheme() == "ssh") {
            // The error must not repeat the text, which has a secret.
            let text = url.host_str().unwrap_or_default().to_owned();
            let why = "a password must not stand in it, and a user name only with `ssh://`";
            return Err(ParseGitUrlError { text, why });
        }
        if url.fragment().is_some() {
            return Err(error("what follows `#` is never sent; leave it out"));
        }
        match url.scheme() {
            // ssh would parse a host that starts with a hyphen as an option.
            "https" | "http" | "ssh" if !url.host_str().is_some_and(|it| it.starts_with('-')) => {
                if url.host_str().is_none_or(str::is_empty) {
                    return Err(error("it names no host"));
                }
                Ok(Self(Place::Remote(Arc::new(url))))
            }
            "file" if url.host_str().is_none_or(str::is_empty) => {
                Ok(Self(Place::File(Arc::new(url))))
            }
            _ if scheme.contains("::") => Err(error(HELPER)),
            _ => Err(error(SCHEMES)),
        }
    }
}

const SCHEMES: &str =
    "it must begin with `https://`, `http://`, `ssh://` or `file://`, or be a path";
const HELPER: &str = "git's `helper::address` form runs a program";
const SHORT: &str = "write `ssh://user@host/path` instead of `user@host:path`";

fn path(text: &str) -> Result<GitUrl, &'static str> {
    let first = text.split('/').next().unwrap_or_default();
    if first.contains("::") {
        return Err(HELPER);
    }
    if first.contains(':') {
        return Err(if first.starts_with("file:") { SCHEMES } else { SHORT });
    }
    let path = text.parse().map_err(|_| "it is empty, or has control characters")?;
    Ok(GitUrl(Place::Path(path)))
}

/// Omits the query, which may have a token.
impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0, self.public()) {
            (_, Some(public)) => f.write_str(&public),
            (Place::Path(path), None) => path.fmt(f),
            (Place::Remote(url) | Place::File(url), None) => f.write_str(url.as_str()),
        }
    }
}

impl TryFrom<String> for GitUrl {
    type Error = ParseGitUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GitUrl> for String {
    fn from(url: GitUrl) -> Self {
        match url.0 {
            Place::Remote(url) | Place::File(url) => url.as_str().to_owned(),
            Place::Path(path) => path.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_paths_of_repositories() {
        for (text, public) in [
            ("https://git.example/a/b.git", Some("https://git.example/a/b.git")),
            ("https://git.example/a?token=x", Some("https://git.example/a")),
            ("http://127.0.0.1:8080/a", Some("http://127.0.0.1:8080/a")),
            ("ssh://git@git.example:22/a", Some("ssh://git.example:22/a")),
            ("file:///srv/git/a", None),
            ("/srv/git/a", None),
            ("../a", None),
            ("a", None),
            ("a/b:c", None),
        ] {
            let url: GitUrl = text.parse().unwrap();
            assert_eq!(url.public().as_deref(), public, "{text}");
            assert_eq!(url.is_remote(), public.is_some(), "{text}");
            assert_eq!(String::from(url), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, word) in [
            ("", "empty"),
            ("a\nb", "control"),
            ("git@git.example:a/b", "ssh://user@host/path"),
            ("ext::sh -c id", "runs a program"),
            ("ext::https://git.example/", "runs a program"),
            ("git://git.example/a", "must begin with"),
            ("ftp://git.example/a", "must begin with"),
            ("file:a", "must begin with"),
            ("file://host/a", "must begin with"),
            ("https://", "not a URL"),
            ("ssh://-oProxyCommand=id/a", "must begin with"),
            ("https://a.example/#b", "never sent"),
            ("https://user@git.example/", "user name"),
            ("ssh://git:secret@git.example/", "password"),
        ] {
            let error = text.parse::<GitUrl>().expect_err(text).to_string();
            assert!(error.contains(word) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn git_gets_paths_that_are_no_options() {
        let url: GitUrl = "-x".parse().unwrap();
        assert_eq!(url.for_git("/srv".into()), "/srv/-x");
        assert!(url.for_git("".into()).starts_with('/'));
        let url: GitUrl = "https://git.example/a?b=c".parse().unwrap();
        assert_eq!(url.for_git("/srv".into()), "https://git.example/a?b=c");
        assert_eq!(url.to_string(), "https://git.example/a");
    }
}
