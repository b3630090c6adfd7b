//! The verdict on all GPUs of one machine.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::{Case, Statement, Verdict, judge, together};
use crate::catalog::{Catalog, Rule};
use crate::platform::PciId;

/// What is to be said of several GPUs in one machine, with one driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Suitability<'c> {
    /// Each GPU by itself.
    pub gpus: Vec<Judged<'c>>,
    /// What they cannot have in one machine.
    pub clashes: Vec<Statement<'c>>,
}

/// The verdict on one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Judged<'c> {
    /// Which one.
    pub gpu: PciId,
    /// What is to be said of it.
    #[serde(flatten)]
    pub verdict: Verdict<'c>,
}

impl<'c> Suitability<'c> {
    /// Judge these cases, which are of one machine.
    #[must_use]
    pub fn of(catalog: &'c Catalog, cases: impl IntoIterator<Item = Case>) -> Self {
        let judged = |case: Case| Judged { gpu: case.gpu, verdict: judge(catalog, &case) };
        let gpus: Vec<_> = cases.into_iter().map(judged).collect();
        let suitable: Vec<_> = gpus.iter().filter_map(|gpu| gpu.verdict.suitable()).collect();
        let clashes = together(catalog, &suitable);
        Self { gpus, clashes }
    }

    /// The rules that forbid it; none if every GPU does what it shall.
    #[must_use]
    pub fn against(&self) -> BTreeSet<Rule> {
        let unsuitable = self.gpus.iter().filter_map(|gpu| gpu.verdict.unsuitable());
        let rules = unsuitable.map(super::Unsuitable::rule);
        rules.chain(self.clashes.iter().map(|clash| clash.rule)).collect()
    }
}

impl fmt::Display for Suitability<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gpus.iter().try_for_each(|gpu| gpu.verdict.fmt(f))?;
        for clash in &self.clashes {
            writeln!(f, "together    {}", clash.says)?;
            for it in &clash.evidence {
                writeln!(f, "  {:<10}{}: {} ({})", "", it.source, it.says, it.kind)?;
            }
        }
        Ok(())
    }
}
