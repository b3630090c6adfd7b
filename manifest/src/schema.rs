//! JSON Schemas of the documents, from the types that print them. Compiled for the tests and
//! the demo, not for what ships.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::Manifest;
use crate::ui::ErrorDocument;

/// The width of a line; a longer text or number is not broken.
const WIDTH: usize = 100;

/// The schema of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSchema {
    /// The name of the schema, and of its file without `.json`.
    pub name: &'static str,
    /// The schema as text, which ends with a line feed.
    pub text: String,
}

/// Returns the schema of the JSON that `T` serializes to.
#[must_use]
pub fn of<T: JsonSchema>(name: &'static str) -> DocumentSchema {
    finish(name, root::<T>())
}

/// Returns the schema of a list of `T`, which `about` describes.
#[must_use]
pub fn list<T: JsonSchema>(name: &'static str, about: &str) -> DocumentSchema {
    let mut schema = root::<Vec<T>>();
    schema.insert("description".to_owned(), about.into());
    finish(name, schema)
}

fn root<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

fn finish(name: &'static str, mut schema: Schema) -> DocumentSchema {
    schema.insert("$id".to_owned(), format!("{name}.json").into());
    schema.insert("title".to_owned(), name.into());
    RecursiveTransform(open).transform(&mut schema);
    RecursiveTransform(plain).transform(&mut schema);
    DocumentSchema { name, text: pretty(schema.as_value(), "\n") + "\n" }
}

/// Formats JSON with each value that fits on one line.
fn pretty(value: &Value, line: &str) -> String {
    let short = inline(value);
    let inner = format!("{line}  ");
    let parts: Vec<String> = match value {
        _ if line.len() + short.len() <= WIDTH => return short,
        Value::Object(fields) => fields
            .iter()
            .map(|(name, it)| format!("{}: {}", Value::from(&**name), pretty(it, &inner)))
            .collect(),
        Value::Array(values) => values.iter().map(|it| pretty(it, &inner)).collect(),
        _ => return short,
    };
    let [open, close] = if value.is_object() { ["{", "}"] } else { ["[", "]"] };
    format!("{open}{inner}{}{line}{close}", parts.join(&format!(",{inner}")))
}

/// Formats JSON on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let field =
                |(name, it): (&String, &Value)| format!("{}: {}", Value::from(&**name), inline(it));
            format!("{{ {} }}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        Value::Array(values) => {
            format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

/// Returns the schemas of the documents that both programs know.
#[must_use]
pub fn documents() -> Vec<DocumentSchema> {
    vec![of::<ErrorDocument>("error"), of::<Manifest>("manifest")]
}

/// Allows additional fields, because later versions may add some.
fn open(schema: &mut Schema) {
    if schema.get("additionalProperties") == Some(&Value::Bool(false)) {
        schema.remove("additionalProperties");
    }
}

/// Turns descriptions from rustdoc into plain ones, and removes formats that only Rust knows.
fn plain(schema: &mut Schema) {
    let is_rust = |format: &Value| format.as_str().is_some_and(|it| it.contains("int"));
    if schema.get("format").is_some_and(is_rust) {
        schema.remove("format");
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text
            .replace("`None`", "`null`")
            .replace("[`", "`")
            .replace("`]", "`")
            .replace('\n', " ")
            .replace("  ", "\n\n");
    }
}
