use serde::{Deserialize, Serialize};
use vgpu_manifest::platform::BootLoader;
use vgpu_manifest::{HostPath, KernelWord, Mode};

use super::{Goal, StepError, banner, holds_text, put_text};
use crate::act::Journal;
use crate::host::{Look, Meta, Node};
use crate::kernel::parameters;
use crate::state::fixed;

/// Adds kernel parameters to the configuration of the host's boot loaders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KernelCommandLine {
    /// The kernel parameters.
    pub(crate) words: Vec<KernelWord>,
    /// The boot loaders to configure.
    pub(crate) loaders: Vec<BootLoader>,
}

impl KernelCommandLine {
    fn grub_path() -> HostPath {
        fixed("/etc/default/grub.d/vgpu-offline.cfg")
    }

    /// Returns a drop-in: `update-grub` sources these files after `/etc/default/grub`, as shell.
    fn grub_text(&self) -> String {
        // Kernel parameters contain no character that is special within double quotes.
        let words = self.spelled();
        banner("Kernel parameters for virtual GPUs.")
            + &format!("GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT {words}\"\n")
    }

    fn line_path() -> HostPath {
        fixed("/etc/kernel/cmdline")
    }

    fn spelled(&self) -> String {
        self.words.iter().map(KernelWord::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Adds the missing parameters to the one line of `/etc/kernel/cmdline`.
    fn edit_line(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        let path = Self::line_path();
        let (file, meta) = match (journal.look().read(&path)?, journal.look().node(&path)?) {
            (Some(file), Some(Node::File { meta, .. })) => (file, meta),
            _ => (booted_with(journal.look())?, Meta::root(Mode::FILE)),
        };
        if !has_root(&file) {
            return Err(StepError::Reason(format!(
                "{path} has no `root=` parameter, so the host would not boot with it; write the \
                    full kernel command line to it first"
            )));
        }
        let missing = parameters::missing(&file, &self.words);
        let edited = parameters::with(&file, &missing);
        Ok(journal.put_words(&path, &edited, meta, &missing)?)
    }
}

/// Returns the command line of the running kernel, which is in effect while there is no
/// `/etc/kernel/cmdline`, without the parameters added by the boot loader.
fn booted_with(look: &dyn Look) -> Result<Vec<u8>, StepError> {
    let line = look.text(&fixed("/proc/cmdline"))?.unwrap_or_default();
    let loaders = |word: &&str| word.starts_with("BOOT_IMAGE=") || word.starts_with("initrd=");
    let words: Vec<_> = line.split_whitespace().filter(|word| !loaders(word)).collect();
    Ok((words.join(" ") + "\n").into_bytes())
}

/// Checks for `root=` in the first line, without which `proxmox-boot-tool refresh` refuses the
/// file.
fn has_root(file: &[u8]) -> bool {
    let line = file.split(|&b| b == b'\n').next().unwrap_or_default();
    line.split(u8::is_ascii_whitespace).any(|word| word.starts_with(b"root="))
}

impl Goal for KernelCommandLine {
    fn summary(&self) -> String {
        let files = self.loaders.iter().map(|loader| match loader {
            BootLoader::Grub => Self::grub_path().to_string(),
            BootLoader::SystemdBoot => Self::line_path().to_string(),
        });
        let files: Vec<_> = files.collect();
        format!("configure kernel parameters `{}` in {}", self.spelled(), files.join(" and "))
    }

    fn why(&self) -> String {
        "These kernel parameters control the IOMMU and which devices the kernel leaves unbound. \
         They take effect at the next boot."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        for loader in &self.loaders {
            let is_true = match loader {
                BootLoader::Grub => holds_text(look, &Self::grub_path(), &self.grub_text())?,
                BootLoader::SystemdBoot => look
                    .read(&Self::line_path())?
                    .is_some_and(|file| parameters::missing(&file, &self.words).is_empty()),
            };
            if !is_true {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        for loader in &self.loaders {
            match loader {
                BootLoader::Grub => put_text(journal, &Self::grub_path(), &self.grub_text())?,
                BootLoader::SystemdBoot => self.edit_line(journal)?,
            }
        }
        Ok(())
    }
}
