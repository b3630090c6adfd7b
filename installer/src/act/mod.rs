//! The changes that programs of the host make: commands, apt, NVIDIA's installer.
//!
//! The journal runs and reverts them through [`journal::Act`] without knowing any of them. The types
//! of the journal for these acts have their names here.

mod command;
mod driver;
mod foreign_driver;
mod kernel_pin;
mod packages;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use self::command::{Probe, Reversible};
pub(crate) use self::driver::{DriverChange, Way};
pub(crate) use self::foreign_driver::ForeignDriver;
pub(crate) use self::kernel_pin::{PinMeans, boot_once, pin, unpin};
pub(crate) use self::packages::PackageChange;

use std::ops::Deref;

use serde::{Deserialize, Serialize};
use vgpu_manifest::KernelWord;

use crate::component::Component;
use crate::host::HostError;
use crate::journal::{self, Act, Acts};
use crate::kernel::parameters;

/// The journal of this program, through which steps change the host.
pub(crate) type Journal<'j> = journal::Journal<'j, Action>;
/// The log of this program's journal.
pub(crate) type Log = journal::Log<Action>;
/// A transaction of this program's journal.
pub(crate) type Transaction = journal::Transaction<Action>;
/// An entry of this program's journal.
pub(crate) type Entry = journal::Entry<Action>;
/// A change in this program's journal.
pub(crate) type Change = journal::Change<Action>;
/// An event of a revert.
pub(crate) type Reverting<'a> = journal::Reverting<'a, Action>;

/// Every act of this program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "act", rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a journal has few entries, and commands are most of them"
)]
pub(crate) enum Action {
    /// Runs a command.
    Run(Reversible),
    /// Installs packages by apt.
    Packages(Box<PackageChange>),
    /// Installs or removes a driver of a bundle.
    Driver(Box<DriverChange>),
    /// Removes a driver that this program did not install.
    Foreign(ForeignDriver),
}

impl Deref for Action {
    type Target = dyn Act;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Run(act) => act,
            Self::Packages(act) => &**act,
            Self::Driver(act) => &**act,
            Self::Foreign(act) => act,
        }
    }
}

impl Acts for Action {
    type Component = Component;

    /// A driver that an upgrade removed is not compiled again, for hours, only to be removed once
    /// more with the transaction that installed it.
    fn is_moot_before(&self, earlier: &Self) -> bool {
        let (Self::Driver(this), Self::Driver(earlier)) = (self, earlier) else { return false };
        this.way == Way::Remove
            && earlier.way == Way::Install
            && this.driver.version == earlier.driver.version
    }

    fn without(file: &[u8], words: &[KernelWord]) -> Vec<u8> {
        parameters::without(file, words)
    }
}

impl From<Reversible> for Action {
    fn from(act: Reversible) -> Self {
        Self::Run(act)
    }
}

impl From<PackageChange> for Action {
    fn from(act: PackageChange) -> Self {
        Self::Packages(Box::new(act))
    }
}

impl From<DriverChange> for Action {
    fn from(act: DriverChange) -> Self {
        Self::Driver(Box::new(act))
    }
}

impl From<ForeignDriver> for Action {
    fn from(act: ForeignDriver) -> Self {
        Self::Foreign(act)
    }
}

/// Accepts the failure of a command that may fail; a command that does not start is an error.
fn tolerate(result: Result<(), HostError>) -> Result<(), HostError> {
    match result {
        Err(HostError::Failed { .. }) => Ok(()),
        result => result,
    }
}
