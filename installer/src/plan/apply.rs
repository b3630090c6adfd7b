use serde::Serialize;
use vgpu_manifest::Digest;
use vgpu_manifest::ui::{Exit, Explain};

use super::Plan;
use crate::act::{Journal, Log, Transaction};
use crate::host::{Command, Host, HostError, Look};
use crate::journal::{
    BootId, JournalError, LogError, NewTransaction, SettleError, Settling, TxId, TxState, recover,
    settle,
};
use crate::step::{Status, Step, StepError};

/// The source of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The digest of the bundle's signed root.
    pub(crate) bundle: Digest,
    /// The current boot of the host.
    pub(crate) boot: BootId,
}

/// A progress event of an apply.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Applying<'a> {
    /// This step, number `n` of `of`, begins.
    Step {
        /// The step.
        step: &'a Step,
        /// Its place in the plan, counted from one.
        n: usize,
        /// The number of steps in the plan.
        of: usize,
    },
    /// Derived state is being rebuilt.
    Settle(Settling<'a>),
}

/// The outcome of an apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Applied {
    /// The transaction; `None` if there was nothing to do.
    #[serde(skip)]
    pub(crate) tx: Option<TxId>,
    /// Whether a reboot is needed.
    pub(crate) reboot: Reboot,
}

/// Whether a reboot is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reboot {
    /// No reboot is needed.
    NotNeeded,
    /// Some changes take effect only after a reboot.
    Needed,
    /// Phase 2 of the plan needs a reboot first. The transaction stays open until then.
    NeededToContinue,
    /// Phase 2 can begin, but was not requested. The transaction stays open until then.
    Stopped,
}

/// The last phase to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Phase {
    /// The steps before the reboot.
    #[value(name = "1")]
    First,
    /// All steps.
    #[value(name = "2")]
    Second,
}

/// The failure of an apply.
///
/// The host is left in its present state. Retrying and reverting are both safe; the caller chooses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ApplyError {
    /// A step failed.
    #[error("cannot {step}: {source}")]
    Step {
        /// The step, as in the plan.
        step: String,
        /// The cause.
        source: StepError,
    },
    /// A step succeeded, but its target state was not reached.
    #[error("{step}: reported success, but the host is not in sync")]
    NoEffect {
        /// The step, as in the plan.
        step: String,
    },
    /// Another plan was interrupted.
    #[error(
        "transaction {0} is interrupted and has another plan; run `vgpu-installer apply` \
            without a bundle to resume it, or `vgpu-installer revert`"
    )]
    Unfinished(TxId),
    /// A revert was interrupted.
    #[error(
        "the revert of transaction {0} is interrupted; run `vgpu-installer revert` to resume \
            it first"
    )]
    Reverting(TxId),
    /// The removal of a component was interrupted.
    #[error(
        "the removal of a component is interrupted; run `vgpu-installer remove` to resume it \
            first, or `vgpu-installer revert`"
    )]
    Removing,
    /// The recovery from a power cut failed.
    #[error("cannot recover from the interrupted run: {0}")]
    Recover(JournalError),
    /// All steps succeeded, but some derived state could not be rebuilt.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// The journal cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The host could not be read.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl ApplyError {
    /// Checks whether nothing has failed and the rest follows after a reboot, which the operator
    /// may have to attend at the console.
    fn waits_for_boot(&self) -> bool {
        let Self::Step { source, .. } = self else { return false };
        matches!(source, StepError::EnrollmentWaits | StepError::OtherKernel { .. })
    }
}

impl Explain for ApplyError {
    fn exit(&self) -> Option<Exit> {
        self.waits_for_boot().then_some(Exit::Reboot)
    }

    fn hint(&self) -> Option<&str> {
        match self {
            _ if self.waits_for_boot() => {
                Some("reboot; then it resumes automatically, or with `vgpu-installer apply`")
            }
            Self::Step { .. } | Self::NoEffect { .. } | Self::Settle(_) => Some(
                "fix the cause and run the same command again, or revert everything with `vgpu-installer revert`",
            ),
            _ => None,
        }
    }
}

