use vgpu_manifest::Digest;

use super::Plan;
use crate::act::{Change, Journal, Log};
use crate::host::{Look, Overlay};
use crate::journal::{BootId, JournalError, NewTransaction};
use crate::step::{Status, Step, StepError};

/// The effect of a plan on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rehearsal {
    /// The plan without the steps in sync.
    pub(crate) plan: Plan,
    /// The changes, as the journal would record them, without those made by commands.
    pub(crate) changes: Vec<Change>,
}

impl Rehearsal {
    /// Whether some of the changes take effect only with the next boot.
    #[must_use]
    pub(crate) fn needs_reboot(&self) -> bool {
        self.changes.iter().any(Change::awaits_boot)
    }
}

/// Rehearses a plan without touching the host.
///
/// It runs the real steps on a host that keeps every change in memory, so their journal entries are
/// the real ones.
pub(crate) fn rehearse(plan: &Plan, look: &dyn Look) -> Result<Rehearsal, StepError> {
    let mut overlay = Overlay::new(look);
    let mut log = Log::in_memory().map_err(JournalError::from)?;
    let new = NewTransaction {
        bundle: Digest::of(b""),
        plan: String::new(),
        boot: BootId::default(),
        began: 0,
    };
    let tx = log.begin(&new).map_err(JournalError::from)?;
    let mut rehearse = |steps: &[Step]| -> Result<Vec<Step>, StepError> {
        let mut left = Vec::new();
        for step in steps {
            if step.check(&overlay)? == Status::Done {
                continue;
            }
            if !step.waits_for_boot() {
                step.apply(&mut Journal::new(&mut overlay, &mut log, tx, step.component()))?;
            }
            left.push(step.clone());
        }
        Ok(left)
    };
    let plan = Plan::new(rehearse(&plan.before_reboot)?, rehearse(&plan.after_reboot)?);
    let entries = log.entries(tx).map_err(JournalError::from)?;
    Ok(Rehearsal { plan, changes: entries.into_iter().map(|entry| entry.change).collect() })
}
