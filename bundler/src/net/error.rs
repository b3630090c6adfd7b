use std::time::Duration;

use super::client::Refused;
use crate::types::HttpUrl;

/// Why a request brought nothing, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NetError {
    /// The library did not start.
    #[error("cannot set up the network: {why}")]
    Setup {
        /// Its message.
        why: String,
    },
    /// The user's logins cannot be read.
    #[error("cannot read the logins for servers: {why}")]
    Logins {
        /// The reason, without secrets.
        why: String,
    },
    /// The server could not be reached.
    #[error("cannot reach {url}: {why}")]
    Connect {
        /// The address.
        url: HttpUrl,
        /// The message of the system.
        why: String,
    },
    /// The certificate of the server is not trusted on this machine.
    #[error("cannot trust {url}: {why}")]
    Certificate {
        /// The address.
        url: HttpUrl,
        /// The reason.
        why: String,
    },
    /// For some time nothing has come.
    #[error("{url} has sent nothing for {} s", after.as_secs_f32())]
    Stalled {
        /// The address.
        url: HttpUrl,
        /// For how long.
        after: Duration,
    },
    /// Too little has come for too long.
    #[error("{url} sends too slowly to ever end")]
    Trickle {
        /// The address.
        url: HttpUrl,
    },
    /// The connection ended before the content did.
    #[error("the connection to {url} broke: {why}")]
    Broken {
        /// The address.
        url: HttpUrl,
        /// The message of the system.
        why: String,
    },
    /// An answer has another length than it says itself.
    #[error("{url} has sent {sent} bytes of the {said} that it promised")]
    Length {
        /// The address.
        url: HttpUrl,
        /// The announced number of bytes.
        said: u64,
        /// The received number of bytes.
        sent: u64,
    },
    /// The server said no.
    #[error("{url} answers {code}{}", meaning(*.code))]
    Status {
        /// The address.
        url: HttpUrl,
        /// The status code.
        code: u16,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// A redirect was not followed.
    #[error("cannot fetch {url}: {why}")]
    Redirect {
        /// The address.
        url: HttpUrl,
        /// Why not.
        why: Refused,
    },
    /// The answer is not one to the question.
    #[error("{url} gives a wrong answer: {why}")]
    Protocol {
        /// The address.
        url: HttpUrl,
        /// The reason.
        why: &'static str,
    },
    /// The rest of a content was asked for, and the answer is not that.
    #[error("{url} cannot go on where the download was cut off: {why}")]
    Range {
        /// The address.
        url: HttpUrl,
        /// The reason.
        why: &'static str,
    },
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
            Self::Connect { .. }
            | Self::Stalled { .. }
            | Self::Trickle { .. }
            | Self::Length { .. }
            | Self::Broken { .. } => Retry::Later(Duration::ZERO),
            Self::Status { code: 408 | 425 | 429 | 500..=599, retry_after, .. } => {
                Retry::Later(retry_after.unwrap_or_default())
            }
            Self::Range { .. } => Retry::FromStart,
            Self::Setup { .. }
            | Self::Logins { .. }
            | Self::Certificate { .. }
            | Self::Status { .. }
            | Self::Redirect { .. }
            | Self::Protocol { .. } => Retry::Never,
        }
    }
}
