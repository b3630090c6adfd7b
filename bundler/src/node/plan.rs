//! The plan of a node, from `vgpu-installer plan --output`.

use anyhow::{anyhow, bail};
use camino::Utf8Path;
use serde::Deserialize;
use serde_json::Value;
use vgpu_manifest::Digest;
use vgpu_manifest::inventory::Inventory;

use super::Entry;
use crate::ui::Advise as _;

/// The only schema of plans that this program reads.
const SCHEMA: u64 = 1;

/// The largest plan, in bytes: as much as the installer reads.
pub(crate) const MAX_PLAN: u64 = 32 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Plan {
    pub(crate) bundle: Known,
    /// The digest of the bundle's `SHA256SUMS`.
    pub(crate) digest: Digest,
    pub(crate) before_reboot: Vec<PlannedStep>,
    pub(crate) after_reboot: Vec<PlannedStep>,
    /// The number of steps that are in sync already.
    pub(crate) already_true: usize,
    pub(crate) needs_reboot: bool,
    /// The existing files and links that it replaces or removes.
    pub(crate) replaces: Vec<FileChange>,
    /// The new files and links; plans of earlier installers have none.
    #[serde(default)]
    pub(crate) creates: Vec<FileChange>,
    pub(crate) security: Vec<Concern>,
    pub(crate) changes: Vec<Change>,
    pub(crate) review: Basis,
}

/// The name, order and signers of a bundle.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) channel: String,
    pub(crate) sequence: u64,
    pub(crate) signed_by: Vec<String>,
    pub(crate) upstream: Option<Vouched>,
}

/// The packages that their archives have signed.
#[derive(Debug, Deserialize)]
pub(crate) struct Vouched {
    pub(crate) packages: usize,
    pub(crate) of: usize,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PlannedStep {
    pub(crate) summary: String,
    pub(crate) why: String,
}

/// A file or link before and after the plan.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FileChange {
    pub(crate) path: String,
    pub(crate) was: Option<Entry>,
    pub(crate) becomes: Option<Entry>,
    /// The lines of a unified diff.
    #[serde(default)]
    pub(crate) diff: Vec<String>,
    /// The reason why there is no diff.
    pub(crate) no_diff: Option<String>,
}

/// A security-relevant part of a plan.
#[derive(Debug, Deserialize)]
pub(crate) struct Concern {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// A change as the journal would record it.
#[derive(Debug, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub(crate) enum Change {
    Put { path: String, before: Option<Entry>, after: Option<Entry> },
    Act(Act),
    Lost { path: String },
}

/// A change that a program of the node makes.
#[derive(Debug, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub(crate) enum Act {
    Run { command: Command },
    Packages { before: Vec<Package> },
    Driver { way: String, driver: Driver },
    Foreign { version: Option<String> },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Command {
    pub(crate) argv: Vec<String>,
}

/// A package that apt would install.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) becomes: String,
    pub(crate) was: Option<Installed>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Installed {
    pub(crate) version: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Driver {
    pub(crate) version: String,
}

/// The inputs of the plan.
#[derive(Debug, Deserialize)]
pub(crate) struct Basis {
    pub(crate) facts: Inventory,
    pub(crate) plan: Steps,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Steps {
    /// The objections that the operator has overridden.
    #[serde(default)]
    pub(crate) overridden: Vec<String>,
}

impl Plan {
    /// Parses the document of `vgpu-installer plan --output` or `plan --json`.
    pub(crate) fn parse(path: &Utf8Path, text: &str) -> anyhow::Result<Self> {
        let malformed = |error: serde_json::Error| {
            anyhow!("`{path}` is not a plan: {}", error.to_string().escape_debug())
        };
        let value: Value = serde_json::from_str(text).map_err(malformed)?;
        let schema = value.get("review").and_then(|review| review.get("schema")?.as_u64());
        if let Some(found) = schema.filter(|found| *found != SCHEMA) {
            bail!("the plan `{path}` has schema {found}, but this program reads {SCHEMA}");
        }
        serde_json::from_value(value)
            .map_err(malformed)
            .hint("write one on the node with `vgpu-installer plan --output FILE BUNDLE`")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn acts_of_every_kind_are_read() {
        let changes = json!([
            { "change": "put", "path": "/a", "before": null, "after": { "kind": "special" } },
            { "change": "act", "act": "run", "command": { "argv": ["a"] }, "scope": {} },
            { "change": "act", "act": "packages", "ask": [], "before": [
                { "name": "gcc", "becomes": "2", "was": { "version": "1" } }] },
            { "change": "act", "act": "driver", "way": "install", "driver": { "version": "535" } },
            { "change": "act", "act": "foreign" },
            { "change": "lost", "path": "/b", "before": {} },
        ]);
        let changes: Vec<Change> = serde_json::from_value(changes).unwrap();
        assert_eq!(changes.len(), 6);
        assert!(matches!(&changes[4], Change::Act(Act::Foreign { version: None })));
    }

    #[test]
    fn other_documents_are_refused() {
        let parse = |value: Value| {
            let parsed = Plan::parse(Utf8Path::new("p.json"), &value.to_string());
            format!("{:#}", parsed.unwrap_err())
        };
        let error = parse(json!({ "review": { "schema": 2 } }));
        assert_eq!(error, "the plan `p.json` has schema 2, but this program reads 1");
        let error = parse(json!({ "review": { "schema": 1 } }));
        assert!(error.contains("`p.json` is not a plan: missing field"), "{error}");
    }
}
