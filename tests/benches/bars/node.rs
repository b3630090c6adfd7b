//! The suites of a node in a Debian root, as far as [`super::modes`] needs them.

#[path = "../../slow/node/driver.rs"]
pub(crate) mod driver;
#[path = "../../slow/node/packages.rs"]
pub(crate) mod packages;
#[path = "../../slow/node/site.rs"]
pub(crate) mod site;
