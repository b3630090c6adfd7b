use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::catalog::DriverVersion;

use super::change::uninstall;
use super::spec::versions;
use super::{DriverError, is_installed, remembered, status};
use crate::gpus::check_idle;
use crate::host::{Command, Door, HostError, Look};

/// A driver that this program has not installed.
///
/// Its own uninstaller takes it away. It cannot come back from here: nobody has its package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ForeignDriver {
    /// Its version, if DKMS has its sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<DriverVersion>,
}

impl fmt::Display for ForeignDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => version.fmt(f),
            None => f.write_str("of an unknown version"),
        }
    }
}

impl ForeignDriver {
    /// The driver that is there and that this program has not installed, if it has an uninstaller.
    pub(crate) fn look(look: &dyn Look) -> Result<Option<Self>, HostError> {
        if !is_installed(look)? || remembered(look)?.is_some() {
            return Ok(None);
        }
        let version = versions(look)?.iter().find_map(|version| version.parse().ok());
        Ok(Some(Self { version }))
    }

    /// What taking it away is, in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "remove the driver {self}, which somebody else has installed, by its own uninstaller"
        )
    }

    /// What taking that back is, in a line.
    #[must_use]
    pub fn undoing(&self) -> String {
        format!("leave the driver {self} away, which somebody else had installed")
    }

    /// Take it away. After a cut that is done again: what is gone already is no matter.
    pub(crate) fn run(&self, door: &mut Door<'_>) -> Result<(), DriverError> {
        check_idle(door.look())?;
        if is_installed(door.look())? {
            door.run(&uninstall())?;
        }
        let Some(version) = &self.version else { return Ok(()) };
        let text = version.to_string();
        if status(door.look())?.unwrap_or_default().iter().any(|build| build.version == text) {
            door.run(&Command::new("dkms", &["remove", &format!("nvidia/{text}"), "--all"]))?;
        }
        Ok(())
    }
}
