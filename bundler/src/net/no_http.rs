//! The same as `http.rs` in a build without the feature `net`: no request is ever made.

use std::io;
use std::time::Duration;

use url::Url;
use zeroize::Zeroizing;

use super::NetError;
use super::client::{Proxy, Timeouts};
use crate::types::HttpUrl;

/// There is none.
#[derive(Debug)]
pub(super) enum Http {}

/// There is none.
#[derive(Debug)]
pub(super) enum Response {}

impl Http {
    pub(super) fn new(_: Timeouts, _: Proxy) -> Result<Self, String> {
        Err("this build of vgpu-bundler has no network support".to_owned())
    }

    pub(super) fn get(
        &self,
        _: &HttpUrl,
        _: &[(&'static str, Zeroizing<String>)],
        _: Timeouts,
    ) -> Result<Response, NetError> {
        match *self {}
    }
}

impl Response {
    pub(super) fn status(&self) -> u16 {
        match *self {}
    }

    pub(super) fn url(&self) -> &Url {
        match *self {}
    }

    pub(super) fn headers(&self, _: &'static str) -> impl Iterator<Item = &str> {
        match *self {}
        #[expect(unreachable_code, reason = "names the type")]
        std::iter::empty()
    }

    pub(super) fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

/// Returns how many certificates this build trusts.
pub(crate) fn certificates() -> usize {
    0
}

pub(super) fn from_read(url: &HttpUrl, error: &io::Error, _: Duration) -> NetError {
    NetError::broken(url, &error.to_string())
}
