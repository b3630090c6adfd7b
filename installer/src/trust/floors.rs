use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vgpu_keys::Channel;
use vgpu_manifest::ui::Explain;
use vgpu_manifest::{Bundle, Digest, Verified};

use crate::host::{HostError, Look, OwnPath, OwnState};
use crate::state;

/// The number of recorded bundles for each channel.
const REMEMBERED: usize = 32;

/// The lowest accepted bundle of each channel, and the bundles confirmed on this host.
///
/// The floor of a channel rises when a bundle is confirmed on this host, never because one was only
/// inspected. If a bundle fails, the last confirmed one can therefore be applied again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Floors(BTreeMap<Channel, Floor>);

/// The record of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Floor {
    /// The lowest accepted sequence.
    pub(crate) sequence: u64,
    /// The confirmed bundles, the latest last.
    pub(crate) proven: Vec<Proven>,
}

/// A confirmed bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Proven {
    /// Its sequence.
    pub(crate) sequence: u64,
    /// The digest of its signed root.
    pub(crate) bundle: Digest,
}

/// A bundle to be checked against the floors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Candidate {
    /// Its channel.
    pub(crate) channel: Channel,
    /// Its sequence in that channel.
    pub(crate) sequence: u64,
    /// The digest of its signed root.
    pub(crate) bundle: Digest,
}

impl Candidate {
    /// Returns the candidate for `bundle`.
    #[must_use]
    pub(crate) fn of(bundle: &Bundle<Verified>) -> Self {
        let manifest = bundle.manifest();
        let (channel, sequence) = (manifest.channel.clone(), manifest.sequence);
        Self { channel, sequence, bundle: bundle.digest() }
    }
}

/// A bundle is rejected by the floors, or the floors cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum FloorError {
    /// The bundle is older than the floor.
    #[error(
        "the bundle has sequence {sequence}, but this host accepts channel `{channel}` only from {floor}"
    )]
    Below {
        /// The channel.
        channel: Channel,
        /// The sequence of the bundle.
        sequence: u64,
        /// The lowest accepted sequence.
        floor: u64,
    },
    /// Two bundles have the same sequence in a channel.
    #[error(
        "another bundle with sequence {sequence} of channel `{channel}` was confirmed on this host: {proven}, not {bundle}"
    )]
    Another {
        /// The channel.
        channel: Channel,
        /// The sequence of both.
        sequence: u64,
        /// The digest of the confirmed one.
        proven: Digest,
        /// The digest of the other one.
        bundle: Digest,
    },
    /// The record and its copy are damaged. Without them, an old bundle could not be refused.
    #[error("the floors of this host are lost: {path} is damaged ({why}), and so is its copy")]
    Damaged {
        /// The file.
        path: OwnPath,
        /// The defect.
        why: String,
    },
    /// The record could not be read or written.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Explain for FloorError {
    fn hint(&self) -> Option<&str> {
        match self {
            Self::Below { .. } => Some(
                "use a later bundle, or correct a wrong floor with `vgpu-installer trust set-floor`",
            ),
            Self::Another { .. } => Some("ask the signers which of the two bundles is intended"),
            Self::Damaged { .. } => {
                Some("run `vgpu-installer repair` for the way to set them again")
            }
            Self::Host(_) => None,
        }
    }
}

/// The file with the floors, and its copy.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The file.
    pub(crate) path: OwnPath,
    /// Its content; `None` if there is no such file, and a defect if it is damaged.
    pub(crate) content: Result<Option<Floors>, String>,
}

impl Stored {
    fn read(look: &dyn Look, name: &str) -> Self {
        let path = state::dir().join(name);
        let content = match look.read(&path) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        Self { path, content }
    }

    /// Reads both files.
    pub(crate) fn both(look: &dyn Look) -> [Self; 2] {
        ["floors.json", "floors.copy.json"].map(|name| Self::read(look, name))
    }

    fn floors(&self) -> Option<&Floors> {
        self.content.as_ref().ok()?.as_ref()
    }
}

impl Floors {
    /// Returns the record of this host.
    ///
    /// There are two files, and of each channel the higher floor counts: a damaged or removed file
    /// must not lower one.
    pub(crate) fn load(look: &dyn Look) -> Result<Self, FloorError> {
        let both = Stored::both(look);
        if let [Some(one), other] = both.each_ref().map(Stored::floors) {
            return Ok(other.map_or_else(|| one.clone(), |other| one.higher(other)));
        }
        let [file, copy] = both;
        match (file.content, copy.content) {
            (_, Ok(Some(floors))) => Ok(floors),
            (Ok(_), Ok(None)) => Ok(Self::default()),
            (Err(why), _) => Err(FloorError::Damaged { path: file.path, why }),
            (Ok(_), Err(why)) => Err(FloorError::Damaged { path: copy.path, why }),
        }
    }

