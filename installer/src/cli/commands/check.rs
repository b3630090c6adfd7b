use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_manifest::catalog::{Catalog, Release};
use vgpu_manifest::database::{self, DatabaseError};
use vgpu_manifest::limits::MAX_CATALOG;
use vgpu_manifest::platform::KernelRelease;
use vgpu_manifest::{Bundle, Item, Manifest, Measure, Verified};

use super::bundle::{BundleArg, title};
use super::print_json;
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::facts::{Serials, inventory};
use crate::fit::{Fit, NoFit, Question, complete};
use crate::host::Look;
use crate::state;
use crate::store::{Bundles, Known};
use crate::ui::{Tone, Ui, printable};

/// Check whether a bundle fits this node, and explain why.
///
/// Uses the catalog in the bundle. Without a bundle, checks the applied one. `--kernel` checks a
/// kernel before it is installed. Exits with 4 if the bundle does not fit.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Bundle, or the first of its parts [default: the applied one]
    #[arg(value_name = "BUNDLE")]
    bundle: Option<Utf8PathBuf>,
    /// Kernel release to check instead of the running one
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<KernelRelease>,
    /// vGPU release to check instead of that of the bundle
    #[arg(long, value_name = "RELEASE")]
    driver: Option<Release>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List the evidence of each statement
    #[arg(long, conflicts_with = "json")]
    evidence: bool,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
enum CheckError {
    #[error("the bundle has no catalog")]
    NoCatalog,
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("the store's copy of the catalog is damaged")]
    Damaged,
}

/// The basis of a verdict.
struct Source {
    title: String,
    manifest: Manifest,
    catalog: Catalog,
}

/// The applied bundle, with its catalog if it has one.
pub(super) struct Applied {
    title: String,
    pub(super) manifest: Manifest,
    pub(super) catalog: Option<Catalog>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'f> {
    bundle: &'f str,
    fits: bool,
    #[serde(flatten)]
    fit: &'f Fit<'f>,
}

impl Check {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        let facts = inventory(&target.host, Serials::LeaveOut);
        let source = match self.bundle {
            Some(path) => from_bundle(&BundleArg { path }, &target.host)?,
            None => from_store(target)?,
        };
        let question = Question { driver: self.driver, kernel: self.kernel };
        let fit = Fit::judge(&source.catalog, &source.manifest, &facts, &question);
        let fit = match fit {
            Ok(fit) => fit,
            Err(NoFit::NoDriver) => {
                return Err(NoFit::NoDriver).hint("select one: `--driver 16.9`");
            }
            Err(no_fit) => return Err(no_fit.into()),
        };
        if self.json {
            let fits = fit.is_suitable();
            print_json(ui, &Document { bundle: &source.title, fits, fit: &fit })?;
        } else {
            let text = if self.evidence {
                format!("{:#}", fit.suitability)
            } else {
                fit.suitability.to_string()
            };
            print(&source.title, &fit, &text, ui)?;
        }
        Ok(if fit.is_suitable() { Exit::Done } else { Exit::Unsuitable })
    }
}

/// A bundle on a medium.
fn from_bundle(bundle: &BundleArg, look: &dyn Look) -> anyhow::Result<Source> {
    let (_, bundle) = bundle.open(look)?;
    let catalog = catalog(&bundle)?;
    let title = title(&Known::of(&bundle));
    Ok(Source { title, manifest: bundle.manifest().clone(), catalog })
}

/// Reads the catalog of a bundle from verified bytes.
pub(super) fn catalog(bundle: &Bundle<Verified>) -> anyhow::Result<Catalog> {
    let item = bundle.manifest().catalog().ok_or(CheckError::NoCatalog)?;
    let mut bytes = Vec::new();
    bundle.copy_item(item, &mut bytes)?;
    let mut catalog = database::read(&bytes).map_err(CheckError::from)?;
    complete(&mut catalog, bundle.manifest());
    Ok(catalog)
}

fn from_store(target: Target) -> anyhow::Result<Source> {
    let nothing = || Refused::Senseless("no bundle is applied here; name a bundle".to_owned());
    let Applied { title, manifest, catalog } = applied(target)?.ok_or_else(nothing)?;
    Ok(Source { title, manifest, catalog: catalog.ok_or(CheckError::NoCatalog)? })
}

pub(super) fn applied(target: Target) -> anyhow::Result<Option<Applied>> {
    let Some(machine) = target.find_machine()? else { return Ok(None) };
    let Some(digest) = machine.current()?.map(|tx| tx.new.bundle) else { return Ok(None) };
    let look = machine.look();
    let known = Bundles::load(look)?;
    let manifest = Bundles::manifest(look, digest)?.ok_or_else(|| {
        Refused::Unfinished(format!("the bundle {digest} is unknown; apply it again"))
    })?;
    let title = known.get(digest).map_or_else(|| digest.to_string(), title);
    let mut catalog = manifest.catalog().map(|item| stored_catalog(look, item)).transpose()?;
    if let Some(catalog) = &mut catalog {
        complete(catalog, &manifest);
    }
    Ok(Some(Applied { title, manifest, catalog }))
}

/// Reads a catalog in the store, if its digest matches.
fn stored_catalog(look: &dyn Look, item: &Item) -> anyhow::Result<Catalog> {
    let path = state::stored(item.id());
    let bytes = look.read_up_to(&path, MAX_CATALOG)?.ok_or(CheckError::Damaged)?;
    let is_whole =
        bytes.len() as u64 <= MAX_CATALOG && Measure::of(&mut &*bytes)?.sha256 == item.sha256();
    if !is_whole {
        return Err(CheckError::Damaged).hint("apply the bundle again to fix it");
    }
    Ok(database::read(&bytes).map_err(CheckError::from)?)
}

fn print(title: &str, fit: &Fit<'_>, verdict: &str, ui: &Ui) -> std::io::Result<()> {
    let kernel = fit.kernel.as_ref().map_or_else(String::new, |kernel| format!(" on {kernel}"));
    let (tone, word) = if fit.is_suitable() {
        (Tone::Good, "fits this node")
    } else {
        (Tone::Bad, "does not fit this node")
    };
    let about = printable(&format!("vGPU {}{kernel}, of {title}", fit.driver));
    ui.print(format_args!("{}: {about}", ui.paint(tone, word)))?;
    for line in verdict.lines() {
        ui.print(printable(line))?;
    }
    for other in &fit.left_alone {
        let text = format!("left alone: {} at {}: {}", other.gpu, other.address, other.why);
        ui.print(printable(&text))?;
    }
    Ok(())
}
