//! Tests that take minutes, need the network of a Debian machine, or build a second profile.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod closures;
mod dist;
mod dls;
mod fleet;
mod license;
mod mission;
mod modes;
mod node;
mod prove;
mod real_packages;
mod roots;
mod sbom;
mod static_build;
mod unlock;
mod vm;
