use std::fmt;

use serde::Serialize;
use vgpu_manifest::HostPath;

use crate::host::OwnPath;

/// Damage to the installer's own state, and the ways out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Finding {
    /// The damaged part.
    pub(crate) part: Part,
    /// The damaged file, or the path that cannot be restored.
    pub(crate) path: HostPath,
    /// The defect.
    pub(crate) defect: String,
    /// Whether anything fails because of it.
    pub(crate) weight: Weight,
    /// The commands that fix it, the best first. `BUNDLE` stands for the path of a bundle.
    pub(crate) ways: Vec<String>,
    /// Everything that is lost if it is given up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lost: Vec<String>,
    /// The lossless fix.
    #[serde(skip)]
    pub(crate) heal: Option<Heal>,
}

/// A part of the installer's own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    Journal,
    UndoStore,
    ItemStore,
    Floors,
    Bundles,
    Manifest,
    /// A record that only saves work.
    Record,
    /// The lock file.
    Lock,
    /// A log for people.
    Log,
    Folder,
    Trust,
}

/// The weight of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weight {
    /// An intact twin or a default serves instead.
    Harmless,
    /// Something cannot be done until it is fixed.
    Harmful,
}

/// A fix that loses nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heal {
    /// Rebuild the journal from its copy.
    Journal,
    /// Write the higher floor of each channel to both files.
    Floors,
    /// Rebuild the list of bundles from their manifests.
    Bundles,
    /// Remove a damaged item. The next `apply` or `store add` copies it again.
    Remove(OwnPath),
    /// Rename it, so that the program can create what belongs there.
    SetAside(OwnPath),
}

impl Heal {
    /// Returns a one-line description.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Journal => "rebuild the journal from its copy".to_owned(),
            Self::Floors => "write the higher floor of each channel to both files".to_owned(),
            Self::Bundles => "rebuild the list of bundles from their manifests".to_owned(),
            Self::Remove(path) => format!("remove {path}, which no longer has its content"),
            Self::SetAside(path) => format!("rename {path} to `….damaged`"),
        }
    }
}

impl Finding {
    /// Returns a finding that nothing depends on.
    pub(super) fn harmless(
        part: Part,
        path: impl Into<HostPath>,
        defect: impl fmt::Display,
    ) -> Self {
        let (path, defect) = (path.into(), defect.to_string());
        let (ways, lost, heal) = (Vec::new(), Vec::new(), None);
        Self { part, path, defect, weight: Weight::Harmless, ways, lost, heal }
    }

    /// Returns a finding that something depends on.
    pub(super) fn harmful(
        part: Part,
        path: impl Into<HostPath>,
        defect: impl fmt::Display,
    ) -> Self {
        Self { weight: Weight::Harmful, ..Self::harmless(part, path, defect) }
    }

    /// Adds a lossless fix.
    pub(super) fn healed_by(mut self, heal: Heal) -> Self {
        self.ways.push("vgpu-installer repair --heal".to_owned());
        self.heal = Some(heal);
        self
    }

    /// Adds a command.
    pub(super) fn or(mut self, command: impl Into<String>) -> Self {
        self.ways.push(command.into());
        self
    }

    /// Adds the way to give it up, with everything that is lost.
    pub(super) fn or_given_up(mut self, lost: Vec<String>) -> Self {
        let path = vgpu_manifest::shell_word(self.path.as_path().as_str());
        self.ways.push(format!("vgpu-installer repair --give-up {path}"));
        self.lost = lost;
        self
    }
}
