use vgpu_manifest::catalog::DriverVersion;
use vgpu_manifest::patch::{ApplyError, Patch, PatchError};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{ItemName, ParseTextError};

use super::DriverError;
use crate::cache::CacheError;
use crate::recipe::Entry;
use crate::source::{Pin, SourceError};

/// A driver, or a patch for one, does not go into a bundle.
#[derive(Debug, thiserror::Error)]
#[error("item `{item}` cannot be used")]
pub(crate) struct RefusalError {
    /// The item.
    item: ItemName,
    /// Why not.
    #[source]
    refusal: Box<Refusal>,
}

impl RefusalError {
    pub(super) fn new(item: &ItemName, refusal: impl Into<Refusal>) -> Self {
        Self { item: item.clone(), refusal: Box::new(refusal.into()) }
    }
}

/// Why a driver or a patch does not go into a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Refusal {
    /// It cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The cache failed.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// It is not the driver that is wanted.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// It is not a patch.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// It cannot be read.
    #[error("cannot read it")]
    ReadPatch(#[source] std::io::Error),
    /// It is larger than any patch.
    #[error("it is larger than {0}, and than any patch")]
    LargePatch(ByteSize),
    /// It is the patch of another driver.
    #[error("it is the patch for the driver {made_for}, but `{driver}` is the driver {version}")]
    OtherDriver {
        /// The driver that it is for.
        made_for: DriverVersion,
        /// The driver that it was to be applied to.
        driver: ItemName,
        /// Its version.
        version: DriverVersion,
    },
    /// It does not apply.
    #[error("the patch `{patch}` was made for another driver than {version}")]
    DoesNotApply {
        /// The patch.
        patch: ItemName,
        /// The version of the driver.
        version: DriverVersion,
        /// Where it does not apply.
        source: ApplyError,
    },
    /// A member of the archive has a name that we do not write down.
    #[error(transparent)]
    MemberName(ParseTextError),
    /// Nothing says which version a driver for Windows is.
    #[error("its name does not say its version; keep NVIDIA's, `539.19_grid_win10_…_64bit_….exe`")]
    NoVersion,
}

impl Refusal {
    /// Why a driver was refused as it was read: perhaps because of one of its patches.
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
