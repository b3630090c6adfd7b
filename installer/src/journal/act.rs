use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;
use vgpu_manifest::KernelWord;

use super::{Kept, Scope};
use crate::host::{Door, HostError, Look};
use crate::settle::Derived;

/// The failure of an act, of which only the text matters.
pub(crate) type ActError = Box<dyn Error + Send + Sync>;

/// A change that programs on the host make, not the journal itself.
pub(crate) trait Act {
    /// Returns a one-line description.
    fn summary(&self) -> String;

    /// Returns a one-line description of the revert.
    fn undoing(&self) -> String;

    /// Returns the paths that the act or its undo may change, except those that its undo restores.
    fn scope(&self) -> Scope {
        Scope::default()
    }

    /// Returns the derived state that it depends on, which is rebuilt first if it is stale.
    fn after(&self) -> BTreeSet<Derived> {
        BTreeSet::new()
    }

    /// Returns the derived state that its programs rebuild themselves if they succeed.
    fn settles(&self) -> BTreeSet<Derived> {
        BTreeSet::new()
    }

    /// Runs the act.
    fn run(&self, door: &mut Door<'_>) -> Result<(), ActError>;

    /// Recovers the host after the act or its undo was interrupted. Must be harmless if it had not
    /// begun.
    fn recover(&self, door: &mut Door<'_>) -> Result<(), ActError>;

    /// Checks whether there is anything to revert in addition to its scope.
    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError>;

    /// Reverts the act.
    fn undo(&self, door: &mut Door<'_>) -> Result<(), ActError>;

    /// Checks with the programs on the host whether the undo would succeed, before anything is
    /// reverted. Returns whether there was anything to check.
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
/// The journal asks this trait for everything that depends on a feature.
pub(crate) trait Acts:
    fmt::Debug + Clone + PartialEq + Serialize + DeserializeOwned + Deref<Target = dyn Act>
{
    /// A part of an installation that can be removed while the rest stays.
    type Component: fmt::Debug + Copy + Ord + Serialize + DeserializeOwned;

    /// Checks whether the undo of this act restores files that the undo of `earlier` then removes.
    /// That would be redundant and may fail.
    fn is_moot_before(&self, earlier: &Self) -> bool;

    /// Returns a file without the kernel parameters that a change added to it.
    fn without(file: &[u8], words: &[KernelWord]) -> Vec<u8>;
}
