use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

/// An `http` or `https` URL without user name, password and fragment.
///
/// Credentials are refused, because URLs are written to locks, logs and bundles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct HttpUrl(Arc<Url>);

/// A text that is not an `http` or `https` URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an address to fetch from: {why}", .text.escape_debug())]
pub(crate) struct ParseUrlError {
    text: String,
    why: &'static str,
}

impl HttpUrl {
    /// Returns the URL for a manifest, without the query, which may have a token.
    #[must_use]
    pub(crate) fn public(&self) -> String {
        let mut url = Url::clone(&self.0);
        url.set_query(None);
        url.into()
    }

    /// Checks whether the content is protected in transit.
    #[must_use]
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the URL of a path below this one, without the query.
    #[must_use]
    pub(crate) fn below(&self, parts: &[&str]) -> Self {
        let mut url = Url::clone(&self.0);
        url.set_query(None);
        // This fails only for URLs without a path, which `http` always has.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        Self(Arc::new(url))
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub(crate) fn with_query(&self, pairs: &[(&str, &str)]) -> Self {
        let mut url = Url::clone(&self.0);
        url.query_pairs_mut().extend_pairs(pairs);
        Self(Arc::new(url))
    }

    pub(crate) fn inner(&self) -> &Url {
        &self.0
    }
}

impl FromStr for HttpUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |why| ParseUrlError { text: text.to_owned(), why };
        let url = Url::parse(text).map_err(|_| error("it is not a URL"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(error("it must begin with `https://` or `http://`"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // The error must not repeat the text, which has a secret.
            let text = url.host_str().unwrap_or_default().to_owned();
            return Err(ParseUrlError {
                text,
                why: "a user name or password must not stand in it",
            });
        }
        if url.fragment().is_some() {
            return Err(error("what follows `#` is never sent; leave it out"));
        }
        Ok(Self(Arc::new(url)))
    }
}

/// Omits the query, which may have a token.
impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public())
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = ParseUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.0.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_fetched_and_written_down_is_an_address() {
        for good in ["https://example.org/a.run", "http://127.0.0.1:8080/x?y=z"] {
            let url: HttpUrl = good.parse().unwrap();
            assert_eq!(String::from(url), good);
        }
        for bad in [
            "",
            "a.run",
            "/a.run",
            "ftp://example.org/a",
            "file:///etc/passwd",
            "https://",
            "https://user@example.org/",
            "https://user:secret@example.org/",
            "https://a/#b",
        ] {
            assert!(bad.parse::<HttpUrl>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn no_secret_is_ever_shown() {
        let url: HttpUrl = "https://example.org/a?token=secret".parse().unwrap();
        assert_eq!(url.to_string(), "https://example.org/a");
        let error = "https://user:secret@example.org/".parse::<HttpUrl>().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
