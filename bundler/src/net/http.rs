//! The HTTP library: no other module knows it.

use std::error::Error;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{blocking, redirect};
use rustls::{ClientConfig, RootCertStore};
use url::Url;
use zeroize::Zeroizing;

use super::NetError;
use super::client::{MAX_REDIRECTS, Proxy, Refused, Timeouts};
use crate::types::HttpUrl;

/// A client of the library. It keeps connections open.
#[derive(Debug)]
pub(super) struct Http(blocking::Client);

/// The answer to a request, of which the body has not been read.
#[derive(Debug)]
pub(super) struct Response(blocking::Response);

impl Http {
    pub(super) fn new(timeouts: Timeouts, proxy: Proxy) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        // Digests are of the uncompressed file, and ranges do not work with compression.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut builder = blocking::Client::builder()
            .user_agent(concat!("vgpu-bundler/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .tls_backend_preconfigured(tls()?)
            .redirect(redirect::Policy::custom(follow))
            .referer(false)
            // `fetch` decides about repetitions.
            .retry(reqwest::retry::never())
            .connect_timeout(timeouts.connect)
            // For the blocking client this is the timeout of each read, not of the request.
            .timeout(timeouts.stall);
        if proxy == Proxy::None {
            builder = builder.no_proxy();
        }
        builder.build().map(Self).map_err(|error| error.to_string())
    }

    /// Sends a request with these headers.
    pub(super) fn get(
        &self,
        url: &HttpUrl,
        headers: &[(&'static str, Zeroizing<String>)],
        timeouts: Timeouts,
    ) -> Result<Response, NetError> {
        let mut request = self.0.get(url.inner().clone());
        for (name, text) in headers {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                NetError::protocol(url, "what it was asked to continue with is not a header")
            })?;
            // Neither the library nor a message of it shows the value then.
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        request.send().map(Response).map_err(|error| from_send(url, &error, timeouts))
    }
}

impl Response {
    pub(super) fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// Returns the address that answered, after all redirects.
    pub(super) fn url(&self) -> &Url {
        self.0.url()
    }

    /// Returns the values of a header that are text.
    pub(super) fn headers(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.headers().get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

/// Returns how many certificates this machine trusts.
pub(crate) fn certificates() -> usize {
    rustls_native_certs::load_native_certs().certs.len()
}

/// Returns the TLS configuration: the trusted certificates of this machine, and ring.
///
/// The HTTP library would load the certificates too, but fails if there are none; a machine without
/// certificates can still use mirrors with plain HTTP. `SSL_CERT_FILE` and `SSL_CERT_DIR` are
/// honored.
fn tls() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Unreadable certificates among several hundred do not matter.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Follows a redirect, unless there were too many or it leads from `https` to `http`.
fn follow(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let from_https = attempt.previous().iter().any(|url| url.scheme() == "https");
    if !matches!(attempt.url().scheme(), "http" | "https") {
        attempt.error(Refused::Address)
    } else if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error(Refused::TooMany)
    } else if from_https && attempt.url().scheme() != "https" {
        attempt.error(Refused::Downgrade)
    } else {
        attempt.follow()
    }
}

/// Classifies a request that did not get an answer.
fn from_send(url: &HttpUrl, error: &reqwest::Error, timeouts: Timeouts) -> NetError {
    let redirect = |why: Refused| NetError::Permanent(format!("cannot fetch {url}: {why}"));
    if let Some(&why) = find::<Refused>(error) {
        return redirect(why);
    }
    if error.is_builder() {
        // The requested URL is valid, so the target of a redirect is not.
        return redirect(Refused::Address);
    }
    if let Some(rustls::Error::InvalidCertificate(why)) = find(error) {
        return NetError::Permanent(format!("cannot trust {url}: {why}"));
    }
    match (error.is_timeout(), error.is_connect()) {
        (true, true) => NetError::unreachable(url, "it does not answer"),
        (true, false) => NetError::stalled(url, timeouts.stall),
        (false, true) => NetError::unreachable(url, &last_word(error)),
        (false, false) => NetError::broken(url, &last_word(error)),
    }
}

/// Classifies a body that could not be read.
pub(super) fn from_read(url: &HttpUrl, error: &io::Error, stall: Duration) -> NetError {
    let timeout = |error: &reqwest::Error| error.is_timeout();
    if error.kind() == io::ErrorKind::TimedOut || find(error).is_some_and(timeout) {
        NetError::stalled(url, stall)
    } else {
        NetError::broken(url, &last_word(error))
    }
}

/// Returns `error` and the errors that led to it.
///
/// An I/O error that wraps another one does not name it as its source, so it is looked into.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => error.source(),
    })
}

fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    chain(error).find_map(<dyn Error>::downcast_ref)
}

/// Returns the innermost message, which is that of the system.
fn last_word(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map_or_else(String::new, ToString::to_string)
}
