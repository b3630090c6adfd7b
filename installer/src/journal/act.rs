use std::error::Error;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vgpu_manifest::KernelWord;

use super::{Kept, Scope};
use crate::host::{Door, HostError, Look};

/// The failure of an act, which only its text matters of.
pub type ActError = Box<dyn Error + Send + Sync>;

/// A change that programs of the host make, and not the journal.
pub trait Act {
    /// Returns what it does, in a line.
    fn summary(&self) -> String;

    /// Returns what reverting it does, in a line.
    fn undoing(&self) -> String;

    /// Returns the paths that it, or its undo, may change besides those that its undo takes care of.
    fn scope(&self) -> Scope {
        Scope::default()
    }

    /// Does it.
    fn run(&self, door: &mut Door<'_>) -> Result<(), ActError>;

    /// Makes the host usable again after it, or its undo, was interrupted. Must do no harm if it had
    /// not begun.
    fn recover(&self, door: &mut Door<'_>) -> Result<(), ActError>;

    /// Checks whether there is something to revert besides its scope.
    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError>;

    /// Reverts it.
    fn undo(&self, door: &mut Door<'_>) -> Result<(), ActError>;

    /// Asks the programs of the host whether the undo would succeed, before anything is reverted.
    /// Returns whether there was anything to ask.
    fn rehearse_undo(&self, _: &mut Door<'_>) -> Result<bool, ActError> {
        Ok(false)
    }

    /// Returns what the undo could not restore.
    fn kept(&self, _: &dyn Look) -> Result<Vec<Kept>, HostError> {
        Ok(Vec::new())
    }

    /// Checks whether it takes effect only with the next boot.
    fn awaits_boot(&self) -> bool {
        false
    }
}

/// The acts of a program: a closed list that the journal stores and reads back.
///
/// Everything that the journal has to know of features is asked here.
pub trait Acts:
    fmt::Debug + Clone + PartialEq + Serialize + DeserializeOwned + Deref<Target = dyn Act>
{
    /// A part of an installation that can be removed while the rest stays.
    type Component: fmt::Debug + Copy + Ord + Serialize + DeserializeOwned;

    /// Checks whether the undo of this act restores what the undo of `earlier` then removes, which
    /// is work for nothing and may fail.
    fn is_moot_before(&self, earlier: &Self) -> bool;

    /// Returns a file without the kernel parameters that a change added to it.
    fn without(file: &[u8], words: &[KernelWord]) -> Vec<u8>;
}
