use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vgpu_keys::{Channel, Principal};
use vgpu_manifest::limits::MAX_MANIFEST;
use vgpu_manifest::{Base, Bundle, BundleName, Digest, Manifest, ManifestError, Verified};

use crate::host::{HostError, Look, OwnPath, OwnState};
use crate::packages::Vouched;
use crate::state;
use crate::trust::Candidate;

/// The bundles that were staged on this host, by the digest of their root.
///
/// The journal records only that digest, and the medium may be gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Bundles(BTreeMap<Digest, Known>);

/// The name, order and signers of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Known {
    /// The name.
    pub(crate) name: BundleName,
    /// The channel.
    pub(crate) channel: Channel,
    /// The sequence in the channel.
    pub(crate) sequence: u64,
    /// The principals whose signatures counted when it was staged.
    pub(crate) signed_by: BTreeSet<Principal>,
    /// The packages that their archives have signed, by this host's keyrings when it was staged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<Vouched>,
}

/// The record of bundles cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BundlesError {
    /// A manifest is not one of this program.
    #[error("{path} is damaged: {source}")]
    Manifest {
        /// The file.
        path: OwnPath,
        /// The error.
        source: ManifestError,
    },
    /// The host failed.
    #[error(transparent)]
    Host(#[from] HostError),
}

fn path() -> OwnPath {
    state::dir().join("bundles.json")
}

/// Returns the path of a manifest: the contents of a bundle are needed long after the medium is gone.
fn manifest_path(bundle: Digest) -> OwnPath {
    state::dir().join(&Bundles::file_of(bundle))
}

impl Bundles {
    /// Returns the bundles of this host.
    ///
    /// The list is for people, so a damaged one is no reason to fail: the manifests have the same
    /// facts, except the signers.
    pub(crate) fn load(look: &dyn Look) -> Self {
        let mut bundles = Self::read(look).ok().flatten().unwrap_or_default();
        let names = look.list_own(&state::dir()).unwrap_or_default().0;
        for digest in names.iter().filter_map(|name| Self::digest_of(name)) {
            if !bundles.0.contains_key(&digest)
                && let Ok(Some(manifest)) = Self::manifest(look, digest)
            {
                bundles.0.insert(digest, Known::from_manifest(&manifest, BTreeSet::new()));
            }
        }
        bundles
    }

    /// Reads the list; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The defect of the list.
    pub(crate) fn read(look: &dyn Look) -> Result<Option<Self>, String> {
        match look.read(&path()) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Returns the path of the list.
    pub(crate) fn path() -> OwnPath {
        path()
    }

    /// Returns the name of the file with a bundle's manifest.
    pub(super) fn file_of(bundle: Digest) -> String {
        format!("manifest-{bundle}.json")
    }

    /// Returns the digest of the bundle whose manifest has this file name.
    pub(crate) fn digest_of(name: &str) -> Option<Digest> {
        let digest = name.strip_prefix("manifest-").and_then(|rest| rest.strip_suffix(".json"));
        digest?.parse().ok()
    }

    /// Returns the manifests of these bundles, without damaged ones.
    pub(crate) fn manifests<'l>(
        &self,
        look: &'l dyn Look,
    ) -> impl Iterator<Item = Manifest> + use<'_, 'l> {
        self.0.keys().filter_map(|digest| Self::manifest(look, *digest).ok().flatten())
    }

    /// Returns all bundles.
    pub(super) fn iter(&self) -> impl Iterator<Item = Base> {
        let base = |(digest, known): (&Digest, &Known)| Base {
            name: known.name.clone(),
            sequence: known.sequence,
            digest: *digest,
        };
        self.0.iter().map(base)
    }

    /// Returns the bundle whose root has this digest.
    #[must_use]
    pub(crate) fn get(&self, digest: Digest) -> Option<&Known> {
        self.0.get(&digest)
    }

    /// Returns the manifest of a staged bundle.
    pub(crate) fn manifest(
        look: &dyn Look,
        bundle: Digest,
    ) -> Result<Option<Manifest>, BundlesError> {
        let path = manifest_path(bundle);
        let Some(bytes) = look.read_up_to(&path, MAX_MANIFEST)? else { return Ok(None) };
        let damaged = |source| BundlesError::Manifest { path: path.clone(), source };
        Manifest::parse(&bytes).map(Some).map_err(damaged)
    }

    /// Records `bundle` and its manifest, durably.
    pub(crate) fn add(
        &mut self,
        own: &mut OwnState<'_>,
        bundle: &Bundle<Verified>,
        known: Known,
    ) -> Result<(), BundlesError> {
        let manifest = manifest_path(bundle.digest());
        let damaged = |source| BundlesError::Manifest { path: manifest.clone(), source };
        let text = bundle.manifest().to_bytes().map_err(damaged)?;
        // A damaged manifest is healed by the bundle.
        let is = own.look().read_up_to(&manifest, MAX_MANIFEST);
        if is.ok().flatten().as_ref() != Some(&text) {
            own.replace(&manifest, &text, state::private())?;
        }
        // `store add` does not repeat the check that an earlier run has recorded.
        let before = self.0.get(&bundle.digest()).and_then(|before| before.upstream);
        let known = Known { upstream: known.upstream.or(before), ..known };
        self.0.insert(bundle.digest(), known);
        if Self::read(own.look()).as_ref() == Ok(&Some(self.clone())) {
            return Ok(());
        }
        Ok(self.save(own)?)
    }

    /// Saves the list durably.
    pub(crate) fn save(&self, own: &mut OwnState<'_>) -> Result<(), HostError> {
        let mut text =
            serde_json::to_vec_pretty(self).unwrap_or_else(|_| unreachable!("it is plain data"));
        text.push(b'\n');
        own.replace(&path(), &text, state::private())
    }
}

impl Known {
    /// Returns the record of `bundle`.
    #[must_use]
    pub(crate) fn of(bundle: &Bundle<Verified>) -> Self {
        Self::from_manifest(bundle.manifest(), bundle.trusted().principals.clone())
    }

    fn from_manifest(manifest: &Manifest, signed_by: BTreeSet<Principal>) -> Self {
        Self {
            name: manifest.name.clone(),
            channel: manifest.channel.clone(),
            sequence: manifest.sequence,
            signed_by,
            upstream: None,
        }
    }

    /// Returns the candidate for the floors.
    #[must_use]
    pub(crate) fn candidate(&self, bundle: Digest) -> Candidate {
        Candidate { channel: self.channel.clone(), sequence: self.sequence, bundle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::MemHost;
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
