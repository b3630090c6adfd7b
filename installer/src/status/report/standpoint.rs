use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vgpu_manifest::{Digest, HostPath, KernelWord};

use super::now::{ModuleNow, PackageNow, modules, packages};
use crate::act::{Change, Entry, Log, Transaction};
use crate::component::Component;
use crate::host::real::{FileMemory, Holder};
use crate::host::{HostError, Look, Node, RealHost};
use crate::journal::{BootId, Kept, TxState, stale};
use crate::plan::Plan;
use crate::settle::Derived;
use crate::state;
use crate::status::applied::{self, Judged};
use crate::status::proof::{Assignment, Expected, Proof, add_sizes, assignment, prove};
use crate::status::resume::{Resumption, resumption};
use crate::step::{Status, Step};
use crate::store::{Bundles, Known};

/// The state of a host: the applied bundle, and whether it is in sync.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Standpoint {
    /// The last applied bundle that is not reverted.
    pub(crate) applied: Option<AppliedBundle>,
    /// The judgement of that bundle on the node as it is now; `None` if it has no driver.
    #[serde(rename = "fit", skip_serializing_if = "Option::is_none")]
    pub(crate) judged: Option<Judged>,
    /// Derived state that is stale.
    pub(crate) stale: Vec<Derived>,
    /// Whether a change takes effect only after a reboot.
    pub(crate) reboot_pending: bool,
    /// Whether phase 1 is done and phase 2 waits for the reboot.
    #[serde(skip)]
    pub(crate) awaits_phase_2: bool,
    /// The number of earlier bundles that are still applied.
    pub(crate) earlier: usize,
    /// Paths that the last revert kept.
    pub(crate) kept: Vec<Kept>,
    /// The checks of the host. They name guests and devices, so only their result is compared, in
    /// [`Standpoint::state`].
    #[serde(skip)]
    pub(crate) proof: Proof,
    /// The devices of this node for mappings, and the commands that assign a vGPU to a guest.
    #[serde(skip)]
    pub(crate) used: Assignment,
    /// How an incomplete apply resumes.
    #[serde(skip)]
    pub(crate) resumption: Option<Resumption>,
    /// Large files that were not read again, because they are unchanged.
    #[serde(skip)]
    pub(crate) unread: Vec<HostPath>,
    /// The holder of the lock, if a run is going on.
    #[serde(skip)]
    pub(crate) run: Option<Holder>,
}

/// The depth of an inspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closely {
    /// Steps and host checks.
    Steps,
    /// Also every changed path.
    Paths,
    /// Also every large file, whatever its cached state.
    Bytes,
}

/// An applied bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct AppliedBundle {
    /// The digest of its signed root.
    pub(crate) digest: Digest,
    /// Its name, channel and sequence.
    pub(crate) bundle: Option<Known>,
    /// The DKMS state.
    pub(crate) state: TxState,
    pub(crate) steps: Vec<CheckedStep>,
    /// The paths that the steps changed directly, with their target state.
    pub(crate) changes: Vec<ChangedPath>,
    /// The current state of its packages.
    pub(crate) packages: Vec<PackageNow>,
    /// The current DKMS builds of its driver.
    pub(crate) modules: Vec<ModuleNow>,
    /// Components that were removed later. Their steps are not listed above.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) removed: BTreeSet<Component>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) going: BTreeSet<Component>,
    /// The objections of the judgement that the operator has overridden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) overridden: Vec<String>,
}

/// A step and its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct CheckedStep {
    pub(crate) summary: String,
    pub(crate) state: StepState,
}

/// The state of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StepState {
    InSync,
    /// The apply has not run it yet.
    Pending,
    Drifted,
}

/// A changed path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ChangedPath {
    pub(crate) path: HostPath,
    /// The target state.
    pub(crate) becomes: Becomes,
    /// The current state, if it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is: Option<Becomes>,
}

/// The target state of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Becomes {
    Node(Node),
    /// The original content with these parameters added; the rest of the file belongs to the
    /// node.
    WithWords(Vec<KernelWord>),
    Nothing,
}

/// The state of a host. `status`, `report` and their exit statuses share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum HostState {
    /// No bundle is applied.
    Nothing,
    /// Everything applied is as it was applied.
    InSync,
    /// Phase 1 is done, and phase 2 waits for the reboot.
    Pending,
    /// Something applied has drifted.
    Drifted,
    /// An apply, a removal or a revert was interrupted.
    Interrupted,
    /// Derived state could not be rebuilt, or the automatic resume has given up.
    Failed,
    /// A run is changing the host, or a command that it left.
    Running,
}

impl Standpoint {
    /// Summarizes the state of the host.
    #[must_use]
    pub(crate) fn state(&self) -> HostState {
        if self.run.is_some() {
            return HostState::Running;
        }
        let has_failed = !self.stale.is_empty() || self.resumption == Some(Resumption::GaveUp);
        let Some(applied) = &self.applied else {
            return if has_failed { HostState::Failed } else { HostState::Nothing };
        };
        if has_failed {
            HostState::Failed
        } else if self.awaits_phase_2 || self.resumption == Some(Resumption::AfterEnrollment) {
            HostState::Pending
        } else if applied.state != TxState::Applied || !applied.going.is_empty() {
            HostState::Interrupted
        } else if applied.steps.iter().all(|it| it.state == StepState::InSync)
            && self.is_proven()
            && self.objections().next().is_none()
        {
            HostState::InSync
        } else {
            HostState::Drifted
        }
    }

