//! JSON documents as facts: pairs of a path in the document and a value.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields that identify an element of a list, best first: the path, package, step, item and so
/// on of a report.
const KEYS: [&str; 8] = ["path", "package", "name", "item", "summary", "id", "slot", "principal"];

/// The facts of several documents, by name: each value, in order of appearance, and the numbers of the
/// documents that have it.
#[derive(Debug, Default)]
pub(super) struct Facts(BTreeMap<String, Vec<(String, Vec<usize>)>>);

impl Facts {
    /// Adds the facts of a document.
    pub(super) fn add(&mut self, number: usize, document: &Value) {
        for (name, value) in of(document) {
            let values = self.0.entry(name).or_default();
            match values.iter_mut().find(|(other, _)| *other == value) {
                Some((_, numbers)) => numbers.push(number),
                None => values.push((value, vec![number])),
            }
        }
    }

    /// Returns the name of each fact with its values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &[(String, Vec<usize>)])> {
        self.0.iter().map(|(name, values)| (name, &values[..]))
    }
}

/// Returns every fact in `value` by name.
fn of(value: &Value) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    walk("", value, &mut facts);
    facts
}

fn walk(name: &str, value: &Value, facts: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (field, value) in fields {
                walk(&below(name, field), value, facts);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            for (index, element) in elements.iter().enumerate() {
                let key = key(element).unwrap_or_else(|| (index + 1).to_string());
                walk(&unused(below(name, &key), facts), element, facts);
            }
        }
        Value::Array(elements) => {
            let shown: Vec<String> = elements.iter().map(shown).collect();
            facts.insert(name.to_owned(), shown.join(", "));
        }
        value => {
            facts.insert(name.to_owned(), shown(value));
        }
    }
}

fn below(name: &str, field: &str) -> String {
    if name.is_empty() { field.to_owned() } else { format!("{name} › {field}") }
}

/// Returns the identity of an element of a list.
fn key(element: &Value) -> Option<String> {
    KEYS.into_iter().find_map(|key| element.get(key)?.as_str()).map(str::to_owned)
}

/// Makes a name unique, so that elements with the same identity do not hide each other.
fn unused(name: String, facts: &BTreeMap<String, String>) -> String {
    let is_used = |name: &str| {
        let inner = below(name, "");
        facts.range(inner.clone()..).next().is_some_and(|(other, _)| other.starts_with(&inner))
    };
    if !is_used(&name) {
        return name;
    }
    let numbered = (2..).map(|number| format!("{name} ({number})"));
    numbered.into_iter().find(|name| !is_used(name)).unwrap_or(name)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Object(_) => "nothing".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_have_names_that_say_where_they_stand() {
        let facts = of(&json!({
            "machine": { "kernel": "6.8.12-9-pve", "gpus": ["10de:1eb8", "10de:1eb8"] },
            "applied": { "changes": [
                { "path": "/etc/a", "becomes": { "node": { "mode": "0644" } } },
                { "path": "/etc/b", "becomes": "nothing" },
            ] },
            "steps": [{ "summary": "load vfio", "state": "in-sync" }, { "summary": "load vfio", "state": "drifted" }],
            "trust": null,
        }));
        let expected = [
            ("applied › changes › /etc/a › becomes › node › mode", "0644"),
            ("applied › changes › /etc/a › path", "/etc/a"),
            ("applied › changes › /etc/b › becomes", "nothing"),
            ("applied › changes › /etc/b › path", "/etc/b"),
            ("machine › gpus", "10de:1eb8, 10de:1eb8"),
            ("machine › kernel", "6.8.12-9-pve"),
            ("steps › load vfio (2) › state", "drifted"),
            ("steps › load vfio (2) › summary", "load vfio"),
            ("steps › load vfio › state", "in-sync"),
            ("steps › load vfio › summary", "load vfio"),
            ("trust", "none"),
        ];
        let found: Vec<_> = facts.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, expected);
    }
}
