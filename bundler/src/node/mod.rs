//! The documents that `vgpu-installer` writes on a node: the parts that pages show.
//!
//! Fields that a later installer adds are ignored. `docs/schema` describes all of them.

mod entry;
mod plan;
mod state;

pub(crate) use self::entry::Entry;
pub(crate) use self::plan::{Act, Change, FileChange, Known, MAX_PLAN, Plan, PlannedStep};
pub(crate) use self::state::{
    Applied, Becomes, ChangedPath, Finding, HostState, NodeState, Proof, StepState,
};
