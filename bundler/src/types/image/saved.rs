use serde::{Deserialize, Serialize};

use super::{ImageName, Platform};
use crate::types::LocalPath;

/// An image on disk: a folder in the OCI image layout, or an archive that podman, skopeo or Docker
/// saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct SavedImage {
    /// The folder or the archive.
    pub(crate) path: LocalPath,
    /// The name for container engines, which also selects one of several images. Without it, the
    /// image keeps its only name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<ImageName>,
    #[serde(default = "Platform::host", skip_serializing_if = "Platform::is_host")]
    pub(crate) platform: Platform,
}
