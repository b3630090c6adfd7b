use std::time::Duration;

use serde::{Deserialize, Serialize};
use vgpu_manifest::HostPath;

use super::{Act, StepError, holds_text, put_text};
use crate::host::{Command, Look};
use crate::journal::{Journal, Probe, Reversible, Scope};
use crate::license::health::Reply;
use crate::license::service::UNIT;
use crate::license::{Service, health};
use crate::state::fixed;

/// Run the licence server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ServeLicenses {
    /// How.
    pub service: Service,
}

/// How often a service that has just been started is asked whether it is up, and how long it is
/// waited in between: version 2 first makes keys of 4096 bits, which takes seconds, and minutes where
/// the CPU is weak.
const TRIES: u32 = 300;
const PAUSE: Duration = Duration::from_secs(1);

impl ServeLicenses {
    fn link() -> HostPath {
        fixed(&format!("/etc/systemd/system/multi-user.target.wants/{UNIT}"))
    }

    fn is_active() -> Command {
        Command::new("systemctl", &["is-active", "--quiet", UNIT])
    }

    fn succeeds(look: &dyn Look, command: &Command) -> Result<bool, StepError> {
        Ok(look.query(command)?.is_some_and(|output| output.succeeded()))
    }

    /// The engine itself may be one that an earlier step brings.
    fn has_image(&self, look: &dyn Look) -> Result<bool, StepError> {
        let engine = fixed(self.service.engine.program());
        Ok(look.stat(&engine)?.is_some() && Self::succeeds(look, &self.service.image_is_there())?)
    }

    fn start() -> Reversible {
        Reversible {
            command: Command::new("systemctl", &["restart", UNIT]),
            probe: Probe::Succeeds(Self::is_active()),
            recover: Vec::new(),
            undo: Some(Command::new("systemctl", &["stop", UNIT])),
            scope: Scope::default(),
        }
    }
}

impl Act for ServeLicenses {
    fn summary(&self) -> String {
        let Service { reference, engine, .. } = &self.service;
        format!("run the licence server {reference} by {engine} at {}", self.service.url())
    }

    fn why(&self) -> String {
        format!(
            "It was asked for with `license install`. It listens at {} only, shares the node's network so \
             that neither forwarding nor NAT is touched, has no privileges, and may write only to its own \
             folders. Whether its use agrees with NVIDIA's licence terms is for the operator to answer.",
            self.service.listen
        )
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        let unit = Service::unit_path();
        let linked = look.link(&Self::link())?.as_deref() == Some(unit.as_path().as_str());
        Ok(linked
            && holds_text(look, &unit, &self.service.unit_text())?
            && self.has_image(look)?
            && Self::succeeds(look, &Self::is_active())?
            && health::is_up(look, &self.service)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        journal.license_data(&self.service)?;
        if !self.has_image(journal.look())? {
            journal.run(&self.service.load())?;
        }
        let unit = Service::unit_path();
        put_text(journal, &unit, &self.service.unit_text())?;
        journal.put_link(&Self::link(), unit.as_path().as_str())?;
        journal.reload_units()?;
        journal.run(&Self::start())?;
        for _ in 0..TRIES {
            let reply = health::ask(journal.look(), &self.service, "/-/health")?;
            let waits = matches!(reply, Reply::Nothing(_));
            if !waits || !Self::succeeds(journal.look(), &Self::is_active())? {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn takes_commands(&self) -> bool {
        true
    }
}
