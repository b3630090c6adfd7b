//! The kinds of items: how each is obtained, inspected and recorded.

pub(crate) mod driver;
pub(crate) mod git;
pub(crate) mod headers;
pub(crate) mod image;
pub(crate) mod policies;
pub(crate) mod source;
pub(crate) mod tree;
pub(crate) mod unlock;
