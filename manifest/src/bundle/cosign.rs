use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use camino::Utf8PathBuf;
use vgpu_keys::{Role, SLOT_LEN, SLOTS_LEN, SignError, Signer, Slots, SlotsError};

use super::layout::SIGNATURES_AT;
use crate::{Bundle, Verified};

/// The reason why a signature was not added. The bundle is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CosignError {
    /// The signer failed.
    #[error("cannot sign the bundle")]
    Sign(#[from] SignError),
    /// All slots are filled, the key has signed already, or the slots are not canonical.
    #[error("cannot add a signature")]
    Slots(#[from] SlotsError),
    /// The file was replaced after it was verified.
    #[error("`{0}` was replaced after it was verified; verify it again")]
    Replaced(Utf8PathBuf),
    /// The file could not be read or written.
    #[error("cannot write the signature to `{path}`")]
    Output {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl Bundle<Verified> {
    /// Signs the bundle with one more key, in place: one aligned write of one slot, then a sync.
    ///
    /// Returns the number of the slot, counted from one, as in `dd bs=512 skip=N count=1`.
    pub fn cosign(&self, signer: &dyn Signer) -> Result<usize, CosignError> {
        let part = &self.parts.parts()[0];
        let error = |source| CosignError::Output { path: part.path.clone(), source };
        let file = File::options().read(true).write(true).open(&part.path).map_err(error)?;
        let identity = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino()));
        if identity(&file).map_err(error)? != identity(&part.file).map_err(error)? {
            return Err(CosignError::Replaced(part.path.clone()));
        }

        let mut bytes = Box::new([0; SLOTS_LEN]);
        file.read_exact_at(&mut *bytes, SIGNATURES_AT).map_err(error)?;
        let mut slots = Slots::parse(&bytes)?;
        let signature = signer.sign(Role::Bundle, &self.state.layout.sums)?;
        let slot = Slots::slot_bytes(&signature);
        let index = slots.add(signature)?;
        let at = SIGNATURES_AT + (index * SLOT_LEN) as u64;
        file.write_all_at(&slot, at).and_then(|()| file.sync_all()).map_err(error)?;
        Ok(index + 1)
    }
}
