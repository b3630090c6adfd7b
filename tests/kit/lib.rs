//! Shared code of the integration tests.

pub mod browser;
pub mod chroot;
pub mod conformance;
pub mod dls;
pub mod kit;
pub mod memory;
pub mod nodes;
pub mod nvidia;
pub mod oci;
pub mod picture;
pub mod programs;
pub mod repository;
pub mod roots;
pub mod sample;
pub mod schema;
pub mod scratch;
pub mod skip;
pub mod stock;
pub mod tree;
pub mod vm;
