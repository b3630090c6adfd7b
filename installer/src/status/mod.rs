//! The state of a host after an apply: checks, reports, and how an incomplete apply resumes.

pub(crate) mod applied;
pub(crate) mod proof;
pub(crate) mod report;
pub(crate) mod resume;
