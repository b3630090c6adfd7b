//! What is to be said about a host: for its operator, and for comparing it with others.

mod document;
mod now;
mod standpoint;

pub use self::document::{Comparable, Document, MachineKind, SCHEMA, ThisNode, Trust, document};
pub use self::now::{ModuleNow, PackageIs, PackageNow};
pub use self::standpoint::{
    AppliedBundle, Becomes, ChangedPath, CheckedStep, Closely, Standing, Standpoint, look,
};