    /// Returns the reasons why the applied bundle no longer fits the node. The operator has not
    /// overridden them.
    pub(crate) fn objections(&self) -> impl Iterator<Item = &String> {
        let overridden = self.applied.as_ref().map_or(&[][..], |applied| &applied.overridden);
        let objections = self.judged.iter().flat_map(|judged| &judged.objections);
        objections.filter(move |objection| !overridden.contains(objection))
    }

    /// Checks whether no check failed. Before a pending reboot, none can.
    fn is_proven(&self) -> bool {
        self.reboot_pending || self.proof.holds()
    }
}

/// Inspects the host and its journal. Changes nothing.
pub(crate) fn inspect(
    host: &mut RealHost,
    log: &Log,
    closely: Closely,
) -> anyhow::Result<Standpoint> {
    let mut open = log.transactions()?;
    let kept = open.last().map(|tx| tx.kept.clone()).unwrap_or_default();
    open.retain(|tx| tx.state != TxState::Reverted);
    let stale = stale(host, log)?.into_iter().collect();
    let Some(last) = open.pop() else {
        return Ok(Standpoint { stale, kept, ..Standpoint::default() });
    };
    let entries = log.entries(last.id)?;
    let is_here = |entry: &&Entry| !last.is_removed(entry.component);
    let waits = entries.iter().filter(is_here).any(|entry| entry.change.awaits_boot());
    let reboot_pending = waits && *last.waits_since() == BootId::current(host)?;
    let plan = Plan::parse(&last.new.plan)?;
    host.cache_files(match closely {
        Closely::Steps | Closely::Paths => FileMemory::Use,
        Closely::Bytes => FileMemory::Renew,
    });
    host.cache_queries();
    let paths = if closely == Closely::Steps { &[][..] } else { &entries };
    let applied = Some(describe(host, &last, &plan, paths)?);
    let there = plan.steps().filter(|step| !last.is_removed(step.component()));
    let expected = Expected::of(there);
    let judged = match expected.driver {
        Some(_) => applied::judged(host, last.new.bundle)?,
        None => None,
    };
    let (mut proof, mut used) = (Proof::default(), Assignment::default());
    if last.state == TxState::Applied && last.going().next().is_none() {
        proof = prove(host, &expected)?;
        if let Some(driver) = &expected.driver {
            add_sizes(host, last.new.bundle, driver, &mut proof);
        }
        used = assignment(host, &proof.types)?;
    }
    let resumption = match last.state {
        TxState::Applying => Some(resumption(host, &last, &plan)?),
        _ => None,
    };
    let awaits_phase_2 = last.state == TxState::Applying
        && !plan.after_reboot.is_empty()
        && *last.waits_since() == BootId::current(host)?
        && all_in_sync(host, &plan.before_reboot)?;
    let (earlier, unread) = (open.len(), host.unread_files());
    // It only saves time, so a run that holds the lock or a full disk is no reason to fail.
    if let Ok(_lock) = host.lock(&state::lock()) {
        let _ = host.save_cached_files();
    }
    Ok(Standpoint {
        applied,
        judged,
        stale,
        reboot_pending,
        awaits_phase_2,
        earlier,
        kept,
        proof,
        used,
        resumption,
        unread,
        run: None,
    })
}

fn all_in_sync(look: &dyn Look, steps: &[Step]) -> anyhow::Result<bool> {
    for step in steps {
        if step.check(look)? != Status::Done {
            return Ok(false);
        }
    }
    Ok(true)
}

fn describe(
    look: &dyn Look,
    tx: &Transaction,
    plan: &Plan,
    entries: &[Entry],
) -> anyhow::Result<AppliedBundle> {
    let (mut steps, mut removed) = (Vec::new(), BTreeSet::new());
    for step in plan.steps() {
        // Components that were removed on purpose have not drifted.
        if tx.is_removed(step.component()) {
            removed.insert(step.component());
            continue;
        }
        let state = match (step.check(look)?, tx.state) {
            (Status::Done, _) => StepState::InSync,
            (_, TxState::Applying) => StepState::Pending,
            (_, _) => StepState::Drifted,
        };
        steps.push(CheckedStep { summary: step.summary(), state });
    }
    let is_here = |entry: &&Entry| !tx.is_removed(entry.component);
    // Of a path that was changed twice, only the last target state matters.
    let mut changes: BTreeMap<&HostPath, ChangedPath> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.by.is_none()).filter(is_here) {
        if let Change::Put { path, after, words, .. } = &entry.change {
            changes.insert(path, changed(look, path, after.as_ref(), words)?);
        }
    }
    let digest = tx.new.bundle;
    let bundle = Bundles::load(look).get(digest).cloned();
    let here = plan.steps().filter(|step| !tx.is_removed(step.component()));
    let here: Vec<&Step> = here.collect();
    Ok(AppliedBundle {
        digest,
        bundle,
        state: tx.state,
        steps,
        changes: changes.into_values().collect(),
        packages: packages(look, &here)?,
        modules: modules(look, &here)?,
        removed,
        going: tx.going().collect(),
        overridden: plan.overridden.clone(),
    })
}

fn changed(
    look: &dyn Look,
    path: &HostPath,
    after: Option<&Node>,
    words: &[KernelWord],
) -> Result<ChangedPath, HostError> {
    if after.is_some() && !words.is_empty() {
        let becomes = Becomes::WithWords(words.to_vec());
        return Ok(ChangedPath { path: path.clone(), becomes, is: None });
    }
    let of = |node: Option<&Node>| node.cloned().map_or(Becomes::Nothing, Becomes::Node);
    let now = look.node(path)?;
    let is = (now.as_ref() != after).then(|| of(now.as_ref()));
    Ok(ChangedPath { path: path.clone(), becomes: of(after), is })
}
