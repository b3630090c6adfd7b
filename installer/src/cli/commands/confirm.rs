//! Confirming that an applied bundle works, and reporting it.

use std::time::{Duration, Instant};

use super::apply_plan::roll_back;
use super::resume::candidate_of;
use crate::cli::{Advise as _, Exit};
use crate::host::real::{FileMemory, On};
use crate::host::{HostError, Look, OwnState};
use crate::journal::TxState;
use crate::locked_host::LockedHost;
use crate::plan::{ApplyError, Plan, Reboot, runs_commands};
use crate::status::proof::{
    Expected, Proof, Unproven, add_sizes, assignment, prove, prove_announced, table,
};
use crate::step::Status;
use crate::trust::{Candidate, Floors};
use crate::ui::{Tone, Ui};

/// The number of checks and the delay between them.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(500);

/// Whether a bundle is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmed {
    /// Confirmed, or nothing to confirm.
    Yes,
    /// Unknown until the next boot.
    AfterReboot,
}

/// Confirms a bundle if every step is in sync and the host's checks pass. Only then the floor of
/// its channel rises.
pub(super) fn confirm(
    locked: &mut LockedHost,
    plan: &Plan,
    candidate: &Candidate,
    reboot: Reboot,
    ui: &Ui,
) -> anyhow::Result<Confirmed> {
    locked.host().cache_files(FileMemory::Use);
    let hold = steps_hold(locked.look(), plan);
    // It only saves `status` time: a full disk is no reason to fail.
    let _ = locked.host().save_cached_files();
    let hold = hold?;
    if !hold {
        // They become in sync once the recorded commands are run.
        return Ok(Confirmed::Yes);
    }
    let expected = Expected::of(plan.steps());
    let mut proof = prove_with_retries(locked.look(), &expected, ui)?;
    if let Some(driver) = &expected.driver {
        add_sizes(locked.look(), candidate.bundle, driver, &mut proof);
    }
    let used = assignment(locked.look(), &proof.types)?;
    for line in table(&proof, &used.lines, &|tone, text| ui.paint_talk(tone, text)) {
        ui.say(line);
    }
    if !proof.holds() {
        if reboot == Reboot::Needed {
            return Ok(Confirmed::AfterReboot);
        }
        let missing = proof.missing().map(|(check, ..)| check).collect();
        return Err(Unproven(missing)).hint(
            "see the hints above, then run `vgpu-installer apply` to check again, or \
                `vgpu-installer revert`",
        );
    }
    let mut floors = Floors::load(locked.look())?;
    if floors.prove(candidate) {
        floors.save(&mut OwnState::of(locked.host()))?;
    }
    Ok(Confirmed::Yes)
}

/// Repeats the checks until no missing result can still appear: started daemons need time to
/// announce their results.
fn prove_with_retries(look: &dyn Look, expected: &Expected, ui: &Ui) -> Result<Proof, HostError> {
    let mut proof = prove(look, expected)?;
    for tries in 0..TRIES {
        if !proof.may_come() || look.may_continue().is_err() {
            break;
        }
        if tries == 0 {
            ui.say("wait for the services");
        }
        let since = Instant::now();
        std::thread::sleep(PAUSE);
        ui.spent(On::Waiting, since);
        prove_announced(look, expected, &mut proof)?;
    }
    Ok(proof)
}

/// Checks whether every step is in sync; `false` if unknown because commands do not run here.
fn steps_hold(look: &dyn Look, plan: &Plan) -> anyhow::Result<bool> {
    let runs = runs_commands(look)?;
    for step in plan.steps() {
        if !runs && step.takes_commands() {
            return Ok(false);
        }
        if step.check(look)? != Status::Done {
            return Err(ApplyError::NoEffect { step: step.summary() }.into());
        }
    }
    Ok(true)
}

/// Checks an applied but unconfirmed bundle again; `None` if there is none.
pub(super) fn confirm_again(locked: &mut LockedHost, ui: &Ui) -> anyhow::Result<Option<Exit>> {
    let Some(tx) = locked.current()? else { return Ok(None) };
    // Everything that was applied must be present.
    if tx.state != TxState::Applied || !tx.removed.is_empty() {
        return Ok(None);
    }
    let new = tx.new;
    let plan = Plan::parse(&new.plan)?;
    let candidate = candidate_of(locked, new.bundle)?;
    let floors = Floors::load(locked.look())?;
    let floor = floors.get(&candidate.channel);
    let known = floor.is_some_and(|it| it.proven.iter().any(|one| one.bundle == new.bundle));
    if known || Expected::of(plan.steps()).driver.is_none() {
        return Ok(None);
    }
    if let Err(error) = confirm(locked, &plan, &candidate, Reboot::NotNeeded, ui) {
        return roll_back(locked, tx.id, error, ui).map(Some);
    }
    ui.say(ui.paint_talk(Tone::Good, "done: the applied bundle is confirmed now"));
    Ok(Some(Exit::Done))
}
