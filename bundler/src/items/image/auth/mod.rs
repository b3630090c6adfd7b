//! Authentication to a registry.
//!
//! A registry names a token server, also for anonymous access. The request for a token has the
//! credentials of the user for that registry, if any, and asks only for the right to pull one image,
//! whatever the registry suggests. A token expires after minutes, and a new one is requested when it
//! is refused.

mod challenge;
mod credentials;
mod session;

pub(super) use self::credentials::{Credentials, Places};
pub(super) use self::session::Session;
