//! HTTP requests. Only this module uses the HTTP library.
//!
//! It makes single requests; [`fetch`](crate::fetch) decides about repetitions and mirrors.

mod auth;
mod client;
mod error;
#[cfg(feature = "net")]
mod http;
#[cfg(not(feature = "net"))]
#[path = "no_http.rs"]
mod http;
#[cfg(test)]
#[path = "../../../tests/kit/servers/liar.rs"]
pub(crate) mod liar;
mod login;
#[cfg(test)]
#[path = "../../../tests/kit/servers/loopback.rs"]
mod loopback;
#[cfg(test)]
#[path = "../../../tests/kit/servers/registry.rs"]
pub(crate) mod registry;
mod reply;
#[cfg(test)]
mod tests;

pub(crate) use self::auth::{Again, Authenticate, Authorization, Refusal};
pub(crate) use self::client::{Client, Proxy, Resume, Timeouts};
pub(crate) use self::error::{NetError, Retry};
pub(crate) use self::http::certificates;
pub(crate) use self::reply::{Reply, Validator};
