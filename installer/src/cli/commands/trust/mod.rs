//! Management of trusted keys. Every change is one new policy, and is logged.

mod add;
mod list;
mod revoke;
mod set_floor;
mod set_upstream;
mod update;

#[cfg(feature = "schema")]
pub(crate) use self::list::Document;

use std::num::NonZeroUsize;

use clap::Subcommand;
use vgpu_keys::{Policy, PolicyDraft};

use crate::cli::{Advise as _, Exit, Target};
use crate::host::OwnState;
use crate::trust;
use crate::ui::{Tone, Ui};

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
    /// Replace the policy with signed newer ones
    Update(update::Update),
}

impl Trust {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        match self {
            Self::List(_) => return list::List::run(&target, ui),
            Self::Add(_)
            | Self::Remove(_)
            | Self::Revoke(_)
            | Self::SetFloor(_)
            | Self::SetUpstream(_)
            | Self::Update(_) => target.check_may_change()?,
        }
        match self {
            Self::List(_) => list::List::run(&target, ui),
            Self::Add(command) => command.run(target, ui),
            Self::Remove(command) => command.run(target, ui),
            Self::Revoke(command) => command.run(target, ui),
            Self::SetFloor(command) => command.run(target, ui),
            Self::SetUpstream(command) => command.run(target, ui),
            Self::Update(command) => command.run(target, ui),
        }
    }
}

/// Activates the policy and logs the change.
fn enact(draft: PolicyDraft, target: &mut Target, what: &str, ui: &Ui) -> anyhow::Result<()> {
    let policy = draft.finish().hint(
        "trust another key with `vgpu-installer trust add` first, or lower the threshold with `--threshold`",
    )?;
    let document = policy.to_string();
    let mut own = OwnState::of(&mut target.host);
    trust::save(&mut own, &policy, document.as_bytes())?;
    trust::record(&mut own, &format!("{what} (policy version {})", policy.version()))?;
    warn(&policy, ui);
    Ok(())
}

/// Warns if no signed policy can replace this one.
fn warn(policy: &Policy, ui: &Ui) {
    if let Some(warning) = trust::warning(policy) {
        ui.say(format_args!("{} {warning}", ui.paint_talk(Tone::Warn, "warning:")));
    }
}

/// Numbers of signatures.
#[derive(Debug, clap::Args)]
struct Thresholds {
    /// Number of principals that must sign a bundle from now on
    #[arg(long, value_name = "N")]
    threshold: Option<NonZeroUsize>,
    /// Number of principals that must sign a policy from now on [default: as for a bundle]
    #[arg(long, value_name = "N")]
    policy_threshold: Option<NonZeroUsize>,
}

impl Thresholds {
    fn set(&self, draft: &mut PolicyDraft) {
        draft.threshold = self.threshold.unwrap_or(draft.threshold);
        draft.policy_threshold = self.policy_threshold.or(draft.policy_threshold);
    }
}
