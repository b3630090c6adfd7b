use camino::Utf8PathBuf;
use serde::Serialize;
use vgpu_manifest::catalog::{Catalog, DriverVersion, Release};
use vgpu_manifest::database::{self, DatabaseError};
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::KernelRelease;
use vgpu_manifest::{Bundle, Item, Kind, Manifest, Verified};

use super::bundle::{BundleArg, check_left_out, title};
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::facts::{Serials, inventory};
use crate::fit::{Fit, NoFit, Place, Question, Scope};
use crate::gpus::GpuChoice;
use crate::host::Look;
use crate::host::real::Program;
use crate::plan::{Choices, GuestTools, InstalledHeaders, Source};
use crate::status::applied;
use crate::store::{Bundles, Known};
use crate::ui::{Format, Tone, Ui, printable};

/// Check whether a bundle fits this node, and explain why.
///
/// Uses the catalog in the bundle, and judges the kernel that the node will boot. Without a bundle,
/// checks the applied one. `--kernel` checks another kernel before it is installed. Exits with 4 if the bundle does not fit.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Bundle, or the first of its parts [default: the applied one]
    #[arg(value_name = "BUNDLE")]
    bundle: Option<Utf8PathBuf>,
    /// Kernel release to check instead of the one that boots next
    #[arg(long, value_name = "RELEASE")]
    kernel: Option<KernelRelease>,
    /// vGPU release to check instead of that of the bundle
    #[arg(long, value_name = "RELEASE")]
    driver: Option<Release>,
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
}

/// The applied bundle.
pub(super) struct Applied {
    title: String,
    pub(super) source: Source,
}

/// The verdict whether a bundle fits this node.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Document<'f> {
    /// The title of the bundle.
    bundle: &'f str,
    /// Nothing prevents the bundle from being applied.
    fits: bool,
    /// The reasons against it.
    objections: &'f [String],
    /// The guest drivers in the bundle.
    guests: &'f [GuestDriver],
    #[serde(flatten)]
    fit: &'f Fit<'f>,
}

/// A guest driver in the bundle. The verdict names those that NVIDIA released with the host driver.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
struct GuestDriver {
    /// The operating system of the guest.
    kind: DriverKind,
    /// The version of the driver.
    version: DriverVersion,
}

impl GuestDriver {
    fn all(manifest: &Manifest) -> Vec<Self> {
        let records = manifest.records(Kind::driver).map(|(_, record)| record);
        let guests =
            records.filter(|it| matches!(it.kind, DriverKind::Guest | DriverKind::WindowsGuest));
        guests.map(|it| Self { kind: it.kind, version: it.version.clone() }).collect()
    }
}

impl Check {
    pub(crate) fn run(self, target: &Target, ui: &Ui) -> anyhow::Result<Exit> {
        let facts = inventory(&target.host, Serials::LeaveOut);
        let Applied { title, source } = match &self.bundle {
            Some(path) => from_bundle(&BundleArg { path: path.clone() }, &target.host)?,
            None => applied(target.again()?)?.ok_or_else(|| {
                Refused::Senseless("no bundle is applied here; name a bundle".to_owned())
            })?,
        };
        let catalog = source.catalog.as_ref().ok_or(CheckError::NoCatalog)?;
        let asks = self.driver.is_some() || self.kernel.is_some();
        let headers = InstalledHeaders::of(&target.host);
        let read = |kernel: &KernelRelease| headers.get(kernel);
        let (driver, kernel) = (self.driver, self.kernel);
        let question = Question { driver, kernel, scope: Scope::Concerned, headers: Some(&read) };
        let fit = match Fit::judge(catalog, &source.manifest, &facts, &question) {
            Err(NoFit::NoDriver) => {
                return Err(NoFit::NoDriver).hint("select one: `--driver 16.9`");
            }
            judged => judged?,
        };
        let mut objections = fit.objections();
        // What the bundle lacks is judged for itself, not for another driver or kernel.
        if objections.is_empty() && !asks {
            objections = self::objections(&source, &target.host, &facts)?;
        }
        if ui.format() == Format::Json {
            let (fits, objections) = (objections.is_empty(), &objections);
            let guests = &GuestDriver::all(&source.manifest);
            ui.print_json(&Document { bundle: &title, fits, objections, guests, fit: &fit })?;
        } else {
            let text = if self.evidence {
                format!("{:#}", fit.suitability)
            } else {
                fit.suitability.to_string()
            };
            print(&title, &fit, &objections, &text, ui)?;
            for GuestDriver { kind, version } in GuestDriver::all(&source.manifest) {
                ui.print(format_args!("in the bundle: {kind} driver {version}"))?;
            }
        }
        Ok(if objections.is_empty() { Exit::Done } else { Exit::Unsuitable })
    }
}

