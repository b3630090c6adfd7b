//! The applied bundle, from the installer's own state, and its judgement on the node as it is now.

use serde::Serialize;
use vgpu_manifest::catalog::{Catalog, Release};
use vgpu_manifest::database::{self, DatabaseError};
use vgpu_manifest::limits::MAX_CATALOG;
use vgpu_manifest::platform::KernelRelease;
use vgpu_manifest::ui::Explain;
use vgpu_manifest::{Digest, Item, Measure};

use crate::facts::{Serials, inventory};
use crate::gpus::GpuChoice;
use crate::host::{HostError, Look};
use crate::plan::Source;
use crate::state;
use crate::store::{Bundles, BundlesError};

/// The applied bundle cannot be read from the installer's own state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AppliedError {
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The manifest is damaged.
    #[error(transparent)]
    Bundles(#[from] BundlesError),
    /// The catalog is not one of this program.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The store has no intact catalog.
    #[error("the store's copy of the catalog is damaged")]
    Damaged,
}

impl Explain for AppliedError {
    fn hint(&self) -> Option<&str> {
        matches!(self, Self::Damaged).then_some("apply the bundle again to fix it")
    }
}

/// Returns what a plan of a staged bundle depends on; `None` if its manifest is not recorded.
pub(crate) fn source(look: &dyn Look, bundle: Digest) -> Result<Option<Source>, AppliedError> {
    let Some(manifest) = Bundles::manifest(look, bundle)? else { return Ok(None) };
    let catalog = manifest.catalog().map(|item| catalog(look, item)).transpose()?;
    Ok(Some(Source::new(manifest, catalog)))
}

/// Reads a catalog in the store, if its digest matches.
fn catalog(look: &dyn Look, item: &Item) -> Result<Catalog, AppliedError> {
    let path = state::stored(item.id());
    let bytes = look.read_up_to(&path, MAX_CATALOG)?.ok_or(AppliedError::Damaged)?;
    let measure = Measure::of(&mut &*bytes).map_err(|_| AppliedError::Damaged)?;
    if measure.sha256 != item.sha256() {
        return Err(AppliedError::Damaged);
    }
    Ok(database::read(&bytes)?)
}

/// The judgement of the applied bundle, which a kernel upgrade or another GPU may change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Judged {
    /// The driver of the bundle; `None` if no GPU of the node can be judged.
    pub(crate) driver: Option<Release>,
    /// The kernel that the node boots next.
    pub(crate) kernel: Option<KernelRelease>,
    /// The reasons why the bundle does not fit; none if it does.
    pub(crate) objections: Vec<String>,
    /// The NVIDIA GPUs that are not used for vGPU, each with its reason. Their addresses are not
    /// compared between nodes.
    #[serde(skip)]
    pub(crate) left_alone: Vec<String>,
}

/// Judges a staged bundle as `check` does; `None` if it has no driver to judge.
pub(crate) fn judged(look: &dyn Look, bundle: Digest) -> Result<Option<Judged>, AppliedError> {
    let Some(source) = source(look, bundle)? else { return Ok(None) };
    let facts = inventory(look, Serials::LeaveOut);
    let fit = match source.judge(look, &facts, &GpuChoice::default()) {
        Ok(None) => return Ok(None),
        Ok(Some(fit)) => fit,
        Err(why) => {
            return Ok(Some(Judged { objections: vec![why.to_string()], ..Judged::default() }));
        }
    };
    Ok(Some(Judged {
        driver: Some(fit.driver),
        kernel: fit.kernel.clone(),
        objections: fit.objections(),
        left_alone: fit.left_alone.iter().map(ToString::to_string).collect(),
    }))
}
