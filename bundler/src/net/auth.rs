//! Authentication to servers.

use std::fmt;

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use super::{Client, NetError};
use crate::types::HttpUrl;

/// The value of an `Authorization` header: a secret, which no message shows.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Authorization(Zeroizing<String>);

/// A source of credentials by server.
pub(crate) trait Authenticate: fmt::Debug + Send + Sync {
    /// Returns the header for a request to `url`. It is not sent to redirect targets.
    fn authorization(&self, url: &HttpUrl) -> Option<Authorization>;

    /// Handles a refusal: obtains other credentials if possible, and returns whether to retry.
    fn refused(&self, client: &Client, refusal: &Refusal<'_>) -> Result<Again, NetError>;
}

/// A request that a server refused for lack of credentials.
#[derive(Debug)]
pub(crate) struct Refusal<'r> {
    pub(crate) url: &'r HttpUrl,
    /// The header of the request.
    pub(crate) sent: Option<&'r Authorization>,
    /// The `WWW-Authenticate` headers of the answer.
    pub(crate) challenges: Vec<String>,
}

/// Whether to repeat a refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Other credentials are available now.
    Yes,
    No,
}

impl Authorization {
    /// Returns the header for a token; `None` if a character is not allowed in tokens.
    pub(crate) fn bearer(token: &str) -> Option<Self> {
        let is_token = !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic());
        is_token.then(|| Self(Zeroizing::new(format!("Bearer {token}"))))
    }

    pub(crate) fn basic(user: &str, password: &str) -> Self {
        let pair = Zeroizing::new(format!("{user}:{password}"));
        let pair = Zeroizing::new(Base64::encode_string(pair.as_bytes()));
        Self(Zeroizing::new(format!("Basic {}", *pair)))
    }

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
    fn an_authorization_is_not_shown() {
        let bearer = Authorization::bearer("secret").unwrap();
        for authorization in [bearer, Authorization::basic("user", "secret")] {
            assert!(!format!("{authorization:?}").contains("secret"), "{authorization:?}");
            assert!(!format!("{authorization:?}").contains("dXNlc"), "{authorization:?}");
        }
        assert_eq!(Authorization::bearer("a\r\nHost: b"), None);
        assert_eq!(Authorization::bearer(""), None);
    }
}
