use std::collections::BTreeSet;

use vgpu_keys::{Channel, Policy};
use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Bundle, Verified};

use super::{Candidate, FloorError, Floors};

/// A bundle with valid signatures is not accepted by this host.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum NotAdmitted {
    /// The host does not accept its channel.
    #[error(
        "the bundle is from channel `{channel}`, but this host accepts only {}",
        list(.allowed)
    )]
    Channel {
        /// The channel of the bundle.
        channel: Channel,
        /// The channels of the policy.
        allowed: BTreeSet<Channel>,
    },
    /// The floor of the channel rejects it.
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

/// Checks whether this host accepts the channel and the sequence of `bundle`.
pub(crate) fn admit(
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
