use serde::{Deserialize, Serialize};
use vgpu_manifest::UnitName;

use super::{Goal, StepError};
use crate::act::{Journal, Probe, Reversible};
use crate::component::Component;
use crate::host::{Command, Look};
use crate::settle::Derived;

/// Starts services now; at the next boot, their targets start them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct StartServices {
    /// The services, in order. The last one keeps running; those before it may finish and exit.
    pub(crate) units: Vec<UnitName>,
}

impl StartServices {
    fn systemctl(&self, verb: &str) -> Command {
        let units = self.units.iter().map(UnitName::as_str);
        Command::new("systemctl", &[verb].into_iter().chain(units).collect::<Vec<_>>())
    }

    fn is_active(&self) -> Command {
        let last = self.units.last().map(UnitName::as_str);
        Command::new(
            "systemctl",
            &["is-active", "--quiet"].into_iter().chain(last).collect::<Vec<_>>(),
        )
    }
}

impl Goal for StartServices {
    fn summary(&self) -> String {
        let units: Vec<_> = self.units.iter().map(UnitName::as_str).collect();
        format!("start {}", units.join(" and "))
    }

    fn why(&self) -> String {
        "vGPU types are available only while these services run.".to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(look.query(&self.is_active())?.is_some_and(|output| output.succeeded()))
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        // `is-active` exits with zero if any unit is active, as after an interrupted start.
        let probe = Probe::Succeeds(self.systemctl("is-active"));
        Ok(journal.act(Reversible {
            // The driver's installer may have started them before their drop-ins were written.
            after: [Derived::Systemd].into(),
            undo: Some(self.systemctl("stop")),
            ..Reversible::new(self.systemctl("restart"), probe)
        })?)
    }

    fn restart(&self) -> Option<Command> {
        Some(self.systemctl("restart"))
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::Driver
    }
}
