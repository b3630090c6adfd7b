//! The facts that differ between nodes.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Serialize, Serializer};
use vgpu_manifest::Digest;

use super::tree::{Group, Tree};
use super::{Report, Signed};

/// The reports of nodes, while they are read one after the other.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    nodes: Vec<FleetNode>,
    groups: Vec<Digest>,
    numbers: BTreeMap<Digest, Group>,
    tree: Tree,
}

/// A comparison of nodes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Comparison {
    /// The nodes, in the order of their reports.
    pub(crate) nodes: Vec<FleetNode>,
    /// The facts that differ.
    pub(crate) differences: Vec<Difference>,
    /// The nodes with equal reports, the largest group first.
    #[serde(skip)]
    pub(crate) groups: Vec<Alike>,
    /// The facts that all nodes share, with their values.
    #[serde(skip)]
    pub(crate) shared: Vec<(String, String)>,
}

/// A node and its report.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FleetNode {
    /// The file of the report.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub(crate) report: Utf8PathBuf,
    /// The host name; equal names are distinguished by their position.
    #[serde(serialize_with = "text")]
    pub(crate) name: Rc<str>,
    /// The digest of its comparable part.
    pub(crate) digest: Digest,
    /// The signature: a principal, or the fingerprint of an unknown key.
    #[serde(rename = "signed-by", serialize_with = "signer")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub(crate) signed: Signed,
    #[serde(skip)]
    group: Group,
}

/// Nodes whose reports are equal.
#[derive(Debug)]
pub(crate) struct Alike {
    pub(crate) digest: Digest,
    /// The nodes, by position in [`Comparison::nodes`].
    pub(crate) nodes: Vec<usize>,
}

/// A fact that differs between nodes.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Difference {
    /// The name of the fact.
    pub(crate) what: String,
    /// The values, the most common one first.
    pub(crate) values: Vec<Held>,
}

/// A value and its nodes.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Held {
    /// The value.
    pub(crate) value: FactValue,
    /// The nodes, in the order of their reports. Hundreds of facts can name hundreds of nodes.
    #[serde(serialize_with = "texts")]
    pub(crate) nodes: Vec<Rc<str>>,
    /// The groups, by position in [`Comparison::groups`].
    #[serde(skip)]
    pub(crate) groups: Vec<usize>,
}

/// The value of a fact on some nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FactValue {
    Text(String),
    /// An object with facts of its own, which other nodes lack.
    Present,
    Missing,
}

impl std::fmt::Display for FactValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(text) => text,
            Self::Present => "(present)",
            Self::Missing => "(not there)",
        })
    }
}

/// JSON has text, `true` for an object that is present, and `null` for a missing fact.
impl Serialize for FactValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Present => true.serialize(serializer),
            Self::Missing => serializer.serialize_none(),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for FactValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FactValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A text; `true` for an object that other nodes lack; `null` if missing.",
            "anyOf": [{ "type": "string" }, { "const": true }, { "type": "null" }]
        })
    }
}

