use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::{Deserialize, Serialize};

use crate::ui::{print, print_json};

/// Print the JSON Schema of a document.
///
/// Each command of both programs that takes `--json` has a document of its name, such as
/// `vgpu-bundler-build`. A command of vgpu-installer without one prints `vgpu-installer-done`, and
/// each command that fails prints `error`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the document [default: list all]
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    schema: Option<&'static str>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Embeds the schemas of these documents, each with its name.
macro_rules! embed {
    ($($name:literal,)+) => {
        &[$(($name, include_str!(concat!("../../../../docs/schema/", $name, ".json")))),+]
    };
}

/// The schemas of all documents, by name. The node's program has none of them, to stay small.
const SCHEMAS: &[(&str, &str)] = embed![
    "error",
    "manifest",
    "vgpu-bundler-build",
    "vgpu-bundler-cache-gc",
    "vgpu-bundler-cache-list",
    "vgpu-bundler-cache-path",
    "vgpu-bundler-cache-verify",
    "vgpu-bundler-catalog-drivers",
    "vgpu-bundler-catalog-gpus",
    "vgpu-bundler-catalog-matrix",
    "vgpu-bundler-catalog-patches",
    "vgpu-bundler-catalog-why",
    "vgpu-bundler-diff",
    "vgpu-bundler-doctor",
    "vgpu-bundler-expand",
    "vgpu-bundler-extract",
    "vgpu-bundler-fetch",
    "vgpu-bundler-fleet-compare",
    "vgpu-bundler-fleet-enroll",
    "vgpu-bundler-fleet-mappings",
    "vgpu-bundler-init",
    "vgpu-bundler-inspect",
    "vgpu-bundler-key-generate",
    "vgpu-bundler-key-list",
    "vgpu-bundler-key-show",
    "vgpu-bundler-lock",
    "vgpu-bundler-policy-edit",
    "vgpu-bundler-policy-init",
    "vgpu-bundler-policy-show",
    "vgpu-bundler-policy-sign",
    "vgpu-bundler-prove",
    "vgpu-bundler-schema",
    "vgpu-bundler-show",
    "vgpu-bundler-sign",
    "vgpu-bundler-update",
    "vgpu-bundler-verify",
    "vgpu-bundler-write",
    "vgpu-installer-check",
    "vgpu-installer-done",
    "vgpu-installer-guest-drivers",
    "vgpu-installer-inspect",
    "vgpu-installer-inventory",
    "vgpu-installer-license-status",
    "vgpu-installer-plan",
    "vgpu-installer-repair",
    "vgpu-installer-report",
    "vgpu-installer-status",
    "vgpu-installer-trust-list",
];

fn names() -> impl TypedValueParser<Value = &'static str> {
    let text = |name: String| SCHEMAS.iter().find(|it| it.0 == name).map(|it| it.1).ok_or(Unknown);
    PossibleValuesParser::new(SCHEMAS.iter().map(|it| it.0)).try_map(text)
}

#[derive(Debug, thiserror::Error)]
#[error("no document has this name")]
struct Unknown;

/// A document.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Row {
    /// The name of the document.
    name: &'static str,
    /// A line about its contents.
    about: String,
}

/// The part of a schema that describes the document.
#[derive(Deserialize)]
struct Head {
    description: String,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if let Some(schema) = self.schema {
            return Ok(print(schema.lines())?);
        }
        let rows: Vec<Row> = SCHEMAS.iter().map(row).collect::<Result<_, _>>()?;
        if self.json {
            return Ok(print_json(&rows)?);
        }
        let width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        Ok(print(rows.iter().map(|row| format!("{:width$}  {}", row.name, row.about)))?)
    }
}

fn row(&(name, schema): &(&'static str, &'static str)) -> serde_json::Result<Row> {
    let Head { description } = serde_json::from_str(schema)?;
    let about = description.lines().next().unwrap_or_default().to_owned();
    Ok(Row { name, about })
}
