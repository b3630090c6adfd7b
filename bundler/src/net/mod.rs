//! The network: the only module that knows the HTTP library.
//!
//! It makes one request at a time and says what came of it. When to try again, and where, is for
//! [`fetch`](crate::fetch).

mod client;
mod error;
#[cfg(feature = "net")]
mod http;
#[cfg(not(feature = "net"))]
#[path = "no_http.rs"]
mod http;
mod introduce;
#[cfg(test)]
#[path = "../../../tests/kit/servers/liar.rs"]
pub(crate) mod liar;
mod login;
#[cfg(test)]
#[path = "../../../tests/kit/servers/registry.rs"]
pub(crate) mod registry;
mod reply;
#[cfg(test)]
mod tests;
mod url;

pub(crate) use self::client::{Client, Proxy, Resume, Timeouts};
pub(crate) use self::error::{NetError, Retry};
pub(crate) use self::http::certificates;
pub(crate) use self::introduce::{Again, Authorization, Introduce, Refusal};
pub(crate) use self::reply::{Reply, Validator};
pub(crate) use self::url::{HttpUrl, ParseUrlError};
