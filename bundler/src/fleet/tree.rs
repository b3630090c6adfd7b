//! The facts of all nodes in one tree, in the form of their JSON documents.
//!
//! Each fact has its name and each of its values once, however many nodes there are, so hundreds of
//! reports fit in little memory.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields that identify an element of a list, best first: the path, package, step, item and so
/// on of a report.
const KEYS: [&str; 8] = ["path", "package", "name", "item", "summary", "id", "slot", "principal"];

/// A group of nodes with the same facts, by number. Each fact has a list of them, so it is small.
pub(super) type Group = u32;

/// A fact, or an object with facts below it: one place in the documents of all groups.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The groups with a value here, by value.
    pub(super) values: BTreeMap<String, Vec<Group>>,
    /// The groups with facts below.
    pub(super) holders: Vec<Group>,
    /// The facts below, by name.
    pub(super) below: BTreeMap<String, Tree>,
}

impl Tree {
    /// Adds the document of a group. Groups come in ascending order.
    pub(super) fn add(&mut self, group: Group, value: &Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                self.holders.push(group);
                for (name, value) in fields {
                    self.at(name).add(group, value);
                }
            }
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                self.holders.push(group);
                for (index, element) in elements.iter().enumerate() {
                    let key = key(element).unwrap_or_else(|| (index + 1).to_string());
                    let name = self.unused(key, group);
                    self.at(&name).add(group, element);
                }
            }
            value => self.values.entry(shown(value)).or_default().push(group),
        }
    }

    fn at(&mut self, name: &str) -> &mut Self {
        if !self.below.contains_key(name) {
            self.below.insert(name.to_owned(), Self::default());
        }
        self.below.entry(name.to_owned()).or_default()
    }

    /// Makes a name unique in a group, so that elements with the same identity do not hide each
    /// other.
    fn unused(&self, name: String, group: Group) -> String {
        let has = |it: &Self| {
            let last = |groups: &Vec<Group>| groups.last() == Some(&group);
            last(&it.holders) || it.values.values().any(last)
        };
        let is_used = |name: &String| self.below.get(name).is_some_and(has);
        if !is_used(&name) {
            return name;
        }
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        numbered.into_iter().find(|name| !is_used(name)).unwrap_or(name)
    }
}

/// Returns the identity of an element of a list.
fn key(element: &Value) -> Option<String> {
    KEYS.into_iter().find_map(|key| element.get(key)?.as_str()).map(str::to_owned)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Object(_) => "nothing".to_owned(),
        Value::Array(elements) if elements.is_empty() => "none".to_owned(),
        Value::Array(elements) => elements.iter().map(shown).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Returns each fact of a group with its place.
    fn facts(tree: &Tree, place: &str, found: &mut Vec<(String, String)>) {
        found.extend(tree.values.keys().map(|value| (place.to_owned(), value.clone())));
        for (name, below) in &tree.below {
            let place = if place.is_empty() { name.clone() } else { format!("{place} › {name}") };
            facts(below, &place, found);
        }
    }

    #[test]
    fn facts_have_names_that_say_where_they_stand() {
        let mut tree = Tree::default();
        tree.add(
            0,
            &json!({
                "machine": { "kernel": "6.8.12-9-pve", "gpus": ["10de:1eb8", "10de:1eb8"] },
                "changes": [
                    { "path": "/etc/a", "becomes": { "node": { "mode": "0644" } } },
                    { "path": "/etc/b", "becomes": {} },
                ],
                "steps": [{ "summary": "load vfio" }, { "summary": "load vfio", "state": "bad" }],
                "trust": null,
            }),
        );
        let expected = [
            ("changes › /etc/a › becomes › node › mode", "0644"),
            ("changes › /etc/a › path", "/etc/a"),
            ("changes › /etc/b › becomes", "nothing"),
            ("changes › /etc/b › path", "/etc/b"),
            ("machine › gpus", "10de:1eb8, 10de:1eb8"),
            ("machine › kernel", "6.8.12-9-pve"),
            ("steps › load vfio › summary", "load vfio"),
            ("steps › load vfio (2) › state", "bad"),
            ("steps › load vfio (2) › summary", "load vfio"),
            ("trust", "none"),
        ];
        let mut found = Vec::new();
        facts(&tree, "", &mut found);
        let found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_value_of_many_groups_is_there_once() {
        let mut tree = Tree::default();
        for group in 0..3 {
            tree.add(group, &json!({ "list": [{ "id": "x", "n": group / 2 }] }));
        }
        let n = &tree.below["list"].below["x"].below["n"];
        assert_eq!(n.values, [("0".to_owned(), vec![0, 1]), ("1".to_owned(), vec![2])].into());
    }
}
