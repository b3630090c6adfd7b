//! Management of trusted keys. Every change is one new policy, and is logged.

mod add;
mod list;
mod revoke;
mod set_floor;
mod set_upstream;
mod update;

use std::num::NonZeroUsize;

use clap::Subcommand;
use vgpu_keys::{AllowedSigners, Channel, Policy, RevokedKeys, Upstream};

use crate::cli::{Advise as _, Exit, Target};
use crate::host::OwnState;
use crate::trust;
use crate::ui::Ui;

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Trust a key
    Add(add::Add),
    /// List trusted keys, channels and floors
    List(list::List),
    /// Stop trusting a key; it can be trusted again later
    Remove(revoke::Remove),
    /// Revoke a key permanently
    Revoke(revoke::Revoke),
    /// Set the lowest accepted sequence of a channel
    SetFloor(set_floor::SetFloor),
    /// Require the signatures of archives for Debian packages, or not
    SetUpstream(set_upstream::SetUpstream),
    /// Replace the policy with a signed newer one
    Update(update::Update),
}

impl Trust {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        match self {
            Self::List(command) => return command.run(&target, ui),
            Self::Add(_)
            | Self::Remove(_)
            | Self::Revoke(_)
            | Self::SetFloor(_)
            | Self::SetUpstream(_)
            | Self::Update(_) => target.check_may_change()?,
        }
        match self {
            Self::List(command) => command.run(&target, ui),
            Self::Add(command) => command.run(target, ui),
            Self::Remove(command) => command.run(target, ui),
            Self::Revoke(command) => command.run(target, ui),
            Self::SetFloor(command) => command.run(target, ui),
            Self::SetUpstream(command) => command.run(target, ui),
            Self::Update(command) => command.run(target, ui),
        }
    }
}

#[derive(Debug)]
struct Draft {
    version: u64,
    threshold: NonZeroUsize,
    channels: Vec<Channel>,
    signers: AllowedSigners,
    revoked: RevokedKeys,
    upstream: Upstream,
}

impl Draft {
    /// Returns the next policy, still without changes.
    fn after(policy: &Policy) -> Self {
        Self {
            version: policy.version() + 1,
            threshold: policy.threshold(),
            channels: policy.channels().iter().cloned().collect(),
            signers: policy.allowed_signers().clone(),
            revoked: policy.revoked_keys().clone(),
            upstream: policy.upstream(),
        }
    }

    fn first() -> Self {
        Self {
            version: 1,
            threshold: NonZeroUsize::MIN,
            channels: Vec::new(),
            signers: AllowedSigners::default(),
            revoked: RevokedKeys::default(),
            upstream: Upstream::Optional,
        }
    }

    /// Activates the policy and logs the change.
    fn enact(self, target: &mut Target, what: &str) -> anyhow::Result<()> {
        let Self { version, threshold, channels, signers, revoked, upstream } = self;
        let policy = Policy::new(version, threshold, channels, signers, revoked).hint(
            "trust another key with `vgpu-installer trust add` first, or lower the threshold with `--threshold`",
        )?;
        let policy = policy.with_upstream(upstream);
        let document = policy.to_string();
        let mut own = OwnState::of(&mut target.host);
        trust::save(&mut own, &policy, document.as_bytes())?;
        Ok(trust::record(&mut own, &format!("{what} (policy version {version})"))?)
    }
}
