//! The node with real tools: our program in roots of Debian, without a network.

mod driver;
mod packages;
mod site;
