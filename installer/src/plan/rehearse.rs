use vgpu_manifest::Digest;

use super::Plan;
use crate::act::{Change, Journal, Log};
use crate::host::{Look, Overlay};
use crate::journal::{BootId, JournalError, NewTransaction};
use crate::step::{Status, Step, StepError};

/// What carrying out a plan would do to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The plan without what is true already.
    pub plan: Plan,
    /// The changes, as the journal would have them. What commands do is not among them.
    pub changes: Vec<Change>,
}

impl Rehearsal {
    /// Whether some of the changes take effect only with the next boot.
    #[must_use]
    pub fn needs_reboot(&self) -> bool {
        self.changes.iter().any(Change::awaits_boot)
    }
}

/// Go through a plan without touching the host.
///
/// The steps are the real ones, on a host that keeps every change to itself, so what they write
/// down is what they would write down.
pub fn rehearse(plan: &Plan, look: &dyn Look) -> Result<Rehearsal, StepError> {
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
