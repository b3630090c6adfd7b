use serde::{Deserialize, Serialize};
use vgpu_manifest::{HostPath, Mode, RepositoryStyle};

use super::{Goal, StepError, banner, holds, holds_text, put_stored, put_text};
use crate::act::Journal;
use crate::component::Component;
use crate::host::Look;
use crate::packages::{PackageFile, index};
use crate::state::{below_dir, fixed};

/// Keeps the packages of the bundle on the host as a local apt repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KeepRepository {
    /// The format of the apt source.
    pub(crate) style: RepositoryStyle,
    /// The packages in the repository.
    pub(crate) files: Vec<PackageFile>,
}

impl KeepRepository {
    fn folder() -> HostPath {
        fixed("/var/lib/vgpu-offline-repository")
    }

    fn source(&self) -> (HostPath, String) {
        let why = banner("Packages of a bundle whose signatures have been verified.");
        let folder = Self::folder();
        match self.style {
            RepositoryStyle::Deb822 => (
                fixed("/etc/apt/sources.list.d/vgpu-offline.sources"),
                format!("{why}Types: deb\nURIs: file:{folder}\nSuites: ./\nTrusted: yes\n"),
            ),
            RepositoryStyle::List => (
                fixed("/etc/apt/sources.list.d/vgpu-offline.list"),
                format!("{why}deb [trusted=yes] file:{folder} ./\n"),
            ),
        }
    }

    /// Returns the text files: the index and the source.
    fn texts(&self) -> [(HostPath, String); 2] {
        [(below_dir(&Self::folder(), "Packages"), index(&self.files)), self.source()]
    }
}

impl Goal for KeepRepository {
    fn summary(&self) -> String {
        format!(
            "set up a local apt repository with {} packages in {}",
            self.files.len(),
            Self::folder()
        )
    }

    fn why(&self) -> String {
        "The bundle requests a local repository, so that `apt install` also works later without \
         a network."
            .to_owned()
    }

    fn is_true(&self, look: &dyn Look) -> Result<bool, StepError> {
        for file in &self.files {
            let path = below_dir(&Self::folder(), &file.file_name());
            if !holds(look, &path, file.content, Mode::FILE)? {
                return Ok(false);
            }
        }
        for (path, text) in &self.texts() {
            if !holds_text(look, path, text)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn make_true(&self, journal: &mut Journal<'_>) -> Result<(), StepError> {
        for file in &self.files {
            let path = below_dir(&Self::folder(), &file.file_name());
            put_stored(journal, &path, file.content, Mode::FILE)?;
        }
        let texts = self.texts();
        texts.iter().try_for_each(|(path, text)| put_text(journal, path, text))
    }

    fn component(&self) -> Component {
        Component::Packages
    }
}
