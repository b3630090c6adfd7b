use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use crate::host::{Command, Door, HostError, Look};
use crate::journal::{Act, ActError, Scope};
use crate::settle::{Derived, awaits_boot};

/// A command that changes the host, with what it takes to recover from a power cut and to revert it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Reversible {
    /// The command.
    pub(crate) command: Command,
    /// Tells whether its effect is present.
    pub(crate) probe: Probe,
    /// Derived state that it depends on, and that is rebuilt first if it is stale.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) after: BTreeSet<Derived>,
    /// Derived state that the command rebuilds itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) settles: BTreeSet<Derived>,
    /// The commands that make the host usable again after it, or its undo, was interrupted. They must
    /// do no harm if the command had not begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) recover: Vec<Command>,
    /// The command that reverts its effect; none if the files in its scope are all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) undo: Option<Command>,
    /// The paths that the command, or its undo, may change.
    #[serde(default)]
    pub(crate) scope: Scope,
}

impl Reversible {
    /// Returns a command that has nothing to recover, no undo and an empty scope.
    pub(crate) fn new(command: Command, probe: Probe) -> Self {
        let (after, settles, recover, undo, scope) = Default::default();
        Self { command, probe, after, settles, recover, undo, scope }
    }
}

/// A check for the effect of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Probe {
    /// This command, which changes nothing, exits with status zero.
    Succeeds(Command),
    /// This path exists.
    Exists(HostPath),
}

impl Probe {
    /// Checks whether the effect is present. Without commands it is assumed to be.
    pub(crate) fn is_present(&self, look: &dyn Look) -> Result<bool, HostError> {
        match self {
            Self::Succeeds(command) => {
                Ok(look.query(command)?.is_none_or(|output| output.succeeded()))
            }
            Self::Exists(path) => Ok(look.stat(path)?.is_some()),
        }
    }
}

impl Act for Reversible {
    fn summary(&self) -> String {
        self.command.to_string()
    }

    fn undoing(&self) -> String {
        match &self.undo {
            Some(undo) => format!("run {undo}"),
            None => format!("undo {}", self.command),
        }
    }

    fn scope(&self) -> Scope {
        self.scope.clone()
    }

    fn after(&self) -> BTreeSet<Derived> {
        self.after.clone()
    }

    fn settles(&self) -> BTreeSet<Derived> {
        self.settles.clone()
    }

    fn run(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        Ok(door.run(&self.command)?)
    }

    fn recover(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        Ok(self.recover.iter().try_for_each(|command| door.run(command))?)
    }

    fn needs_undo(&self, look: &dyn Look) -> Result<bool, HostError> {
        Ok(self.undo.is_some() && self.probe.is_present(look)?)
    }

    fn undo(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        Ok(self.undo.iter().try_for_each(|command| door.run(command))?)
    }

    fn awaits_boot(&self) -> bool {
        matches!(&self.probe, Probe::Exists(path) if awaits_boot(path))
    }
}
