//! What can be run, mended after a cut, and taken back.

use super::{Change, JournalError, Kept, KeptThing, Reversible, Scope, Why};
use crate::driver::{DriverChange, ForeignDriver};
use crate::host::{Door, HostError, Look};
use crate::packages::PackageChange;

/// A change that the journal does not make by itself.
pub(super) trait Act {
    /// The paths that it may change by itself and that belong to nobody else.
    fn scope(&self) -> Scope;

    /// Do it.
    fn run(&self, door: &mut Door<'_>) -> Result<(), JournalError>;

    /// Make the host usable again after it, or its undo, was cut short.
    fn recover(&self, door: &mut Door<'_>) -> Result<(), JournalError>;

    /// Whether there is something to take back beside what is in its scope.
    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError>;

    /// Take it back.
    fn undo(&self, door: &mut Door<'_>) -> Result<(), JournalError>;

    /// What it could not bring back to what it was.
    fn kept(&self, look: &dyn Look) -> Result<Vec<Kept>, HostError>;
}

impl Change {
    pub(super) fn act(&self) -> Option<&dyn Act> {
        match self {
            Self::Run(run) => Some(run),
            Self::Packages(packages) => Some(&**packages),
            Self::Driver(driver) => Some(&**driver),
            Self::Foreign(driver) => Some(driver),
            Self::Put { .. } | Self::Lost { .. } => None,
        }
    }

    /// What it does, in a line, if it is no change of a path.
    #[must_use]
    pub fn doing(&self) -> Option<String> {
        match self {
            Self::Run(run) => Some(run.command.to_string()),
            Self::Packages(packages) => Some(packages.summary()),
            Self::Driver(driver) => Some(driver.summary()),
            Self::Foreign(driver) => Some(driver.summary()),
            Self::Put { .. } | Self::Lost { .. } => None,
        }
    }

    /// What taking it back does, in a line, if it is no change of a path.
    #[must_use]
    pub fn undoing(&self) -> Option<String> {
        match self {
            Self::Run(run) => Some(match &run.undo {
                Some(undo) => format!("run {undo}"),
                None => format!("undo {}", run.command),
            }),
            Self::Packages(packages) => Some(packages.undoing()),
            Self::Driver(driver) => Some(driver.undoing()),
            Self::Foreign(driver) => Some(driver.undoing()),
            Self::Put { .. } | Self::Lost { .. } => None,
        }
    }
}

impl Act for Reversible {
    fn scope(&self) -> Scope {
        self.scope.clone()
    }

    fn run(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(door.run(&self.command)?)
    }

    fn recover(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.recover.iter().try_for_each(|command| door.run(command))?)
    }

    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError> {
        Ok(self.undo.is_some() && self.probe.is_present(look)?)
    }

    fn undo(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.undo.iter().try_for_each(|command| door.run(command))?)
    }

    fn kept(&self, _: &dyn Look) -> Result<Vec<Kept>, HostError> {
        Ok(Vec::new())
    }
}

impl Act for PackageChange {
    fn scope(&self) -> Scope {
        Scope::default()
    }

    fn run(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.run(door)?)
    }

    fn recover(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.recover(door)?)
    }

    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError> {
        self.is_present(look)
    }

    fn undo(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.undo(door)?)
    }

    fn kept(&self, look: &dyn Look) -> Result<Vec<Kept>, HostError> {
        let names = self.kept(look)?;
        let kept = |name| Kept { what: KeptThing::Package(name), why: Why::Newer };
        Ok(names.into_iter().map(kept).collect())
    }
}

impl Act for DriverChange {
    fn scope(&self) -> Scope {
        self.scope()
    }

    fn run(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.run(door)?)
    }

    fn recover(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.recover(door)?)
    }

    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError> {
        self.needs_undo(look)
    }

    fn undo(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.undo(door)?)
    }

    fn kept(&self, _: &dyn Look) -> Result<Vec<Kept>, HostError> {
        Ok(Vec::new())
    }
}

impl Act for ForeignDriver {
    /// None of its files can come back, so none is looked at.
    fn scope(&self) -> Scope {
        Scope::default()
    }

    fn run(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.run(door)?)
    }

    fn recover(&self, door: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(self.run(door)?)
    }

    fn needs_undo(&self, _: &dyn Look) -> Result<bool, HostError> {
        Ok(false)
    }

    fn undo(&self, _: &mut Door<'_>) -> Result<(), JournalError> {
        Ok(())
    }

    fn kept(&self, look: &dyn Look) -> Result<Vec<Kept>, HostError> {
        if Self::look(look)?.is_some() {
            // It never went.
            return Ok(Vec::new());
        }
        Ok(vec![Kept { what: KeptThing::Driver(self.clone()), why: Why::Foreign }])
    }
}