    /// Returns the higher floor of each channel.
    fn higher(&self, other: &Self) -> Self {
        let mut floors = self.0.clone();
        for (channel, theirs) in &other.0 {
            let ours = floors.entry(channel.clone()).or_default();
            if (theirs.sequence, theirs.proven.len()) > (ours.sequence, ours.proven.len()) {
                *ours = theirs.clone();
            }
        }
        Self(floors)
    }

    /// Saves the record and its copy durably.
    ///
    /// The copy comes first, so that it is never behind the record.
    pub(crate) fn save(&self, own: &mut OwnState<'_>) -> Result<(), FloorError> {
        let mut text =
            serde_json::to_vec_pretty(self).unwrap_or_else(|_| unreachable!("it is plain data"));
        text.push(b'\n');
        for Stored { path, .. } in Stored::both(own.look()).iter().rev() {
            own.replace(path, &text, state::private())?;
        }
        Ok(())
    }

    /// Returns the record of each channel.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Channel, &Floor)> {
        self.0.iter()
    }

    /// Returns the record of `channel`, if any.
    #[must_use]
    pub(crate) fn get(&self, channel: &Channel) -> Option<&Floor> {
        self.0.get(channel)
    }

    /// Checks whether `candidate` may be applied.
    ///
    /// Besides all bundles from the floor on, this allows the bundle confirmed before the latest
    /// one, for a rollback.
    pub(crate) fn admit(&self, candidate: &Candidate) -> Result<(), FloorError> {
        let Some(floor) = self.0.get(&candidate.channel) else { return Ok(()) };
        let Candidate { channel, sequence, bundle } = candidate.clone();
        let twin = floor.proven.iter().rfind(|proven| proven.sequence == sequence);
        if let Some(proven) = twin.map(|twin| twin.bundle).filter(|proven| *proven != bundle) {
            return Err(FloorError::Another { channel, sequence, proven, bundle });
        }
        let is_rollback = floor.proven.iter().rev().take(2).any(|proven| proven.bundle == bundle);
        if sequence < floor.sequence && !is_rollback {
            return Err(FloorError::Below { channel, sequence, floor: floor.sequence });
        }
        Ok(())
    }

    /// Records that `candidate` was confirmed. Returns whether the record changed.
    pub(crate) fn prove(&mut self, candidate: &Candidate) -> bool {
        let before = self.0.get(&candidate.channel).cloned();
        let floor = self.0.entry(candidate.channel.clone()).or_default();
        let proven = Proven { sequence: candidate.sequence, bundle: candidate.bundle };
        floor.proven.retain(|other| *other != proven);
        floor.proven.push(proven);
        let excess = floor.proven.len().saturating_sub(REMEMBERED);
        floor.proven.drain(..excess);
        floor.sequence = floor.sequence.max(candidate.sequence);
        before.as_ref() != Some(floor)
    }

    /// Sets the floor of `channel` to `sequence`, regardless of confirmed bundles, and returns the
    /// previous floor.
    ///
    /// Bundles below a raised floor can no longer be used for a rollback. Bundles above a lowered
    /// one are removed from the record: sequences used by mistake are free again.
    pub(crate) fn set(&mut self, channel: &Channel, sequence: u64) -> u64 {
        let floor = self.0.entry(channel.clone()).or_default();
        let before = floor.sequence;
        if sequence < before {
            floor.proven.retain(|proven| proven.sequence <= sequence);
        } else {
            floor.proven.retain(|proven| proven.sequence >= sequence);
        }
        floor.sequence = sequence;
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::MemHost;

    fn bundle(sequence: u64, text: &str) -> Candidate {
        let channel = "stable".parse().unwrap();
        Candidate { channel, sequence, bundle: Digest::of(text.as_bytes()) }
    }

    #[test]
    fn a_floor_rises_with_confirmed_bundles_and_a_rollback_stays_possible() {
        let mut floors = Floors::default();
        assert!(floors.admit(&bundle(1, "one")).is_ok());
        assert!(floors.prove(&bundle(3, "three")));
        assert!(!floors.prove(&bundle(3, "three")), "that is no news");
        assert!(matches!(floors.admit(&bundle(2, "two")), Err(FloorError::Below { floor: 3, .. })));
        assert!(matches!(floors.admit(&bundle(3, "other")), Err(FloorError::Another { .. })));
        assert!(floors.admit(&bundle(3, "three")).is_ok());

        floors.prove(&bundle(5, "five"));
        assert!(floors.admit(&bundle(3, "three")).is_ok(), "the way back");
        assert!(floors.admit(&bundle(3, "other")).is_err());
        assert!(floors.admit(&bundle(4, "four")).is_err(), "it was never proven here");
        floors.prove(&bundle(3, "three"));
        assert_eq!(floors.get(&"stable".parse().unwrap()).unwrap().sequence, 5);
        assert!(
            floors.admit(&bundle(5, "five")).is_ok() && floors.admit(&bundle(3, "three")).is_ok()
        );

        floors.prove(&bundle(6, "six"));
        floors.prove(&bundle(7, "seven"));
        assert!(floors.admit(&bundle(3, "three")).is_err(), "two proofs ago");
        assert!(floors.admit(&bundle(6, "six")).is_ok());
    }

    #[test]
    fn another_channel_has_a_floor_of_its_own() {
        let mut floors = Floors::default();
        floors.prove(&bundle(9, "nine"));
        let other = Candidate { channel: "edge".parse().unwrap(), ..bundle(1, "one") };
        assert!(floors.admit(&other).is_ok());
    }

    #[test]
    fn an_overrun_is_repaired_by_hand() {
        let mut floors = Floors::default();
        let channel = "stable".parse().unwrap();
        floors.prove(&bundle(4, "four"));
        floors.prove(&bundle(999_999, "mistake"));
        assert_eq!(floors.set(&channel, 4), 999_999);
        assert!(floors.admit(&bundle(5, "five")).is_ok());
        assert!(floors.admit(&bundle(4, "other")).is_err(), "four is still the four that it was");
        assert!(floors.admit(&bundle(999_999, "another")).is_ok());

        assert_eq!(floors.set(&channel, 6), 4);
        assert!(floors.admit(&bundle(4, "four")).is_err(), "a raised floor is enforced");
    }

    #[test]
    fn what_is_remembered_is_read_back_and_damage_is_named() {
        let mut host = MemHost::default();
        OwnState::of(&mut host).prepare().unwrap();
        let mut floors = Floors::default();
        floors.prove(&bundle(9, "nine"));
        floors.save(&mut OwnState::of(&mut host)).unwrap();
        assert_eq!(Floors::load(&host).unwrap(), floors);
        let [file, copy] = Stored::both(&host).map(|stored| stored.path.to_string());
        let text = host.text_of(&file).unwrap();
        for damaged in ["", "{\"stable\":{}}", "\u{7f}"] {
            for (bad, good) in [(&file, &copy), (&copy, &file)] {
                host.place(bad, damaged);
                host.place(good, &text);
                assert_eq!(Floors::load(&host).unwrap(), floors, "{bad}");
            }
            host.place(&file, damaged);
            host.place(&copy, damaged);
            assert!(matches!(Floors::load(&host), Err(FloorError::Damaged { .. })));
        }
    }

    #[test]
    fn a_changed_or_removed_file_lowers_no_floor() {
        let mut host = MemHost::default();
        OwnState::of(&mut host).prepare().unwrap();
        let mut floors = Floors::default();
        floors.prove(&bundle(9, "nine"));
        floors.save(&mut OwnState::of(&mut host)).unwrap();
        let paths = Stored::both(&host).map(|stored| stored.path);
        let text = host.text_of(&paths[0].to_string()).unwrap();
        for path in &paths {
            host.place(&path.to_string(), &text.replace('9', "1"));
            assert_eq!(Floors::load(&host).unwrap(), floors);
            host.nodes.remove(&**path);
            assert_eq!(Floors::load(&host).unwrap(), floors);
            host.place(&path.to_string(), &text);
        }
    }

    #[test]
    fn only_so_many_are_remembered() {
        let mut floors = Floors::default();
        for sequence in 0..100 {
            floors.prove(&bundle(sequence, &sequence.to_string()));
        }
        let (_, floor) = floors.iter().next().unwrap();
        assert_eq!((floor.proven.len(), floor.proven[0].sequence), (REMEMBERED, 68));
    }
}
