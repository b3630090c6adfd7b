use std::collections::BTreeSet;

use vgpu_keys::{Channel, Policy};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Bundle, Verified};

use super::{Candidate, FloorError, Floors};

/// A bundle is signed as it should be, and yet not for this host, or not now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// This host takes no bundles from its channel.
    #[error(
        "the bundle is of channel `{channel}`, and this host takes bundles from {} only",
        list(.allowed)
    )]
    Channel {
        /// The channel of the bundle.
        channel: Channel,
        /// Those of the policy.
        allowed: BTreeSet<Channel>,
    },
    /// What was proven here before speaks against it.
    #[error(transparent)]
    Floor(#[from] FloorError),
}

impl Explain for NotAdmitted {
    fn exit(&self) -> Option<Exit> {
        Some(Exit::Untrusted)
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Channel { .. } => {
                Some("run `vgpu-installer trust list` to see the channels of this host")
            }
            Self::Floor(error) => error.hint(),
        }
    }
}

fn list(channels: &BTreeSet<Channel>) -> String {
    let names: Vec<_> = channels.iter().map(|channel| format!("`{channel}`")).collect();
    names.join(", ")
}

/// Whether this host may be changed by `bundle`: its channel, and its place in it.
pub fn admit(
    policy: &Policy,
    floors: &Floors,
    bundle: &Bundle<Verified>,
) -> Result<Candidate, NotAdmitted> {
    let candidate = Candidate::of(bundle);
    if !policy.channels().contains(&candidate.channel) {
        let (channel, allowed) = (candidate.channel, policy.channels().clone());
        return Err(NotAdmitted::Channel { channel, allowed });
    }
    floors.admit(&candidate)?;
    Ok(candidate)
}
