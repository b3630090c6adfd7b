//! Acts on the simulated host: run, interrupted, resumed, and reverted.

pub(crate) mod driver;
mod foreign_driver;
pub(crate) mod packages;
