//! The parts of the node suites that [`super::modes`] needs.

#[path = "../../slow/node/driver.rs"]
pub(crate) mod driver;
#[path = "../../slow/node/packages.rs"]
pub(crate) mod packages;
#[path = "../../slow/node/site.rs"]
pub(crate) mod site;
