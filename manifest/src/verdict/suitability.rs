//! The verdict on all GPUs of a host: on each one, and on conflicts between them.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::{Case, Mode, Statement, Suitable, Verdict, judge};
use crate::catalog::{Catalog, Evidence, Modules, Rule};
use crate::platform::PciId;

/// The verdict on several GPUs in one host with one driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Suitability<'c> {
    /// The verdict on each GPU.
    pub gpus: Vec<Judged<'c>>,
    /// The conflicts between them.
    pub clashes: Vec<Statement<'c>>,
}

/// The verdict on one GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Judged<'c> {
    /// Its PCI id.
    // The verdict has a field `gpu` of its own.
    #[serde(rename = "id")]
    pub gpu: PciId,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict<'c>,
}

impl<'c> Suitability<'c> {
    /// Judges these cases, which are of one host.
    #[must_use]
    pub fn of(catalog: &'c Catalog, cases: impl IntoIterator<Item = Case>) -> Self {
        let judged = |case: Case| Judged { gpu: case.gpu, verdict: judge(catalog, &case) };
        let gpus: Vec<_> = cases.into_iter().map(judged).collect();
        let suitable: Vec<_> = gpus.iter().filter_map(|gpu| gpu.verdict.suitable()).collect();
        let clashes = conflicts(catalog, &suitable);
        Self { gpus, clashes }
    }

    /// Returns the rules that are violated; none if every GPU is suitable.
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
            writeln!(f, "conflict    {}", clash.says)?;
            let evidence = if f.alternate() { &clash.evidence[..] } else { &[] };
            for it in evidence {
                writeln!(f, "  {:<10}{}: {} ({})", "", it.source, it.says, it.kind)?;
            }
        }
        Ok(())
    }
}

/// Returns the conflicts between GPUs in one host, each as it was judged. GPUs for passthrough
/// conflict with no others.
fn conflicts<'c>(catalog: &'c Catalog, gpus: &[&Suitable<'c>]) -> Vec<Statement<'c>> {
    let shared: Vec<_> = gpus.iter().copied().filter(|gpu| gpu.driver.is_some()).collect();
    let clashes = [drivers(&shared), modules(&shared), library(catalog, &shared)];
    let says = clashes.into_iter().flatten();
    says.map(|(rule, says)| Statement { rule, says, evidence: evidence(catalog, rule) }).collect()
}

fn drivers(gpus: &[&Suitable<'_>]) -> Option<(Rule, String)> {
    let hosts = |gpu: &&Suitable<'_>| gpu.driver.as_ref().map(|it| it.driver.host.clone());
    let (one, other) = differing(gpus, hosts)?;
    let release = |gpu: &Suitable<'_>| {
        gpu.driver.as_ref().map_or_else(String::new, |it| it.driver.release.to_string())
    };
    let says = format!(
        "a host can have only one driver, but {} needs vGPU {} and {} needs vGPU {}",
        one.gpu.name,
        release(one),
        other.gpu.name,
        release(other)
    );
    Some((Rule::OneDriver, says))
}

/// A driver has one set of modules, and ignores GPUs that need the other one.
fn modules(gpus: &[&Suitable<'_>]) -> Option<(Rule, String)> {
    let modules = |gpu: &&Suitable<'_>| gpu.driver.as_ref().map(|it| it.modules);
    let (one, other) = differing(gpus, modules)?;
    let open = |gpu: &Suitable<'_>| modules(&gpu) == Some(Modules::Open);
    let (open, proprietary) = if open(one) { (one, other) } else { (other, one) };
    let says = format!(
        "{} needs the open kernel modules and {} the proprietary ones, so the driver would ignore one of them",
        open.gpu.name, proprietary.gpu.name
    );
    Some((Rule::Modules, says))
}

/// The library presents every GPU in its ranges as another one, even if it needs no unlocking.
fn library(catalog: &Catalog, gpus: &[&Suitable<'_>]) -> Option<(Rule, String)> {
    let unlocked = gpus.iter().find(|gpu| gpu.mode == Mode::Unlock)?;
    let native = gpus
        .iter()
        .find(|gpu| gpu.mode == Mode::Native && catalog.shown_as(gpu.gpu.id).is_some())?;
    let says = format!(
        "the library that unlocks {} also presents {} as another GPU, although it needs no unlocking",
        unlocked.gpu.name, native.gpu.name
    );
    Some((Rule::LeaveAlone, says))
}

/// Returns the first GPU, and the first one that differs from it.
fn differing<'g, 'c, T: PartialEq>(
    gpus: &[&'g Suitable<'c>],
    of: impl Fn(&&'g Suitable<'c>) -> T,
) -> Option<(&'g Suitable<'c>, &'g Suitable<'c>)> {
    let (first, rest) = gpus.split_first()?;
    let other = rest.iter().find(|gpu| of(gpu) != of(first))?;
    Some((first, other))
}

fn evidence(catalog: &Catalog, rule: Rule) -> Vec<&Evidence> {
    catalog.rule(rule).iter().filter_map(|id| catalog.evidence(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Goal;

    fn rules(cards: &[(&str, &str)]) -> Vec<Rule> {
        let catalog = Catalog::embedded();
        let verdicts: Vec<_> = cards
            .iter()
            .map(|(gpu, driver)| {
                let mut case = Case::new(gpu.parse().unwrap(), "16.0".parse().unwrap());
                case.goal = match *driver {
                    "" => Goal::Passthrough,
                    release => Goal::Vgpu { driver: release.parse().unwrap(), file: None },
                };
                judge(&catalog, &case)
            })
            .collect();
        let suitable: Vec<_> = verdicts.iter().filter_map(Verdict::suitable).collect();
        assert_eq!(suitable.len(), cards.len());
        let clashes = conflicts(&catalog, &suitable);
        assert!(clashes.iter().all(|clash| !clash.evidence.is_empty()));
        clashes.iter().map(|clash| clash.rule).collect()
    }

    #[test]
    fn equal_cards_and_passthrough_do_not_conflict() {
        assert_eq!(rules(&[]), []);
        assert_eq!(rules(&[("10de:1b38", "16.9"), ("10de:1b38", "16.9")]), []);
        assert_eq!(rules(&[("10de:25b6", "18.4"), ("10de:128b", "")]), []);
        assert_eq!(rules(&[("10de:26b9", "18.4"), ("10de:27b8", "18.4")]), []);
        assert_eq!(rules(&[("10de:1e07", "16.4"), ("10de:1e07", "16.5")]), []);
    }

    #[test]
    fn drivers_modules_and_libraries_conflict() {
        assert_eq!(
            rules(&[("10de:1b38", "16.9"), ("10de:26b9", "18.4")]),
            [Rule::OneDriver, Rule::Modules]
        );
        assert_eq!(rules(&[("10de:2235", "18.4"), ("10de:26b9", "18.4")]), [Rule::Modules]);
        assert_eq!(rules(&[("10de:1e07", "18.3"), ("10de:26b9", "18.3")]), [Rule::Modules]);
        assert_eq!(rules(&[("10de:1e07", "16.9"), ("10de:1eb8", "16.9")]), [Rule::LeaveAlone]);
        assert_eq!(rules(&[("10de:1e07", "16.9"), ("10de:2235", "16.9")]), [Rule::LeaveAlone]);
        assert_eq!(rules(&[("10de:1e07", "16.9"), ("10de:26b9", "16.9")]), []);
    }
}
