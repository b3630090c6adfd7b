use serde::Serialize;
use vgpu_keys::Principal;
use vgpu_manifest::{Bundle, Digest, Expected, Item, ItemMode, Kind, Manifest, Verified};

use super::bundle::{BundleArg, title};
use crate::cli::{Exit, Target};
use crate::date::Date;
use crate::store::Known;
use crate::ui::{ByteSize, Format, Ui, printable};

/// Show the contents of a trusted bundle.
///
/// Verifies the signatures and does not read the payload; `verify` does.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    #[command(flatten)]
    bundle: BundleArg,
}

/// The contents of a bundle.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Document<'b> {
    /// The digest of the bundle's signed root.
    digest: Digest,
    /// The size of all items in bytes.
    size: u64,
    /// The principals whose signatures count.
    signed_by: Vec<&'b Principal>,
    /// The manifest of the bundle, which the document `manifest` describes.
    manifest: &'b Manifest,
}

impl Inspect {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let (_, bundle) = self.bundle.open(&target.host)?;
        if ui.format() == Format::Json {
            let signed_by = bundle.trusted().principals.iter().collect();
            let (digest, size) = (bundle.digest(), bundle.total());
            ui.print_json(&Document { digest, size, signed_by, manifest: bundle.manifest() })?;
        } else {
            print_table(&bundle, ui)?;
        }
        Ok(Exit::Done)
    }
}

fn print_table(bundle: &Bundle<Verified>, ui: &Ui) -> std::io::Result<()> {
    let manifest = bundle.manifest();
    ui.print(title(&Known::of(bundle)))?;
    ui.print(format_args!("digest   {}", bundle.digest()))?;
    for other in &bundle.trusted().uncounted {
        ui.print(format_args!("not counted: {other}"))?;
    }
    let created = Date(i64::try_from(manifest.created).unwrap_or(i64::MAX));
    ui.print(format_args!("created  {created}, by bundler {}", manifest.made_by))?;
    let total = ByteSize::new(bundle.total());
    ui.print(format_args!("items    {}, {total} in all", manifest.items.len()))?;
    for expected in Expected::of(manifest.left_out()) {
        ui.print(format_args!("left out {expected}"))?;
    }
    ui.print("")?;
    let width = manifest.items.iter().map(|item| item.name().as_str().len()).max().unwrap_or(0);
    for item in &manifest.items {
        ui.print(line(item, width))?;
    }
    Ok(())
}

fn line(item: &Item, width: usize) -> String {
    let mode = match item.mode() {
        ItemMode::Plain => "0644",
        ItemMode::Executable => "0755",
    };
    let kind = match item.kind() {
        Kind::Catalog(_) => "  (the catalog)",
        Kind::Policies(_) => "  (signed policies)",
        kind if kind.tree().is_some() => "  (a tree)",
        _ => "",
    };
    let left_out = if item.is_carried() { "" } else { "  (left out)" };
    let origin = printable(&item.origin().to_string());
    let (name, size) = (item.name().as_str(), ByteSize::new(item.size()));
    format!("{name:width$}  {size:>10}  {mode}  {}{kind}{left_out}  {origin}", item.sha256())
}
