//! The parts of the mode suites that measure an apply.

#[path = "../../slow/modes/bundle.rs"]
pub(crate) mod bundle;
#[path = "../../slow/modes/differ.rs"]
mod differ;
#[path = "../../slow/modes/machine.rs"]
pub(crate) mod machine;
#[path = "../../slow/modes/stage.rs"]
pub(crate) mod stage;
#[path = "../../slow/modes/waiting/mod.rs"]
pub(crate) mod waiting;
#[path = "../../slow/modes/watch.rs"]
mod watch;