/// Applies a plan, or resumes it. Steps that are in sync are skipped.
#[cfg(test)]
pub(crate) fn apply(
    host: &mut dyn Host,
    log: &mut Log,
    origin: &Origin,
    plan: &Plan,
    each: &mut dyn FnMut(Applying<'_>),
) -> Result<Applied, ApplyError> {
    apply_until(host, log, origin, plan, Phase::Second, each)
}

/// Like [`apply`], but stops after this phase.
pub(crate) fn apply_until(
    host: &mut dyn Host,
    log: &mut Log,
    origin: &Origin,
    plan: &Plan,
    phase: Phase,
    each: &mut dyn FnMut(Applying<'_>),
) -> Result<Applied, ApplyError> {
    let mut run = Run { host, log, plan, each };
    let begun = run.resume(origin)?;
    if begun.is_none() && run.is_all_true()? {
        run.settle()?;
        return Ok(Applied { tx: None, reboot: Reboot::NotNeeded });
    }
    let mut tx = match begun {
        Some(tx) => tx,
        None => run.begin(origin)?,
    };
    run.steps(tx.id, &plan.before_reboot, 0)?;
    run.settle()?;
    if tx.first_part.is_none() {
        // An interrupted phase that only completed now waits for the end of this boot.
        run.log.set_first_part(tx.id, &origin.boot)?;
        tx.first_part = Some(origin.boot.clone());
    }

    let reboot = run.reboot(&tx, &origin.boot)?;
    if (reboot == Reboot::Needed || phase == Phase::First) && !run.are_true(&plan.after_reboot)? {
        let waits = reboot == Reboot::Needed;
        let reboot = if waits { Reboot::NeededToContinue } else { Reboot::Stopped };
        return Ok(Applied { tx: Some(tx.id), reboot });
    }
    run.steps(tx.id, &plan.after_reboot, plan.before_reboot.len())?;
    run.settle()?;
    run.log.set_state(tx.id, TxState::Applied)?;
    let reboot = run.reboot(&tx, &origin.boot)?;
    Ok(Applied { tx: Some(tx.id), reboot })
}

struct Run<'r> {
    host: &'r mut dyn Host,
    log: &'r mut Log,
    plan: &'r Plan,
    each: &'r mut dyn FnMut(Applying<'_>),
}

impl Run<'_> {
    /// Returns the interrupted transaction of this plan, recovered; an error if it belongs to
    /// another plan.
    fn resume(&mut self, origin: &Origin) -> Result<Option<Transaction>, ApplyError> {
        let Some(tx) = self.log.transactions()?.pop() else { return Ok(None) };
        match tx.state {
            TxState::Applied if tx.going().next().is_some() => Err(ApplyError::Removing),
            TxState::Applied | TxState::Reverted => Ok(None),
            TxState::Reverting => Err(ApplyError::Reverting(tx.id)),
            TxState::Applying => {
                if tx.new.bundle != origin.bundle || tx.new.plan != self.plan.to_text() {
                    return Err(ApplyError::Unfinished(tx.id));
                }
                recover(self.host, self.log, tx.id).map_err(ApplyError::Recover)?;
                Ok(Some(tx))
            }
        }
    }

    fn begin(&mut self, origin: &Origin) -> Result<Transaction, ApplyError> {
        let since = self.host.now().duration_since(std::time::SystemTime::UNIX_EPOCH);
        let began = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        let new = NewTransaction {
            bundle: origin.bundle,
            plan: self.plan.to_text(),
            boot: origin.boot.clone(),
            began,
        };
        let id = self.log.begin(&new)?;
        Ok(Transaction::begun(id, new))
    }

    fn steps(&mut self, tx: TxId, steps: &[Step], done: usize) -> Result<(), ApplyError> {
        let of = self.plan.steps().count();
        for (i, step) in steps.iter().enumerate() {
            let failed = |source| ApplyError::Step { step: step.summary(), source };
            if step.check(self.host).map_err(failed)? == Status::Done {
                continue;
            }
            self.host.may_continue()?;
            (self.each)(Applying::Step { step, n: done + i + 1, of });
            if step.restart().is_some() {
                for step in &steps[i..] {
                    let mut journal = Journal::new(self.host, self.log, tx, step.component());
                    step.place_units(&mut journal).map_err(failed)?;
                }
            }
            let mut journal = Journal::new(self.host, self.log, tx, step.component());
            step.apply(&mut journal).map_err(failed)?;
            if runs_commands(self.host)? {
                step.wait(self.host).map_err(failed)?;
            } else if step.takes_commands() {
                continue;
            }
            if step.check(self.host).map_err(failed)? == Status::Todo {
                return Err(ApplyError::NoEffect { step: step.summary() });
            }
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), ApplyError> {
        let each = &mut *self.each;
        Ok(settle(self.host, self.log, &mut |event| each(Applying::Settle(event)))?)
    }

    fn is_all_true(&self) -> Result<bool, ApplyError> {
        Ok(self.are_true(&self.plan.before_reboot)? && self.are_true(&self.plan.after_reboot)?)
    }

    fn are_true(&self, steps: &[Step]) -> Result<bool, ApplyError> {
        for step in steps {
            let failed = |source| ApplyError::Step { step: step.summary(), source };
            if step.check(self.host).map_err(failed)? == Status::Todo {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Checks whether a change of the transaction still waits for a reboot.
    fn reboot(&self, tx: &Transaction, boot: &BootId) -> Result<Reboot, ApplyError> {
        let waits = self.log.entries(tx.id)?.iter().any(|entry| entry.change.awaits_boot());
        Ok(if waits && boot == tx.waits_since() { Reboot::Needed } else { Reboot::NotNeeded })
    }
}

/// Checks whether commands run here, and are not only listed.
pub(crate) fn runs_commands(look: &dyn Look) -> Result<bool, HostError> {
    Ok(look.query(&Command::new("true", &[]))?.is_some())
}
