//! The node with real tools: the installer in roots of Debian, without a network.

pub(crate) mod driver;
pub(crate) mod packages;
pub(crate) mod site;
