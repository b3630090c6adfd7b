//! Arbitrary manifests, correctly signed.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use vgpu_manifest::{CHUNK, Item, ItemName, Manifest, limits};

use crate::manifest::mutations::frame::{CREATED, Member, Writer, items, manifest};

/// A mutation of a document.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, Value),
    Remove(Index),
    Rename(Index, String),
    Add(Index, String, Value),
    Repeat(Index),
    Swap(Index, Index),
}

/// Values that a document of this kind may contain, and some that it may not.
fn value() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        Just(""),
        Just("empty"),
        Just("conf/one.conf"),
        Just("CONF/ONE.CONF"),
        Just("conf"),
        Just("../evil"),
        Just("/etc/passwd"),
        Just("/etc/a\nb"),
        Just("on"),
        Just("0755"),
        Just("4755"),
        Just("file"),
        Just("folder"),
        Just("url"),
        Just("tree"),
        Just("plain"),
        Just("stable"),
        Just("0.1.0"),
        Just("99.0.0"),
        Just("a.service"),
        Just("\u{1b}[2J"),
        Just("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ];
    let numbers = prop_oneof![
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(8)),
        Just(json!(-1)),
        Just(json!(1.5)),
        Just(json!(27)),
        Just(json!(28)),
        Just(json!(CHUNK)),
        Just(json!(CHUNK + 1)),
        Just(json!(limits::MAX_ITEM)),
        Just(json!(limits::MAX_ITEM + 1)),
        Just(json!(u64::MAX)),
    ];
    let leaf = prop_oneof![
        4 => texts.prop_map(Value::from),
        3 => numbers,
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => "\\PC{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..4)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "name",
        "size",
        "mode",
        "sha256",
        "chunks",
        "origin",
        "kind",
        "tree",
        "catalog",
        "url",
        "wants",
        "format",
        "needs",
        "unit",
        "file",
        "drop-in",
        "wanted-by",
        "unpacked",
        "window-log",
        "x",
    ];
    prop::sample::select(known.to_vec()).prop_map(str::to_owned)
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), value()).prop_map(|(at, value)| Change::Replace(at, value)),
        1 => at().prop_map(Change::Remove),
        1 => (at(), key()).prop_map(|(at, key)| Change::Rename(at, key)),
        2 => (at(), key(), value()).prop_map(|(at, key, value)| Change::Add(at, key, value)),
        1 => at().prop_map(Change::Repeat),
        1 => (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

/// Returns the JSON pointers of all values in a document.
fn pointers(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{here}/{i}"), all));
        }
        Value::Object(map) => {
            map.iter().for_each(|(key, v)| pointers(v, &format!("{here}/{key}"), all));
        }
        _ => {}
    }
}

impl Change {
    fn befall(&self, document: &mut Value) {
        let mut all = Vec::new();
        pointers(document, "", &mut all);
        let pick = |at: &Index| at.get(&all).as_str();
        match self {
            Self::Replace(at, value) => {
                *document.pointer_mut(pick(at)).unwrap() = value.clone();
            }
            Self::Remove(at) => {
                take(document, pick(at));
            }
            Self::Rename(at, to) => {
                let pointer = pick(at);
                if let Some(value) = take(document, pointer) {
                    let (parent, _) = pointer.rsplit_once('/').unwrap();
                    if let Some(Value::Object(map)) = document.pointer_mut(parent) {
                        map.insert(to.clone(), value);
                    }
                }
            }
            Self::Add(at, key, value) => match document.pointer_mut(pick(at)).unwrap() {
                Value::Object(map) => drop(map.insert(key.clone(), value.clone())),
                Value::Array(list) => list.push(value.clone()),
                _ => {}
            },
            Self::Repeat(at) => {
                if let Value::Array(list) = document.pointer_mut(pick(at)).unwrap() {
                    list.extend(list.first().cloned());
                }
            }
            Self::Swap(a, b) => {
                let values = [a, b].map(|at| document.pointer(pick(at)).unwrap().clone());
                *document.pointer_mut(pick(a)).unwrap() = values[1].clone();
                if let Some(place) = document.pointer_mut(pick(b)) {
                    *place = values[0].clone();
                }
            }
        }
    }
}

