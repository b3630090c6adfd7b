use std::time::Duration;

use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, Mode};

use super::{Goal, StepError, holds_text, put_stored, put_text};
use crate::act::{Journal, Probe, Reversible};
use crate::component::Component;
use crate::host::{Command, Look};
use crate::license::choice;
use crate::license::container::Contained;
use crate::license::health::Reply;
use crate::license::service::UNIT;
use crate::license::{self, Service, health};
use crate::settle::Derived;
use crate::state::{check_stored, fixed};

/// Runs the license server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ServeLicenses {
    /// The configuration of the service.
    pub(crate) service: Service,
}

/// The number of health checks after a start, and the pause between them. Version 2 first generates
/// 4096-bit keys, which takes seconds, or minutes on a slow CPU.
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

    /// The container engine may be installed by an earlier step.
    fn has_image(&self, look: &dyn Look) -> Result<bool, StepError> {
        let engine = fixed(self.service.engine.program());
        Ok(look.stat(&engine)?.is_some() && Self::succeeds(look, &self.service.image_is_there())?)
    }

    /// Creates and starts the Proxmox VE container. An existing container of this program with
    /// other settings is replaced, because the new one may use the same network and folders.
    fn contain(
        &self,
        contained: &Contained<'_>,
        journal: &mut Journal<'_>,
    ) -> Result<(), StepError> {
        let old = choice::remembered(journal.look());
        let is_made = contained.is_made(journal.look())?;
        if let Some(old) = old.as_ref().and_then(Service::contained)
            && !is_made
            && old.is_made(journal.look())?
        {
            if old.container().runs(journal.look())? {
                journal.act(old.stop())?;
            }
            for command in old.give_way() {
                journal.act(command)?;
            }
        }
        if is_made && contained.container().runs(journal.look())? {
            journal.act(contained.stop())?;
        }
        license::data::prepare(journal.host(), &self.service).map_err(Box::new)?;
        if !is_made {
            put_stored(journal, &contained.template(), self.service.content, Mode::FILE)?;
            journal.act(contained.create())?;
        }
        // Also for an existing container, because a power cut may have prevented it.
        journal.act(contained.complete())?;
        Ok(journal.act(contained.start())?)
    }

    fn runs(&self, look: &dyn Look) -> Result<bool, StepError> {
        match self.service.contained() {
            Some(contained) => Ok(contained.container().runs(look)?),
            None => Self::succeeds(look, &Self::is_active()),
        }
    }

    fn silent(&self, why: &str) -> StepError {
        let ask = match &self.service.container {
            Some(container) => format!("pct start {} --debug", container.vmid),
            None => format!("journalctl --unit {UNIT}"),
        };
        StepError::Reason(format!(
            "the license server does not answer at {}: {}; run `{ask}` for details",
            self.service.url(),
            why.escape_debug()
        ))
    }

    /// Returns the command that starts the server, also after another server replaced it.
    fn restart_server(&self) -> Command {
        match self.service.contained() {
            Some(contained) => contained.container().start(),
            None => Command::new("systemctl", &["restart", UNIT]),
        }
    }

    fn start(&self) -> Reversible {
        Reversible {
            after: [Derived::Systemd].into(),
            undo: Some(Command::new("systemctl", &["stop", UNIT])),
            ..Reversible::new(self.restart_server(), Probe::Succeeds(Self::is_active()))
        }
    }
}

impl Goal for ServeLicenses {
    fn summary(&self) -> String {
        let Service { reference, engine, .. } = &self.service;
        format!("run the license server {reference} with {engine} at {}", self.service.url())
    }

    fn why(&self) -> String {
        if let Some(container) = &self.service.container {
            return format!(
                "Requested with `license install`. The server runs in the Proxmox VE container \
                 {} with the address {}, so the network of this node and of its guests does not \
                 change. The container is unprivileged and can access only its own two folders \
                 on the node. The operator is responsible for compliance with NVIDIA's license \
                 terms.",
                container.vmid, container.card.cidr
            );
        }
        format!(
            "Requested with `license install`. The server listens only on {}. It shares the \
             node's network, so forwarding and NAT do not change. It is unprivileged and can \
             write only to its own folders. The operator is responsible for compliance with \
             NVIDIA's license terms.",
            self.service.listen
        )
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        if let Some(contained) = self.service.contained() {
            return Ok(contained.is_made(look)?
                && contained.container().runs(look)?
                && health::is_up(look, &self.service)?);
        }
        let unit = Service::unit_path();
        let linked = look.link(&Self::link())?.as_deref() == Some(unit.as_path().as_str());
        Ok(linked
            && holds_text(look, &unit, &self.service.unit_text())?
            && self.has_image(look)?
            && Self::succeeds(look, &Self::is_active())?
            && health::is_up(look, &self.service)?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        if let Some(contained) = self.service.contained() {
            return self.contain(&contained, journal);
        }
        license::data::prepare(journal.host(), &self.service).map_err(Box::new)?;
        if !self.has_image(journal.look())? {
            check_stored(journal.host(), self.service.content)?;
            journal.act(self.service.load())?;
        }
        let unit = Service::unit_path();
        put_text(journal, &unit, &self.service.unit_text())?;
        journal.put_link(&Self::link(), unit.as_path().as_str())?;
        Ok(journal.act(self.start())?)
    }

    /// Waits until the server answers, while it is running.
    fn wait(&self, look: &dyn Look) -> Result<(), StepError> {
        let mut tries = 0..TRIES;
        loop {
            let Reply::Nothing(why) = health::ask(look, &self.service, "/-/health")? else {
                return Ok(());
            };
            if tries.next().is_none() || !self.runs(look)? {
                return Err(self.silent(&why));
            }
            look.may_continue()?;
            std::thread::sleep(PAUSE);
        }
    }

    fn restart(&self) -> Option<Command> {
        Some(self.restart_server())
    }

    fn takes_commands(&self) -> bool {
        true
    }

    fn component(&self) -> Component {
        Component::Licensing
    }
}
