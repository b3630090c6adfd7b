//! Acts on the simulated host: run, interrupted, resumed, and reverted.

pub(crate) mod driver;
pub(crate) mod packages;
