//! The node with real tools: our program in roots of Debian, without a network.

pub(crate) mod driver;
pub(crate) mod packages;
pub(crate) mod site;
