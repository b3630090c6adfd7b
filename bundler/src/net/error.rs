use std::time::Duration;

use crate::types::HttpUrl;

/// The cause of a failed request, which decides on repetitions.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    /// The connection failed, or the answer was incomplete.
    #[error("{0}")]
    Interrupted(String),
    /// The server refused the request.
    #[error("{url} answers {code}{}", meaning(*.code))]
    Status {
        url: HttpUrl,
        code: u16,
        /// The requested delay before the next attempt.
        retry_after: Option<Duration>,
    },
    /// The answer to a request for the rest of a content is not that rest.
    #[error("{url} cannot go on where the download was cut off: {why}")]
    Range { url: HttpUrl, why: &'static str },
    /// The next attempt would fail in the same way.
    #[error("{0}")]
    Permanent(String),
}

/// Returns advice on a status code, if the number alone is not enough.
fn meaning(code: u16) -> &'static str {
    match code {
        401 | 403 => " (it wants a login, which can stand in `~/.netrc`, or a browser)",
        407 => " (the proxy wants a user name and a password: `http://USER:PASSWORD@…`)",
        _ => "",
    }
}

/// The time of the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// After at least this time.
    Later(Duration),
    /// At once, but from the beginning.
    FromStart,
    /// Not from this server.
    Never,
}

impl NetError {
    /// Returns whether and when to try again.
    #[must_use]
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Interrupted(_) => Retry::Later(Duration::ZERO),
            Self::Status { code: 408 | 425 | 429 | 500..=599, retry_after, .. } => {
                Retry::Later(retry_after.unwrap_or_default())
            }
            Self::Range { .. } => Retry::FromStart,
            Self::Status { .. } | Self::Permanent(_) => Retry::Never,
        }
    }

    /// Returns the error for a server that could not be reached.
    pub(super) fn unreachable(url: &HttpUrl, why: &str) -> Self {
        Self::Interrupted(format!("cannot reach {url}: {why}"))
    }

    /// Returns the error for a connection that ended before the content.
    pub(super) fn broken(url: &HttpUrl, why: &str) -> Self {
        Self::Interrupted(format!("the connection to {url} broke: {why}"))
    }

    /// Returns the error for a server that sent nothing for this time.
    pub(super) fn stalled(url: &HttpUrl, after: Duration) -> Self {
        Self::Interrupted(format!("{url} has sent nothing for {} s", after.as_secs_f32()))
    }

    /// Returns the error for an answer that does not fit the request.
    pub(crate) fn protocol(url: &HttpUrl, why: &str) -> Self {
        Self::Permanent(format!("{url} gives a wrong answer: {why}"))
    }
}
