//! The facts that differ between nodes: a pure function.

use std::borrow::Cow;
use std::cmp::Reverse;

use serde::Serialize;

use super::{Fleet, Report};

/// A fact that differs between nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Difference {
    /// The name of the fact.
    pub(crate) what: String,
    /// The values, the most common one first.
    pub(crate) values: Vec<Held>,
}

/// A value and its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Held {
    /// The value; `None` where the fact is missing.
    pub(crate) value: Option<String>,
    /// The nodes, in the order of their reports.
    pub(crate) nodes: Vec<String>,
}

/// Returns the differences between the nodes of these reports.
pub(crate) fn compare(fleet: &Fleet) -> Vec<Difference> {
    let nodes = names(&fleet.reports);
    let mut differences: Vec<Difference> = Vec::new();
    for (name, values) in fleet.facts.iter() {
        let values = held(values, &nodes);
        // A missing object is one difference, and not one for each of its facts.
        let is_part = |whole: &Difference| {
            name.starts_with(&format!("{} › ", parent(&whole.what))) && same_absence(whole, &values)
        };
        if values.len() > 1 && !differences.last().is_some_and(is_part) {
            differences.push(Difference { what: name.clone(), values });
        }
    }
    differences
}

/// Returns the values of one fact, and the nodes on which it is missing.
fn held(values: &[(String, Vec<usize>)], nodes: &[String]) -> Vec<Held> {
    let named = |numbers: &[usize]| numbers.iter().map(|at| nodes[*at].clone()).collect();
    let is_missing = |at: &usize| !values.iter().any(|(_, numbers)| numbers.contains(at));
    let mut sorted: Vec<(Option<&String>, Cow<'_, [usize]>)> =
        values.iter().map(|(value, numbers)| (Some(value), Cow::Borrowed(&numbers[..]))).collect();
    if values.iter().map(|(_, numbers)| numbers.len()).sum::<usize>() < nodes.len() {
        sorted.push((None, (0..nodes.len()).filter(is_missing).collect()));
    }
    sorted.sort_by_key(|(_, numbers)| (Reverse(numbers.len()), numbers.first().copied()));
    let held = |(value, numbers): (Option<&String>, Cow<'_, [usize]>)| Held {
        value: value.cloned(),
        nodes: named(&numbers),
    };
    sorted.into_iter().map(held).collect()
}

fn parent(name: &str) -> &str {
    name.rsplit_once(" › ").map_or("", |(parent, _)| parent)
}

/// Checks whether two facts are missing on the same nodes.
fn same_absence(whole: &Difference, values: &[Held]) -> bool {
    let missing = |values: &[Held]| {
        values.iter().find(|held| held.value.is_none()).map(|held| held.nodes.clone())
    };
    let absent = missing(&whole.values);
    absent.is_some() && absent == missing(values)
}

/// Returns the names of the nodes; equal names are distinguished by their position.
fn names(reports: &[Report]) -> Vec<String> {
    let of = |report: &Report| report.node.clone();
    let name = |(index, report): (usize, &Report)| {
        let alike = reports.iter().filter(|other| other.node == report.node).count();
        if alike > 1 { format!("{} ({})", report.node, index + 1) } else { of(report) }
    };
    reports.iter().enumerate().map(name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use vgpu_manifest::Digest;

    use super::super::Signed;
    use super::*;

    fn report(node: &str, comparable: Value) -> (Report, Value) {
        let digest = Digest::of(comparable.to_string().as_bytes());
        let (node, signed, holdings, mappings) = (node.to_owned(), Signed::No, None, Vec::new());
        (Report { node, digest, signed, holdings, mappings }, comparable)
    }

    fn compared(reports: &[(Report, Value)]) -> Vec<String> {
        let mut fleet = Fleet::default();
        for (report, comparable) in reports {
            fleet.facts.add(fleet.reports.len(), comparable);
            let Report { node, digest, .. } = report;
            let (node, signed, holdings, mappings) = (node.clone(), Signed::No, None, Vec::new());
            fleet.reports.push(Report { node, digest: *digest, signed, holdings, mappings });
        }
        let held = |held: &Held| {
            format!("{}: {}", held.value.as_deref().unwrap_or("-"), held.nodes.join("+"))
        };
        let line = |difference: &Difference| {
            let values: Vec<_> = difference.values.iter().map(held).collect();
            format!("{} [{}]", difference.what, values.join(" | "))
        };
        compare(&fleet).iter().map(line).collect()
    }

    #[test]
    fn each_difference_names_the_nodes_the_odd_one_last() {
        let node =
            |name: &str, kernel: &str| report(name, json!({ "machine": { "kernel": kernel } }));
        let same = [node("a", "6.8"), node("b", "6.8")];
        assert_eq!(compared(&same), [""; 0]);
        let odd = [node("a", "6.5"), node("b", "6.8"), node("c", "6.8")];
        assert_eq!(compared(&odd), ["machine › kernel [6.8: b+c | 6.5: a]"]);
        let twins = [node("a", "6.5"), node("a", "6.8")];
        assert_eq!(compared(&twins), ["machine › kernel [6.5: a (1) | 6.8: a (2)]"]);
    }

    #[test]
    fn a_thing_that_is_missing_is_one_difference() {
        let with = json!({ "packages": [
            { "package": "dkms", "version": "3", "state": "installed" },
            { "package": "gcc", "version": "12", "state": "installed" },
        ] });
        let without = json!({ "packages": [
            { "package": "gcc", "version": "13", "state": "installed" },
        ] });
        assert_eq!(
            compared(&[report("a", with), report("b", without)]),
            [
                "packages › dkms › package [dkms: a | -: b]",
                "packages › gcc › version [12: a | 13: b]",
            ]
        );
    }
}
