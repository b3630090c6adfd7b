//! The state of a host, for its operator and for comparison with others.

mod document;
mod now;
mod signature;
mod standpoint;

pub(crate) use self::document::{Document, document};
pub(crate) use self::signature::{ReportSignature, sign};
pub(crate) use self::standpoint::{Closely, HostState, Standpoint, StepState, inspect};
