//! Being let in by a registry.
//!
//! A registry that wants to know who asks says where to get a token, also for those who have no
//! name there. We go there with the credentials of that registry, if this user has some, and only
//! ask to be allowed to pull the one image, whatever the registry suggests. A token lives for
//! minutes; the next one is fetched when the old one is refused.

mod challenge;
mod credentials;
mod session;

pub(super) use self::credentials::{Credentials, Places};
pub(super) use self::session::Session;
