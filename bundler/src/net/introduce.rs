//! Saying who asks, to servers that want to know.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use reqwest::header::HeaderValue;

use super::{Client, HttpUrl, NetError};

/// What is said in `Authorization`: a secret, which no message shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Authorization(HeaderValue);

/// Knows what to say to which server.
pub(crate) trait Introduce: fmt::Debug + Send + Sync {
    /// What to say when `url` is asked for. It is not repeated where the server redirects to.
    fn authorization(&self, url: &HttpUrl) -> Option<Authorization>;

    /// A server wants to hear something else: find out what, and say whether to ask it again.
    fn refused(&self, client: &Client, refusal: &Refusal<'_>) -> Result<Again, NetError>;
}

/// A server does not answer whoever asks like this.
#[derive(Debug)]
pub(crate) struct Refusal<'r> {
    /// What was asked for.
    pub(crate) url: &'r HttpUrl,
    /// What was said.
    pub(crate) said: Option<&'r Authorization>,
    /// What it wants to hear, as its `WWW-Authenticate` headers put it.
    pub(crate) challenges: Vec<String>,
}

/// Whether it makes sense to ask a server again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// There is something else to say now.
    Yes,
    /// There is not.
    No,
}

impl Authorization {
    /// A token; `None` if it has characters that no token has.
    pub(crate) fn bearer(token: &str) -> Option<Self> {
        let is_token = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        is_token.then(|| Self::new(&format!("Bearer {token}"))).flatten()
    }

    /// A name and a password.
    pub(crate) fn basic(user: &str, password: &str) -> Option<Self> {
        let pair = Base64::encode_string(format!("{user}:{password}").as_bytes());
        Self::new(&format!("Basic {pair}"))
    }

    fn new(text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok()?;
        // Neither the library nor a message of ours shows it then.
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// For the library.
    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_not_shown() {
        let said = [Authorization::bearer("secret"), Authorization::basic("user", "secret")];
        for said in said.map(Option::unwrap) {
            assert!(!format!("{said:?}").contains("secret"), "{said:?}");
            assert!(!format!("{said:?}").contains("dXNlc"), "{said:?}");
        }
        assert_eq!(Authorization::bearer("a\r\nHost: b"), None);
        assert_eq!(Authorization::bearer(""), None);
    }
}
