//! Comparison of nodes by their reports.
//!
//! A [`report`] comes from `vgpu-installer report`. Its comparable part is split into facts, named
//! by their path in the document, and [`compare`] finds those that differ. Facts are merged report by
//! report, so that the memory grows with the differences and not with the number of nodes. A fact that a later
//! installer adds is compared without a change here. [`mappings`] collects the devices of all nodes.

mod compare;
mod facts;
mod mappings;
mod report;

use camino::Utf8Path;
use vgpu_keys::Policy;

pub(crate) use self::compare::{Difference, compare};
pub(crate) use self::mappings::{ClusterMapping, mappings};
pub(crate) use self::report::{Report, Signed};

/// The reports of several nodes.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    reports: Vec<Report>,
    facts: facts::Facts,
}

impl Fleet {
    /// Adds the report at `path`, with its signature, as [`Report::read`] reads them.
    pub(crate) fn add(
        &mut self,
        path: &Utf8Path,
        policy: Option<&Policy>,
    ) -> anyhow::Result<&Report> {
        let (report, comparable) = Report::read(path, policy)?;
        self.facts.add(self.reports.len(), &comparable);
        Ok(self.reports.push_mut(report))
    }

    pub(crate) fn reports(&self) -> &[Report] {
        &self.reports
    }
}
