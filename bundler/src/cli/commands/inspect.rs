use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_keys::{Channel, Fingerprint, Principal, SignedPolicies, SignedPolicy};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::unlock::UnlockRecord;
use vgpu_manifest::{Bundle, BundleName, Digest, Expected, Item, Kind, Manifest, Origin, Verified};

use crate::cli::options::TrustArgs;
use crate::items::{driver, image};
use crate::lock;
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report<'r> {
    #[serde(flatten)]
    facts: Facts<'r>,
    manifest: &'r Manifest,
}

/// A summary of a trusted bundle.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Facts<'r> {
    name: &'r BundleName,
    channel: &'r Channel,
    sequence: u64,
    digest: Digest,
    signed_by: Vec<&'r Principal>,
    keys: Vec<Fingerprint>,
    not_counted: Vec<String>,
    /// The versions of the signed policies in it.
    policies: Vec<u64>,
    total_size: u64,
    /// The items that are not in it, and that a node must have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Expected>,
}

impl Args {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let bundle = self.trust.open(&self.bundle)?;
        if let Some(form) = self.sbom {
            return Ok(print_json(&sbom::of(&bundle, form)?)?);
        }
        if self.json {
            let report = Report { facts: facts(&bundle), manifest: bundle.manifest() };
            return Ok(print_json(&report)?);
        }
        Ok(print(summary(&bundle).into_iter().chain(table(bundle.manifest())))?)
    }
}

/// A summary of a trusted bundle.
pub(super) fn facts(bundle: &Bundle<Verified>) -> Facts<'_> {
    let trusted = bundle.trusted();
    let manifest = bundle.manifest();
    Facts {
        name: &manifest.name,
        channel: &manifest.channel,
        sequence: manifest.sequence,
        digest: bundle.digest(),
        signed_by: trusted.principals.iter().collect(),
        keys: trusted.keys.iter().map(vgpu_keys::PublicKey::fingerprint).collect(),
        not_counted: trusted.uncounted.iter().map(ToString::to_string).collect(),
        policies: policies(bundle),
        total_size: bundle.total(),
        left_out: Expected::of(manifest.left_out()),
    }
}

pub(super) fn summary(bundle: &Bundle<Verified>) -> Vec<String> {
    let Manifest { name, channel, sequence, made_by, items, .. } = bundle.manifest();
    let size = ByteSize::new(bundle.total());
    let trusted = bundle.trusted();
    let mut lines = vec![
        format!("{name} {sequence} of channel {channel}: {} items, {size}", items.len()),
        format!("made by version {made_by}; SHA256SUMS has digest {}", bundle.digest()),
    ];
    let principals: Vec<_> = trusted.principals.iter().map(Principal::as_str).collect();
    lines.push(format!("signed by {}", principals.join(", ")));
    lines.extend(trusted.keys.iter().map(|key| format!("  with {}", key.fingerprint())));
    lines.extend(trusted.uncounted.iter().map(|other| format!("  not counted: {other}")));
    lines
        .extend(policies(bundle).iter().map(|version| format!("brings policy {version} of nodes")));
    let expected = Expected::of(bundle.manifest().left_out());
    let carried = || format!("carried: {}", bundle.manifest().carried_summary());
    lines.extend((!expected.is_empty()).then(carried));
    lines.extend(expected.iter().map(|it| format!("left out, and expected on the node: {it}")));
    lines
}

fn policies(bundle: &Bundle<Verified>) -> Vec<u64> {
    let policies = bundle.policies().map_or(&[][..], SignedPolicies::policies);
    policies.iter().map(SignedPolicy::version).collect()
}

fn table(manifest: &Manifest) -> Vec<String> {
    let width = manifest.items.iter().map(|item| item.name().as_str().len()).max().unwrap_or(0);
    let row = |item: &Item| {
        let size = ByteSize::new(item.size()).to_string();
        let sha256 = item.sha256().to_string();
        let (name, mode) = (item.name().as_str(), item.mode().bits());
        let left_out = if item.is_carried() { "" } else { ", left out" };
        let what = describe(item) + left_out;
        format!("{name:width$}  {size:>10}  {mode:04o}  {}  {what}", &sha256[..12])
    };
    let mut lines = vec![String::new()];
    lines.extend(manifest.items.iter().map(row));
    for known in [driver::lines(&manifest.kinds()), image::lines(manifest.kinds())] {
        if !known.is_empty() {
            lines.push(String::new());
            lines.extend(known);
        }
    }
    let wants = lock::host_changes(&manifest.wants);
    if !wants.is_empty() {
        lines.push(String::new());
        lines.extend(wants.into_iter().map(|want| format!("wants {want}")));
    }
    lines
}

fn describe(item: &Item) -> String {
    match (item.kind(), item.origin()) {
        (Kind::Tree(tree) | Kind::UnlockSource(UnlockRecord { tree, .. }), _) => {
            format!("tree, {} unpacked", ByteSize::new(tree.unpacked))
        }
        (Kind::Catalog(_), _) => "the catalog".to_owned(),
        (Kind::Policies(_), _) => "signed policies".to_owned(),
        (_, origin @ (Origin::Url { .. } | Origin::Git { .. })) => origin.to_string(),
        (Kind::Image(_), _) | (_, Origin::Image { .. }) => "container image".to_owned(),
        (_, Origin::Bundler) => "made by the bundler".to_owned(),
        (_, Origin::File | Origin::Folder) => "file".to_owned(),
    }
}
