use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::catalog::DriverVersion;

use crate::driver::{is_installed, remembered, status, uninstall, versions};
use crate::gpus::check_idle;
use crate::host::{Command, Door, HostError, Look};
use crate::journal::{Act, ActError, Kept, KeptThing, Why};

/// A driver that this program did not install, and its removal by its own uninstaller.
///
/// No undo reinstalls it, because no bundle has its package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ForeignDriver {
    /// Its version, if DKMS has its sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<DriverVersion>,
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
    /// Returns the driver that is installed, unless this program installed it or it has no uninstaller.
    pub(crate) fn look(look: &dyn Look) -> Result<Option<Self>, HostError> {
        if !is_installed(look)? || remembered(look)?.is_some() {
            return Ok(None);
        }
        let version = versions(look)?.iter().find_map(|version| version.parse().ok());
        Ok(Some(Self { version }))
    }
}

/// None of its files can be restored, so its scope is empty.
impl Act for ForeignDriver {
    fn summary(&self) -> String {
        format!(
            "remove the driver {self}, installed outside vgpu-installer, with its own uninstaller"
        )
    }

    fn undoing(&self) -> String {
        format!("do not reinstall the driver {self}, which was installed outside vgpu-installer")
    }

    fn run(&self, door: &mut Door<'_>) -> Result<(), ActError> {
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

    /// After an interruption it runs again and skips what is already removed.
    fn recover(&self, door: &mut Door<'_>) -> Result<(), ActError> {
        self.run(door)
    }

    fn needs_undo(&self, _: &dyn Look) -> Result<bool, HostError> {
        Ok(false)
    }

    fn undo(&self, _: &mut Door<'_>) -> Result<(), ActError> {
        Ok(())
    }

    fn kept(&self, look: &dyn Look) -> Result<Vec<Kept>, HostError> {
        if Self::look(look)?.is_some() {
            // It was never removed.
            return Ok(Vec::new());
        }
        let what = KeptThing::Named { kind: "driver".to_owned(), name: self.to_string() };
        Ok(vec![Kept { what, why: Why::Foreign }])
    }
}
