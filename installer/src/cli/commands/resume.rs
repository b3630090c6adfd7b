//! Resuming an apply that was interrupted or waits for a reboot.

use vgpu_manifest::Digest;

use super::apply_plan::apply_plan;
use super::confirm::confirm_again;
use super::password::PasswordArgs;
use crate::cli::{Advise as _, Exit, Refused, Target, only_waits};
use crate::host::real::received_signal;
use crate::locked_host::{LockedHost, Pending};
use crate::plan::{ApplyError, Phase};
use crate::status::resume::{self, May};
use crate::store::Bundles;
use crate::trust::Candidate;
use crate::ui::Ui;

/// Resumes at boot. It is no error if there is nothing to resume.
pub(super) fn resume_at_boot(
    password: &PasswordArgs,
    target: Target,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let Some(mut locked) = target.find_locked()? else { return Ok(Exit::Done) };
    let Pending::Apply { tx, plan } = locked.pending()? else { return Ok(Exit::Done) };
    if !plan.resumes_automatically() {
        return Ok(Exit::Done);
    }
    let boot = locked.boot()?;
    match resume::may(locked.look(), &tx, &plan, &boot)? {
        May::NotOnThisBoot => return Ok(Exit::Done),
        May::FellBack(kernel) => {
            ui.say(format_args!(
                "{kernel} was selected for one boot, but another kernel is running: it did not \
                    boot, or another was selected at the console. Nothing else is changed; run \
                    `vgpu-installer apply` to try it again, or `vgpu-installer revert`"
            ));
            return Ok(Exit::Done);
        }
        May::NotEnrolled => {
            ui.say(format_args!(
                "{NOT_ENROLLED}; nothing is changed; run `vgpu-installer apply` to request it \
                    again with another one-time password, or `vgpu-installer revert`"
            ));
            return Ok(Exit::Done);
        }
        May::GaveUp => {
            // Failing at each boot would add nothing to the output of `status`.
            ui.say(
                "automatic resume has failed twice and is disabled; run `vgpu-installer apply` \
                to resume, or `vgpu-installer revert` to revert",
            );
            return Ok(Exit::Done);
        }
        May::Go => resume::begin(locked.host(), tx.id, &boot)?,
    }
    match resume_pending(password, &mut locked, Phase::Second, ui) {
        // A signal comes from a shutdown or an operator, and says nothing about the bundle.
        Err(error) if only_waits(&error) || received_signal().is_some() => {
            resume::forgive(locked.host(), tx.id)?;
            Err(error)
        }
        // The unit runs this command; the operator does not need to see it.
        Err(error) if error.chain().any(<dyn std::error::Error>::is::<ApplyError>) => {
            Err(error).hint_instead(AFTER_RESUME)
        }
        result => result,
    }
}

/// The reason why phase 2 does not begin after a boot.
pub(super) const NOT_ENROLLED: &str =
    "the signing key was not enrolled at the console, and MokManager does not ask for it again";

/// The next step after the unit has failed.
const AFTER_RESUME: &str =
    "fix the cause and run `vgpu-installer apply` to resume, or run `vgpu-installer revert`";

/// Resumes an interrupted apply from the store and the journal.
pub(super) fn resume_interrupted(
    password: &PasswordArgs,
    phase: Phase,
    target: Target,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let Some(mut locked) = target.find_locked()? else {
        return Err(nothing_interrupted().into());
    };
    if locked.pending()? == Pending::Nothing
        && let Some(exit) = confirm_again(&mut locked, ui)?
    {
        return Ok(exit);
    }
    resume_pending(password, &mut locked, phase, ui)
}

fn resume_pending(
    password: &PasswordArgs,
    locked: &mut LockedHost,
    phase: Phase,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let (tx, plan) = match locked.pending()? {
        Pending::Apply { tx, plan } => (tx, plan),
        Pending::Revert(tx) => return Err(ApplyError::Reverting(tx.id).into()),
        Pending::Remove(_) => return Err(ApplyError::Removing.into()),
        Pending::Nothing => return Err(nothing_interrupted().into()),
    };
    let candidate = candidate_of(locked, tx.new.bundle)?;
    password.provide(locked, &plan, ui)?;
    apply_plan(locked, &plan, &candidate, phase, ui)
}

pub(super) fn candidate_of(locked: &LockedHost, digest: Digest) -> anyhow::Result<Candidate> {
    let bundles = Bundles::load(locked.look());
    let known = bundles.get(digest).map(|known| known.candidate(digest));
    Ok(known.ok_or_else(|| {
        Refused::Unfinished(format!("the bundle {digest} is unknown; apply it again"))
    })?)
}

fn nothing_interrupted() -> Refused {
    Refused::Senseless("no apply was interrupted here; name a bundle".to_owned())
}
