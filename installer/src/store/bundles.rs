use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vgpu_keys::{Channel, Principal};
use vgpu_manifest::limits::MAX_MANIFEST;
use vgpu_manifest::{Bundle, BundleName, Digest, Manifest, ManifestError, Verified};

use crate::host::{HostError, Look, OwnPath, OwnState};
use crate::state;
use crate::trust::Candidate;

/// What the bundles that were staged on this host said of themselves, by the digest of their root.
///
/// The journal knows a bundle by that digest only, and the medium may be gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bundles(BTreeMap<Digest, Known>);

/// What one bundle said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Known {
    /// Its name.
    pub name: BundleName,
    /// Its channel.
    pub channel: Channel,
    /// Its place in the channel.
    pub sequence: u64,
    /// Whose signatures counted when it was staged.
    pub signed_by: BTreeSet<Principal>,
}

/// What was written down of bundles cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundlesError {
    /// It is not what this program writes.
    #[error("{path} is damaged: {source}")]
    Damaged {
        /// The file.
        path: OwnPath,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A manifest is not what this program writes.
    #[error("{path} is damaged: {source}")]
    Manifest {
        /// The file.
        path: OwnPath,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// The host would not show or take it.
    #[error(transparent)]
    Host(#[from] HostError),
}

fn path() -> OwnPath {
    state::dir().join("bundles.json")
}

/// The manifests lie beside it: what is in a bundle is asked long after the medium is gone.
fn manifest_path(bundle: Digest) -> OwnPath {
    state::dir().join(&Bundles::file_of(bundle))
}

impl Bundles {
    /// What this host remembers.
    pub fn load(look: &dyn Look) -> Result<Self, BundlesError> {
        let path = path();
        match look.read(&path)? {
            None => Ok(Self::default()),
            Some(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| BundlesError::Damaged { path, source }),
        }
    }

    /// What the file with a bundle's manifest is called.
    pub(super) fn file_of(bundle: Digest) -> String {
        format!("manifest-{bundle}.json")
    }

    /// Whether a file in the installer's own folder is a bundle's manifest.
    pub(super) fn is_manifest(name: &str) -> bool {
        let digest = name.strip_prefix("manifest-").and_then(|rest| rest.strip_suffix(".json"));
        digest.is_some_and(|digest| digest.parse::<Digest>().is_ok())
    }

    /// The bundle whose root has this digest.
    #[must_use]
    pub fn get(&self, digest: Digest) -> Option<&Known> {
        self.0.get(&digest)
    }

    /// The manifest of a bundle that was staged.
    pub fn manifest(look: &dyn Look, bundle: Digest) -> Result<Option<Manifest>, BundlesError> {
        let path = manifest_path(bundle);
        let Some(bytes) = look.read_up_to(&path, MAX_MANIFEST)? else { return Ok(None) };
        let damaged = |source| BundlesError::Manifest { path: path.clone(), source };
        Manifest::parse(&bytes).map(Some).map_err(damaged)
    }

    /// Remember `bundle` with its manifest, durably.
    pub(crate) fn add(
        &mut self,
        own: &mut OwnState<'_>,
        bundle: &Bundle<Verified>,
    ) -> Result<(), BundlesError> {
        let manifest = manifest_path(bundle.digest());
        if own.look().stat(&manifest)?.is_none() {
            let damaged = |source| BundlesError::Manifest { path: manifest.clone(), source };
            let text = bundle.manifest().to_bytes().map_err(damaged)?;
            own.replace(&manifest, &text, state::private())?;
        }
        let known = Known::of(bundle);
        if self.0.insert(bundle.digest(), known.clone()) == Some(known) {
            return Ok(());
        }
        let path = path();
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|source| BundlesError::Damaged { path: path.clone(), source })?;
        text.push(b'\n');
        Ok(own.replace(&path, &text, state::private())?)
    }
}

impl Known {
    /// What `bundle` says of itself.
    #[must_use]
    pub fn of(bundle: &Bundle<Verified>) -> Self {
        let manifest = bundle.manifest();
        Self {
            name: manifest.name.clone(),
            channel: manifest.channel.clone(),
            sequence: manifest.sequence,
            signed_by: bundle.trusted().principals.clone(),
        }
    }

    /// What the floors know it by.
    #[must_use]
    pub fn candidate(&self, bundle: Digest) -> Candidate {
        Candidate { channel: self.channel.clone(), sequence: self.sequence, bundle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::mem::MemHost;
    use crate::plan::tests::planner::{item, manifest};

    #[test]
    fn a_large_manifest_is_read_again() {
        let mut large = manifest("{}");
        large.items = (0..4096).map(|n| item(&format!("packages/{n:0>85}.deb"))).collect();
        let bytes = large.to_bytes().unwrap();
        assert!(bytes.len() as u64 > crate::host::MAX_READ);
        let bundle = Digest::of(b"bundle");
        let host = MemHost::with_files(&[(
            manifest_path(bundle).as_path().as_str(),
            std::str::from_utf8(&bytes).unwrap(),
        )]);
        assert_eq!(Bundles::manifest(&host, bundle).unwrap(), Some(large));
    }
}
