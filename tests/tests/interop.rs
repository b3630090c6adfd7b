//! Bundles and everybody's tools, in both directions.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod interop {
    pub(crate) mod differential;
    pub(crate) mod recipe;
    pub(crate) mod stock;
    pub(crate) mod tools;
}
