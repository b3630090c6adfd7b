use std::collections::BTreeMap;

use vgpu_manifest::ui::{Exit, Explain};
use vgpu_manifest::{Digest, HostPath};

use super::Plan;
use super::planner::Unsuitable;
use super::replaced::MAX_TEXT;
use crate::act::{Change, Journal, Log};
use crate::host::{Look, Node, Overlay};
use crate::journal::{BootId, JournalError, NewTransaction};
use crate::step::{Status, Step, StepError};

/// The effect of a plan on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rehearsal {
    /// The plan without the steps in sync.
    pub(crate) plan: Plan,
    /// The changes, as the journal would record them, without those made by commands.
    pub(crate) changes: Vec<Change>,
    /// The new contents of small files, unless they come from the bundle.
    pub(crate) texts: BTreeMap<HostPath, Vec<u8>>,
}

impl Rehearsal {
    /// Whether some of the changes take effect only with the next boot.
    #[must_use]
    pub(crate) fn needs_reboot(&self) -> bool {
        self.changes.iter().any(Change::awaits_boot)
    }
}

/// A plan cannot be rehearsed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RehearseError {
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Unsuitable(#[from] Unsuitable),
}

impl Explain for RehearseError {
    fn exit(&self) -> Option<Exit> {
        match self {
            Self::Unsuitable(unsuitable) => unsuitable.exit(),
            Self::Step(_) | Self::Journal(_) => None,
        }
    }
}

/// Returns the path at which a change places a whole node.
fn placed_by(change: &Change) -> Option<&HostPath> {
    match change {
        Change::Put { path, after: Some(_), words, .. } if words.is_empty() => Some(path),
        _ => None,
    }
}

/// Rehearses a plan without touching the host.
///
/// It runs the real steps on a host that keeps every change in memory, so their journal entries are
/// the real ones.
///
/// # Errors
///
/// A step fails, or two steps place different nodes at one path: the host would never be in sync.
pub(crate) fn rehearse(plan: &Plan, look: &dyn Look) -> Result<Rehearsal, RehearseError> {
    let mut overlay = Overlay::new(look);
    let mut log = Log::in_memory().map_err(JournalError::from)?;
    let new = NewTransaction {
        bundle: Digest::of(b""),
        plan: String::new(),
        boot: BootId::default(),
        began: 0,
    };
    let tx = log.begin(&new).map_err(JournalError::from)?;
    let mut placed: BTreeMap<HostPath, String> = BTreeMap::new();
    let mut known = 0;
    let mut rehearse = |steps: &[Step]| -> Result<Vec<Step>, RehearseError> {
        let mut left = Vec::new();
        for step in steps {
            if step.check(&overlay)? == Status::Done {
                continue;
            }
            if !step.waits_for_boot() {
                step.apply(&mut Journal::new(&mut overlay, &mut log, tx, step.component()))?;
                let entries = log.entries(tx).map_err(JournalError::from)?;
                let by = step.summary();
                for path in entries.iter().skip(known).filter_map(|it| placed_by(&it.change)) {
                    let first = placed.insert(path.clone(), by.clone());
                    if let Some(first) = first.filter(|first| *first != by) {
                        let why = format!(
                            "`{first}` and `{by}` both write {path}; remove one of them from the \
                             recipe"
                        );
                        return Err(Unsuitable::Reason(why).into());
                    }
                }
                known = entries.len();
            }
            left.push(step.clone());
        }
        Ok(left)
    };
    let [before_reboot, after_reboot] = [&plan.before_reboot, &plan.after_reboot];
    let (before_reboot, after_reboot) = (rehearse(before_reboot)?, rehearse(after_reboot)?);
    let plan = Plan { before_reboot, after_reboot, ..plan.clone() };
    let entries = log.entries(tx).map_err(JournalError::from)?;
    let changes: Vec<_> = entries.into_iter().map(|entry| entry.change).collect();
    let mut texts = BTreeMap::new();
    for change in &changes {
        if let Change::Put { path, after: Some(Node::File { content, .. }), .. } = change
            && content.size <= MAX_TEXT
            && let Some(bytes) = overlay.read_up_to(path, MAX_TEXT).map_err(JournalError::from)?
        {
            texts.insert(path.clone(), bytes);
        }
    }
    Ok(Rehearsal { plan, changes, texts })
}