fn text<S: Serializer>(text: &Rc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn texts<S: Serializer>(texts: &[Rc<str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(|text| &**text))
}

fn signer<S: Serializer>(signed: &Signed, serializer: S) -> Result<S::Ok, S::Error> {
    match signed {
        Signed::No => serializer.serialize_none(),
        Signed::Unknown(key) => key.fingerprint().serialize(serializer),
        Signed::By(who) => who.serialize(serializer),
    }
}

impl Reports {
    /// Adds a report. Equal ones are read only once.
    pub(crate) fn add(&mut self, path: &Utf8Path, report: Report) -> anyhow::Result<()> {
        let next = Group::try_from(self.groups.len())?;
        let group = *self.numbers.entry(report.digest).or_insert(next);
        if group == next {
            self.groups.push(report.digest);
            self.tree.add(group, &report.comparable()?);
        }
        let Report { node, digest, signed, .. } = report;
        let name = node.into();
        self.nodes.push(FleetNode { report: path.to_owned(), name, digest, signed, group });
        Ok(())
    }

    /// Compares the nodes.
    pub(crate) fn compare(mut self) -> Comparison {
        let mut groups: Vec<(usize, Alike)> =
            self.groups.into_iter().enumerate().map(alike).collect();
        for (position, node) in self.nodes.iter().enumerate() {
            groups[node.group as usize].1.nodes.push(position);
        }
        groups.sort_by_key(|(_, alike)| Reverse(alike.nodes.len()));
        let mut ranks = vec![0; groups.len()];
        for (rank, (group, _)) in groups.iter().enumerate() {
            ranks[*group] = rank;
        }
        number_names(&mut self.nodes);
        let groups: Vec<Alike> = groups.into_iter().map(|(_, alike)| alike).collect();
        let mut walk = Walk {
            nodes: &self.nodes,
            ranks: &ranks,
            groups: &groups,
            differences: Vec::new(),
            shared: Vec::new(),
        };
        walk.below("", &self.tree, &(0..).take(groups.len()).collect::<Vec<_>>());
        let Walk { differences, shared, .. } = walk;
        Comparison { nodes: self.nodes, differences, groups, shared }
    }
}

fn alike((group, digest): (usize, Digest)) -> (usize, Alike) {
    (group, Alike { digest, nodes: Vec::new() })
}

/// Appends the position to names that are there more than once.
fn number_names(nodes: &mut [FleetNode]) {
    let mut count: BTreeMap<Rc<str>, usize> = BTreeMap::new();
    for node in &*nodes {
        *count.entry(node.name.clone()).or_default() += 1;
    }
    for (index, node) in nodes.iter_mut().enumerate() {
        if count[&node.name] > 1 {
            node.name = format!("{} ({})", node.name, index + 1).into();
        }
    }
}

struct Walk<'w> {
    nodes: &'w [FleetNode],
    ranks: &'w [usize],
    groups: &'w [Alike],
    differences: Vec<Difference>,
    shared: Vec<(String, String)>,
}

