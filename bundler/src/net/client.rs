use std::sync::{Arc, OnceLock};
use std::time::Duration;

use zeroize::Zeroizing;

use super::auth::{Again, Authenticate, Authorization, Refusal};
use super::http::{Http, Response};
use super::login::Logins;
use super::{NetError, Reply, Validator};
use crate::types::HttpUrl;

/// An HTTP client, which keeps connections open for the whole run.
#[derive(Debug)]
pub(crate) struct Client {
    timeouts: Timeouts,
    proxy: Proxy,
    /// Built for the first request: most runs make none, and reading all certificates takes time.
    http: Arc<OnceLock<Result<Http, String>>>,
    /// The `Accept` header, for servers with several forms of a content.
    accept: Option<&'static str>,
    auth: Option<Arc<dyn Authenticate>>,
    /// Read for the first request.
    logins: OnceLock<Result<Logins, String>>,
}

/// The timeouts for servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// The longest time without a byte.
    pub(crate) stall: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(20), stall: Duration::from_mins(1) }
    }
}

/// The proxy configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proxy {
    /// From `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`.
    Environment,
    /// No proxy.
    None,
}

/// The position from which to resume a download.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resume<'r> {
    /// The number of bytes that are here; at least one.
    pub(crate) from: u64,
    /// The version that the server must still have. Without it, the caller must check the digest.
    pub(crate) validator: Option<&'r Validator>,
    /// The full length according to the server. Another length means another content.
    pub(crate) total: Option<u64>,
}

/// The most redirects.
pub(super) const MAX_REDIRECTS: usize = 10;

impl Client {
    pub(crate) fn new(timeouts: Timeouts, proxy: Proxy) -> Self {
        let logins = OnceLock::from(Ok(Logins::default()));
        Self { timeouts, proxy, http: Arc::default(), accept: None, auth: None, logins }
    }

    /// Returns a client that sends the logins of the user where servers ask for them.
    #[must_use]
    pub(crate) fn with_logins(self) -> Self {
        Self { logins: OnceLock::new(), ..self }
    }

    fn logins(&self) -> Result<&Logins, NetError> {
        let logins = self.logins.get_or_init(Logins::of_user);
        logins.as_ref().map_err(|why| {
            NetError::Permanent(format!("cannot read the logins for servers: {why}"))
        })
    }

    /// Returns a client that authenticates with `auth` and sends the `accept` header.
    #[must_use]
    pub(crate) fn authenticated(
        &self,
        auth: Arc<dyn Authenticate>,
        accept: Option<&'static str>,
    ) -> Self {
        let Self { timeouts, proxy, ref http, .. } = *self;
        let client = Self { http: Arc::clone(http), ..Self::new(timeouts, proxy) };
        Self { accept, auth: Some(auth), ..client }
    }

    fn http(&self) -> Result<&Http, NetError> {
        let http = self.http.get_or_init(|| Http::new(self.timeouts, self.proxy));
        http.as_ref()
            .map_err(|why| NetError::Permanent(format!("cannot set up the network: {why}")))
    }

    /// Requests the content of `url`, or the rest of it.
    pub(crate) fn get(&self, url: &HttpUrl, resume: Option<Resume<'_>>) -> Result<Reply, NetError> {
        let header = |auth: &Arc<dyn Authenticate>| auth.authorization(url);
        let sent = self.auth.as_ref().and_then(header);
        let mut response = self.send(url, resume, sent.as_ref())?;
        if let (Some(auth), Some(challenges)) = (&self.auth, challenges(url, &response)) {
            let refusal = Refusal { url, sent: sent.as_ref(), challenges };
            if auth.refused(self, &refusal)? == Again::Yes {
                response = self.send(url, resume, header(auth).as_ref())?;
            }
        }
        Reply::new(url, resume, response, self.timeouts.stall)
    }

    /// Requests the content of `url` with exactly this authorization.
    pub(crate) fn ask(
        &self,
        url: &HttpUrl,
        authorization: Option<&Authorization>,
    ) -> Result<Reply, NetError> {
        Reply::new(url, None, self.send(url, None, authorization)?, self.timeouts.stall)
    }

    fn send(
        &self,
        url: &HttpUrl,
        resume: Option<Resume<'_>>,
        authorization: Option<&Authorization>,
    ) -> Result<Response, NetError> {
        let header = |text: &str| Zeroizing::new(text.to_owned());
        let mut headers: Vec<_> =
            self.accept.map(|it| ("accept", header(it))).into_iter().collect();
        let login = match authorization {
            Some(authorization) => Some(authorization.clone()),
            None => self.logins()?.find(url.inner()),
        };
        headers.extend(login.map(|login| ("authorization", login.into_header())));
        if let Some(Resume { from, validator, .. }) = resume {
            headers.push(("range", header(&format!("bytes={from}-"))));
            headers.extend(validator.map(|it| ("if-range", header(it.as_str()))));
        }
        self.http()?.get(url, &headers, self.timeouts)
    }
}

/// The most challenges to consider.
const MAX_CHALLENGES: usize = 8;

/// Returns the challenges of the server, unless a redirect has led to another server.
fn challenges(url: &HttpUrl, response: &Response) -> Option<Vec<String>> {
    let is_it = response.url().origin() == url.inner().origin();
    let texts = response.headers("www-authenticate").take(MAX_CHALLENGES);
    (is_it && response.status() == 401).then(|| texts.map(ToOwned::to_owned).collect())
}

/// The reason why a redirect was not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("it redirects more than {MAX_REDIRECTS} times")]
    TooMany,
    /// It leads to a scheme other than `http` and `https`.
    #[error("it redirects to something that is not an http or https address")]
    Address,
    /// It leaves `https`, so the content could be modified in transit.
    #[error("it redirects from https to http")]
    Downgrade,
}
