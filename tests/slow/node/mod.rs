//! The node with real tools: our program in roots of Debian, without a network.

mod packages;
mod site;