/// Removes the value at `pointer` from its parent.
fn take(document: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, key) = pointer.rsplit_once('/')?;
    match document.pointer_mut(parent)? {
        Value::Object(map) => map.remove(key),
        Value::Array(list) => Some(list.remove(key.parse().ok()?)),
        _ => None,
    }
}

/// Returns an archive that fits the document as well as possible.
fn members(document: &Value) -> Vec<Member> {
    let known = items();
    let list = document["items"].as_array().cloned().unwrap_or_default();
    let member = |item: &Value| {
        let bytes = known.iter().find(|k| item["name"] == k.name.as_str()).map(|k| k.bytes.clone());
        Member {
            name: item["name"].as_str().unwrap_or("x").to_owned(),
            mode: if item["mode"] == "0755" { 0o755 } else { 0o644 },
            bytes: bytes.unwrap_or_default(),
        }
    };
    list.iter().map(member).collect()
}

/// Checks whether `understood` contains everything in `said`, except empty values.
fn is_understood(said: &Value, understood: &Value) -> bool {
    let empty = |value: &Value| {
        value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty)
    };
    match (said, understood) {
        (Value::Object(said), Value::Object(understood)) => said.iter().all(|(key, value)| {
            understood.get(key).map_or(empty(value), |other| is_understood(value, other))
        }),
        (Value::Array(said), Value::Array(understood)) => {
            said.len() == understood.len()
                && said.iter().zip(understood).all(|(a, b)| is_understood(a, b))
        }
        _ => said == understood,
    }
}

fn check_accepted(manifest: &Manifest, document: &Value) {
    let again = manifest.to_bytes().unwrap();
    assert_eq!(&Manifest::parse(&again).unwrap(), manifest);
    let understood: Value = serde_json::from_slice(&again).unwrap();
    assert!(is_understood(document, &understood), "{document}\n{understood}");

    let names: Vec<&ItemName> = manifest.items.iter().map(Item::name).collect();
    let folded: BTreeSet<String> =
        names.iter().map(|name| name.as_str().to_ascii_lowercase()).collect();
    assert_eq!(folded.len(), names.len());
    for item in &manifest.items {
        assert_eq!(item.name().as_str().parse::<ItemName>().as_ref(), Ok(item.name()));
        assert!(item.size() <= limits::MAX_ITEM);
        assert_eq!(item.chunks().map(|chunk| chunk.len).sum::<u64>(), item.size());
    }
    assert!(manifest.wants.items().all(|wanted| names.contains(&wanted)));
    let text = serde_json::to_string(&understood).unwrap();
    assert!(!text.contains("\\u001b"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_changed_manifest_is_refused_or_understood(changes in prop::collection::vec(change(), 1..4)) {
        let writer = Writer::new();
        let mut document = manifest(&items());
        for change in &changes {
            change.befall(&mut document);
        }
        let created = document["created"].as_u64().filter(|&c| c <= limits::MAX_ITEM);
        let text = document.to_string();
        let bytes = writer.bundle(text.as_bytes(), created.unwrap_or(CREATED), &members(&document));
        if let Ok(bundle) = writer.verdict(&bytes) {
            check_accepted(bundle.manifest(), &document);
        }
        // The verdict on a manifest does not depend on the archive around it.
        if let Ok(parsed) = Manifest::parse(text.as_bytes()) {
            check_accepted(&parsed, &document);
        }
    }

    #[test]
    fn a_manifest_with_other_bytes_never_panics(
        at in any::<Index>(),
        new in prop::collection::vec(any::<u8>(), 0..6),
        gone in 0..6_usize,
    ) {
        let writer = Writer::new();
        let mut text = manifest(&items()).to_string().into_bytes();
        let at = at.index(text.len());
        let end = (at + gone).min(text.len());
        text.splice(at..end, new);
        let bytes = writer.bundle(&text, CREATED, &items());
        if let Ok(bundle) = writer.verdict(&bytes) {
            let document = serde_json::from_slice(&text).unwrap();
            check_accepted(bundle.manifest(), &document);
        }
    }
}
