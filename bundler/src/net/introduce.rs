//! Saying who asks, to servers that want to know.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use super::{Client, HttpUrl, NetError};

/// What is said in `Authorization`: a secret, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Authorization(Zeroizing<String>);

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
        is_token.then(|| Self(Zeroizing::new(format!("Bearer {token}"))))
    }

    /// A name and a password.
    pub(crate) fn basic(user: &str, password: &str) -> Self {
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let pair = Zeroizing::new(Base64::encode_string(pair.as_bytes()));
        Self(Zeroizing::new(format!("Basic {}", *pair)))
    }

    /// For the library.
    pub(super) fn into_header(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_not_shown() {
        let bearer = Authorization::bearer("secret").unwrap();
        for said in [bearer, Authorization::basic("user", "secret")] {
            assert!(!format!("{said:?}").contains("secret"), "{said:?}");
            assert!(!format!("{said:?}").contains("dXNlc"), "{said:?}");
        }
        assert_eq!(Authorization::bearer("a\r\nHost: b"), None);
        assert_eq!(Authorization::bearer(""), None);
    }
}
