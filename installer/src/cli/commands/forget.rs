use super::Consent;
use crate::cli::{Advise as _, Exit, Refused, Target};
use crate::host::{HostError, HostPath, Look as _, OwnState};
use crate::license::data;
use crate::locked_host::LockedHostError;
use crate::state;
use crate::ui::{Tone, Ui};

/// Delete the installer's own state, including trust.
///
/// This deletes trusted keys, revocations, floors, the journal, the log and the store, and with them
/// the protection against older bundles and policies. Everything applied must be reverted first.
#[derive(Debug, clap::Args)]
pub(crate) struct Forget {
    /// Also delete saved copies of replaced files that no journal describes, because it was given up
    /// with `repair`
    #[arg(long)]
    discard_copies: bool,
    #[command(flatten)]
    consent: Consent,
}

const LOST: &str = "\
These will be lost:
  the trust policy: trusted keys, revocations, and the floor of each channel;
  the protection against rollback: afterwards, this host accepts any older bundle or policy,
  and revoked keys, of the signers that it trusts then;
  the journal of applied and reverted bundles, and the log of executed commands;
  the store of verified items, which must then be staged again;
  the key that signs reports, so that the next one must be enrolled again.";

impl Forget {
    pub(crate) fn run(self, target: Target, ui: &Ui) -> anyhow::Result<Exit> {
        target.check_may_change()?;
        let is_there = |path: &HostPath| target.host.stat(path).map(|stat| stat.is_some());
        if !is_there(&state::dir())? && !is_there(&state::trust())? {
            ui.say("nothing to forget");
            return Ok(Exit::Done);
        }
        let license = data::is_there(&target.host)?;
        let mut locked = target.open_locked()?;
        if let Some(tx) = locked.current()? {
            return Err(LockedHostError::InUse(tx.id).into());
        }
        if !locked.dirty()?.is_empty() {
            let text = "derived state is stale; run `vgpu-installer revert` again";
            return Err(Refused::Unfinished(text.to_owned()).into());
        }
        let copies = locked.orphaned_copies()?;
        if copies > 0 && !self.discard_copies {
            let text = format!(
                "{copies} copies in {} may be the only ones of files that were replaced",
                state::undo()
            );
            return Err(Refused::Unfinished(text)).hint(
                "save them in another folder, then run `vgpu-installer forget --discard-copies`",
            );
        }
        ui.say(LOST);
        if license {
            ui.say(format_args!(
                "Kept: {} (`license remove --discard` deletes it).",
                data::folder()
            ));
        }
        self.consent.ask(ui, "Delete all of it?")?;
        forget_trust(&mut OwnState::of(locked.host()))?;
        locked.forget()?;
        ui.say(ui.paint_talk(Tone::Good, "forgotten"));
        Ok(Exit::Done)
    }
}

/// Deletes the trust folder, the policy first: without the policy, no key is trusted.
fn forget_trust(own: &mut OwnState<'_>) -> Result<(), HostError> {
    let dir = state::trust();
    own.remove(&dir.join("policy.toml"))?;
    own.remove_dir(&dir)
}