impl Walk<'_> {
    /// Compares the facts below a place, among the groups that have it.
    fn below(&mut self, place: &str, tree: &Tree, present: &[Group]) {
        for (name, below) in &tree.below {
            let place = if place.is_empty() { name.clone() } else { format!("{place} › {name}") };
            self.compare(&place, below, present);
        }
    }

    /// Compares one place. A missing object is one difference, and not one for each of its facts.
    fn compare(&mut self, place: &str, tree: &Tree, present: &[Group]) {
        let mut values: Vec<Held> = Vec::new();
        for (value, groups) in &tree.values {
            values.push(self.held(FactValue::Text(value.clone()), groups));
        }
        if !tree.holders.is_empty() {
            values.push(self.held(FactValue::Present, &tree.holders));
        }
        let has = |group: &Group| {
            tree.holders.binary_search(group).is_ok()
                || tree.values.values().any(|groups| groups.binary_search(group).is_ok())
        };
        let missing: Vec<Group> = present.iter().copied().filter(|group| !has(group)).collect();
        if !missing.is_empty() {
            values.push(self.held(FactValue::Missing, &missing));
        }
        match &values[..] {
            [Held { value: FactValue::Text(value), groups, .. }]
                if groups.len() == self.groups.len() =>
            {
                self.shared.push((place.to_owned(), value.clone()));
            }
            [_] => {}
            _ => {
                values
                    .sort_by_key(|held| (Reverse(held.nodes.len()), held.groups.first().copied()));
                self.differences.push(Difference { what: place.to_owned(), values });
            }
        }
        self.below(place, tree, &tree.holders);
    }

    fn held(&self, value: FactValue, groups: &[Group]) -> Held {
        let mut groups: Vec<usize> =
            groups.iter().map(|group| self.ranks[*group as usize]).collect();
        groups.sort_unstable();
        let of = |rank: &usize| self.groups[*rank].nodes.iter().copied();
        let mut nodes: Vec<usize> = groups.iter().flat_map(of).collect();
        nodes.sort_unstable();
        let nodes = nodes.into_iter().map(|at| self.nodes[at].name.clone()).collect();
        Held { value, nodes, groups }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn compared(reports: &[(&str, Value)]) -> Comparison {
        let mut all = Reports::default();
        for (node, comparable) in reports {
            all.add(Utf8Path::new("a.json"), Report::of(node, comparable)).unwrap();
        }
        all.compare()
    }

    fn lines(reports: &[(&str, Value)]) -> Vec<String> {
        let held = |held: &Held| format!("{}: {}", held.value, held.nodes.join("+"));
        let line = |difference: &Difference| {
            let values: Vec<_> = difference.values.iter().map(held).collect();
            format!("{} [{}]", difference.what, values.join(" | "))
        };
        compared(reports).differences.iter().map(line).collect()
    }

    #[test]
    fn each_difference_names_the_nodes_the_odd_one_last() {
        let node = |name, kernel: &str| (name, json!({ "machine": { "kernel": kernel } }));
        assert_eq!(lines(&[node("a", "6.8"), node("b", "6.8")]), [""; 0]);
        let odd = [node("a", "6.5"), node("b", "6.8"), node("c", "6.8")];
        assert_eq!(lines(&odd), ["machine › kernel [6.8: b+c | 6.5: a]"]);
        let twins = [node("a", "6.5"), node("a", "6.8")];
        assert_eq!(lines(&twins), ["machine › kernel [6.5: a (1) | 6.8: a (2)]"]);
    }

    #[test]
    fn nodes_with_equal_reports_are_one_group_the_largest_first() {
        let node = |name, kernel: &str| (name, json!({ "kernel": kernel, "os": "8.4" }));
        let all = compared(&[node("a", "6.5"), node("b", "6.8"), node("c", "6.8")]);
        let groups: Vec<_> = all.groups.iter().map(|it| it.nodes.clone()).collect();
        assert_eq!(groups, [vec![1, 2], vec![0]]);
        assert_eq!(all.shared, [("os".to_owned(), "8.4".to_owned())]);
        let groups: Vec<_> = all.differences[0].values.iter().map(|it| &it.groups[..]).collect();
        assert_eq!(groups, [[0], [1]]);
    }

    #[test]
    fn a_missing_object_is_one_difference_however_deep_it_is() {
        let applied = json!({ "applied": {
            "bundle": { "name": "gpu", "channel": "stable" },
            "packages": [{ "package": "dkms", "is": { "version": "3" } }],
        } });
        let nothing = json!({ "applied": null });
        assert_eq!(
            lines(&[("a", applied.clone()), ("b", nothing), ("c", json!({}))]),
            ["applied [(present): a | none: b | (not there): c]"]
        );
        // The nodes that have it are still compared.
        let mut other = applied.clone();
        other["applied"]["bundle"]["name"] = json!("vgpu");
        other["applied"]["packages"] = json!([]);
        assert_eq!(
            lines(&[("a", applied), ("b", other), ("c", json!({}))]),
            [
                "applied [(present): a+b | (not there): c]",
                "applied › bundle › name [gpu: a | vgpu: b]",
                "applied › packages [(present): a | none: b]",
            ]
        );
    }

    #[test]
    fn a_missing_element_is_one_difference() {
        let package = |name: &str, version: &str| json!({ "package": name, "version": version });
        let with = json!({ "packages": [package("dkms", "3"), package("gcc", "12")] });
        let without = json!({ "packages": [package("gcc", "13")] });
        let found = lines(&[("a", with), ("b", without)]);
        let dkms = "packages › dkms [(present): a | (not there): b]";
        assert_eq!(found, [dkms, "packages › gcc › version [12: a | 13: b]"]);
    }

    #[test]
    fn json_tells_objects_and_missing_facts_apart() {
        let all = compared(&[("a", json!({ "x": { "y": 1 } })), ("b", json!({}))]);
        let json = serde_json::to_value(&all).unwrap();
        let values = &json["differences"][0]["values"];
        assert_eq!(values[0]["value"], true);
        assert_eq!(values[1]["value"], Value::Null);
        assert_eq!(json["nodes"][0]["signed-by"], Value::Null);
    }
}
