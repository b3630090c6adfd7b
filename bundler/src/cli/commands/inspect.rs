use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Bundle, Item, Manifest, Verified};

use crate::cli::options::TrustArgs;
use crate::contents::{Facts, describe, records, wants};
use crate::sbom;
use crate::ui::{print, print_json};

/// Show the contents of a bundle.
///
/// Verifies the signatures. Reads the payload only for `--sbom`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bundle, or the first of its parts
    bundle: Utf8PathBuf,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Print a bill of materials as JSON; this reads the trees in the bundle
    #[arg(long, value_name = "FORM", conflicts_with = "json")]
    sbom: Option<sbom::Form>,

    #[command(flatten)]
    trust: TrustArgs,
}

/// The contents of a bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report<'r> {
    #[serde(flatten)]
    facts: Facts<'r>,
    /// The manifest of the bundle, which the document `manifest` describes.
    manifest: &'r Manifest,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let bundle = self.trust.open(&self.bundle)?;
        if let Some(form) = self.sbom {
            return Ok(print_json(&sbom::of(&bundle, form)?)?);
        }
        if self.json {
            let report = Report { facts: Facts::of(&bundle), manifest: bundle.manifest() };
            return Ok(print_json(&report)?);
        }
        Ok(print(summary(&bundle).into_iter().chain(table(bundle.manifest())))?)
    }
}

pub(super) fn summary(bundle: &Bundle<Verified>) -> Vec<String> {
    let Manifest { name, channel, sequence, made_by, items, .. } = bundle.manifest();
    let facts = Facts::of(bundle);
    let size = ByteSize::new(facts.total_size);
    let mut lines = vec![
        format!("{name} {sequence} of channel {channel}: {} items, {size}", items.len()),
        format!("made by version {made_by}; SHA256SUMS has digest {}", facts.digest),
    ];
    let principals: Vec<_> = facts.signed_by.iter().map(|who| who.as_str()).collect();
    lines.push(format!("signed by {}", principals.join(", ")));
    lines.extend(facts.keys.iter().map(|key| format!("  with {key}")));
    lines.extend(facts.not_counted.iter().map(|other| format!("  not counted: {other}")));
    lines.extend(facts.policies.iter().map(|version| format!("brings policy {version} of nodes")));
    let carried = || format!("carried: {}", bundle.manifest().carried_summary());
    lines.extend((!facts.left_out.is_empty()).then(carried));
    lines.extend(
        facts.left_out.iter().map(|it| format!("left out, and expected on the node: {it}")),
    );
    lines
}

fn table(manifest: &Manifest) -> Vec<String> {
    let width = manifest.items.iter().map(|item| item.name().as_str().len()).max().unwrap_or(0);
    let row = |item: &Item| {
        let size = ByteSize::new(item.size()).to_string();
        let sha256 = item.sha256().to_string();
        let (name, mode) = (item.name().as_str(), item.mode().bits());
        format!("{name:width$}  {size:>10}  {mode:04o}  {}  {}", &sha256[..12], describe(item))
    };
    let mut lines = vec![String::new()];
    lines.extend(manifest.items.iter().map(row));
    for known in records(manifest) {
        if !known.is_empty() {
            lines.push(String::new());
            lines.extend(known);
        }
    }
    let wants = wants(manifest);
    if !wants.is_empty() {
        lines.push(String::new());
        lines.extend(wants.into_iter().map(|want| format!("wants {want}")));
    }
    lines
}