/// Returns the reasons why the bundle cannot be planned on this node with the default choices.
fn objections(source: &Source, look: &dyn Look, facts: &Inventory) -> anyhow::Result<Vec<String>> {
    let choices = Choices {
        program: Program::read()?.content(),
        gpus: GpuChoice::default(),
        license: None,
        guest_tools: GuestTools::LeftOut,
    };
    source.objections(look, facts, &choices)
}

/// A bundle on a medium.
fn from_bundle(bundle: &BundleArg, look: &dyn Look) -> anyhow::Result<Applied> {
    let (_, bundle) = bundle.open(look)?;
    check_left_out(look, &bundle)?;
    let source = Source::new(bundle.manifest().clone(), catalog(&bundle)?);
    Ok(Applied { title: title(&Known::of(&bundle)), source })
}

/// Reads the parts of a bundle that a plan depends on. Parsing the catalog takes most of the time of
/// a plan, so it is read only if there is a driver to judge.
pub(super) fn source(bundle: &Bundle<Verified>) -> anyhow::Result<Source> {
    let manifest = bundle.manifest();
    let is_needed = manifest.records(Kind::driver).next().is_some();
    let catalog = if is_needed { catalog(bundle)? } else { None };
    Ok(Source::new(manifest.clone(), catalog))
}

/// Reads the catalog of a bundle from verified bytes.
fn catalog(bundle: &Bundle<Verified>) -> anyhow::Result<Option<Catalog>> {
    let read = |item: &Item| -> anyhow::Result<Catalog> {
        let mut bytes = Vec::new();
        bundle.copy_item(item, &mut bytes)?;
        Ok(database::read(&bytes).map_err(CheckError::from)?)
    };
    bundle.manifest().catalog().map(read).transpose()
}

pub(super) fn applied(target: Target) -> anyhow::Result<Option<Applied>> {
    let Some(journaled) = target.journaled()? else { return Ok(None) };
    let Some(digest) = journaled.current()?.map(|tx| tx.new.bundle) else { return Ok(None) };
    let look = journaled.look();
    let known = Bundles::load(look);
    let source = applied::source(look, digest)?.ok_or_else(|| {
        Refused::Unfinished(format!("the bundle {digest} is unknown; apply it again"))
    })?;
    let title = known.get(digest).map_or_else(|| digest.to_string(), title);
    Ok(Some(Applied { title, source }))
}

fn print(
    title: &str,
    fit: &Fit<'_>,
    objections: &[String],
    verdict: &str,
    ui: &Ui,
) -> std::io::Result<()> {
    let kernel = fit.kernel.as_ref().map_or_else(String::new, |kernel| format!(" on {kernel}"));
    let (tone, word) = if objections.is_empty() {
        (Tone::Good, "fits this node")
    } else {
        (Tone::Bad, "does not fit this node")
    };
    let about = printable(&format!("vGPU {}{kernel}, of {title}", fit.driver));
    ui.print(format_args!("{}: {about}", ui.paint(tone, word)))?;
    for objection in objections {
        ui.print(printable(&format!("  {objection}")))?;
    }
    for line in verdict.lines() {
        ui.print(printable(line))?;
    }
    for place in [Place::OnNode, Place::InBundle, Place::Missing] {
        let there = fit.packages.iter().filter(|package| package.place == place);
        let names: Vec<_> = there.map(|package| package.name.as_str()).collect();
        if !names.is_empty() {
            ui.print(printable(&format!("packages {place}: {}", names.join(" "))))?;
        }
    }
    if let Some(proof) = &fit.proof {
        ui.print(printable(&proof.to_string()))?;
    }
    for other in &fit.left_alone {
        ui.print(printable(&other.to_string()))?;
    }
    Ok(())
}
