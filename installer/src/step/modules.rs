//! Steps that configure kernel modules.

use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, ModprobeLine, ModuleName};

use super::{Goal, StepError, banner, holds_text, put_text};
use crate::act::Journal;
use crate::host::Look;
use crate::state::fixed;

/// Loads kernel modules at boot, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LoadModules {
    /// The modules, in order.
    pub(crate) modules: Vec<ModuleName>,
}

impl LoadModules {
    fn path() -> HostPath {
        fixed("/etc/modules-load.d/vgpu-offline.conf")
    }

    fn text(&self) -> String {
        let lines = self.modules.iter().map(|module| format!("{module}\n"));
        lines.fold(banner("Kernel modules for virtual GPUs."), |text, line| text + &line)
    }
}

impl Goal for LoadModules {
    fn summary(&self) -> String {
        let names: Vec<_> = self.modules.iter().map(ModuleName::as_str).collect();
        format!("load kernel modules at boot: {}", names.join(", "))
    }

    fn why(&self) -> String {
        "The driver and the guests need these modules, and a stock host does not load them."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(holds_text(look, &Self::path(), &self.text())?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        put_text(journal, &Self::path(), &self.text())
    }
}

/// Configures kernel modules: options, and modules that must not bind the GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct ModprobeOptions {
    /// The lines of the modprobe configuration.
    pub(crate) lines: Vec<ModprobeLine>,
}

impl ModprobeOptions {
    fn path() -> HostPath {
        fixed("/etc/modprobe.d/vgpu-offline.conf")
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| format!("{line}\n"));
        lines.fold(banner("Kernel module options for virtual GPUs."), |text, line| text + &line)
    }
}

impl Goal for ModprobeOptions {
    fn summary(&self) -> String {
        let lines: Vec<_> = self.lines.iter().map(ModprobeLine::as_str).collect();
        format!("configure kernel module options: {}", lines.join("; "))
    }

    fn why(&self) -> String {
        "A driver that binds the GPU first, such as nouveau, prevents NVIDIA's driver from using \
         it. Module options take effect only when the module is loaded."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        Ok(holds_text(look, &Self::path(), &self.text())?)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        put_text(journal, &Self::path(), &self.text())
    }
}
