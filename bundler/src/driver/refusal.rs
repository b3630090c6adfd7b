use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::patch::{ApplyError, Patch, PatchError};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{ItemName, ParseTextError};

use super::DriverError;
use crate::cache::CacheError;
use crate::recipe::Entry;
use crate::source::{Pin, SourceError};

/// A driver or patch cannot be included in a bundle.
#[derive(Debug, thiserror::Error)]
#[error("item `{item}` cannot be used")]
pub(crate) struct RefusalError {
    item: ItemName,
    #[source]
    refusal: Box<Refusal>,
}

impl RefusalError {
    pub(super) fn new(item: &ItemName, refusal: impl Into<Refusal>) -> Self {
        Self { item: item.clone(), refusal: Box::new(refusal.into()) }
    }
}

/// Why a driver or patch cannot be included in a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refusal {
    /// Its source is unavailable.
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The file is not the requested driver.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The file is not a patch.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The file cannot be read.
    #[error("cannot read it")]
    ReadPatch(#[source] std::io::Error),
    /// The file exceeds the size limit of patches.
    #[error("it is larger than the {0} allowed for a patch")]
    LargePatch(ByteSize),
    /// The patch is for another driver version.
    #[error("it is the patch for the driver {made_for}, but `{driver}` is the driver {version}")]
    OtherDriver {
        /// The driver version of the patch.
        made_for: DriverVersion,
        /// The driver version in the recipe.
        driver: ItemName,
        version: DriverVersion,
    },
    /// The patch does not apply.
    #[error("the patch `{patch}` was made for another driver than {version}")]
    DoesNotApply {
        patch: ItemName,
        /// The driver version.
        version: DriverVersion,
        /// Where it does not apply.
        source: ApplyError,
    },
    /// A member of the archive has a name that cannot be recorded.
    #[error(transparent)]
    MemberName(ParseTextError),
    /// The version of a Windows driver is unknown.
    #[error("its file name has no version; keep NVIDIA's name, `539.19_grid_win10_…_64bit_….exe`")]
    NoVersion,
}

impl Refusal {
    /// Converts the error of reading a driver, which one of its patches may have caused.
    pub(super) fn examined(
        error: DriverError,
        version: &DriverVersion,
        entries: &[(&Entry, &Pin)],
        patches: &[Patch],
    ) -> Self {
        let DriverError::Patch(source) = error else { return error.into() };
        let changes = |patch: &Patch| patch.file(&source.path).is_some();
        match entries.iter().zip(patches).find(|(_, patch)| changes(patch)) {
            Some(((entry, _), _)) if source.fault.is_other_file() => {
                let (patch, version) = (entry.name.clone(), version.clone());
                Self::DoesNotApply { patch, version, source }
            }
            _ => DriverError::Patch(source).into(),
        }
    }
}
