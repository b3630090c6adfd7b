use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vgpu_manifest::{Digest, HostPath, KernelWord};

use super::now::{ModuleNow, PackageNow, modules, packages};
use crate::cli::Target;
use crate::component::Component;
use crate::host::real::FileMemory;
use crate::host::{HostError, Look, Node};
use crate::journal::{Change, Entry, Kept, Transaction, TxState};
use crate::plan::Plan;
use crate::proof::{Expected, Proof, add_sizes, lines, prove};
use crate::resume::{GoesOn, who};
use crate::settle::Derived;
use crate::step::{Status, Step};
use crate::store::{Bundles, Known};

/// Where a host stands: what was made of it, and whether that still holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Standpoint {
    /// What was applied last and not taken back.
    pub applied: Option<AppliedBundle>,
    /// What is derived from changed files and has not been rebuilt.
    pub stale: Vec<Derived>,
    /// Whether something waits for a boot that has not been yet.
    pub reboot_pending: bool,
    /// How many bundles were applied before the last one, and not taken back either.
    pub earlier: usize,
    /// What the last revert left as it was.
    pub kept: Vec<Kept>,
    /// Whether what was applied works. It speaks of guests and devices, so it is compared only by
    /// what it comes to, in [`Standpoint::standing`].
    #[serde(skip)]
    pub proof: Proof,
    /// The commands that give a guest a vGPU of this very node.
    #[serde(skip)]
    pub lines: Vec<String>,
    /// Who goes on, if the apply has not come to its end.
    #[serde(skip)]
    pub goes_on: Option<GoesOn>,
    /// Large files that were not read, because they have not changed since they were.
    #[serde(skip)]
    pub unread: Vec<HostPath>,
}

/// How closely it is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closely {
    /// Whether the steps still hold, and whether it works.
    Steps,
    /// Also what each changed path is now.
    Paths,
    /// All of that, and files are read however large they are.
    Bytes,
}

/// A bundle that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AppliedBundle {
    /// The digest of its signed root.
    pub digest: Digest,
    /// What it said of itself.
    pub bundle: Option<Known>,
    /// How far it is.
    pub state: TxState,
    /// The steps of its plan.
    pub steps: Vec<CheckedStep>,
    /// The paths that the steps changed by themselves, with what they were to become.
    pub changes: Vec<ChangedPath>,
    /// The packages that it brought or wanted, as they are now.
    pub packages: Vec<PackageNow>,
    /// For which kernels DKMS has the driver's module, as it is now.
    pub modules: Vec<ModuleNow>,
    /// The components that were removed since, on purpose. None of their steps is among the above.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<Component>,
    /// The components whose removal was interrupted.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub going: BTreeSet<Component>,
}

/// A step, and whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CheckedStep {
    /// The step in a line.
    pub summary: String,
    /// Whether what it was for is true.
    pub holds: bool,
}

/// A path that was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangedPath {
    /// Which path.
    pub path: HostPath,
    /// What it was to become.
    pub becomes: Becomes,
    /// What it is, if that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is: Option<Becomes>,
}

/// What a path was to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Becomes {
    /// This.
    Node(Node),
    /// What it was, with these words added: all else in the file is the node's own.
    WithWords(Vec<KernelWord>),
    /// Nothing.
    Nothing,
}

/// Where a host stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Nothing is applied.
    Nothing,
    /// Everything that was applied holds.
    Holds,
    /// Something that was applied is not true any more.
    Drifted,
    /// An apply or a revert was interrupted, or something could not be rebuilt.
    Unfinished,
}

impl Standpoint {
    /// Where the host stands, in a word.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let Some(applied) = &self.applied else {
            return if self.stale.is_empty() { Standing::Nothing } else { Standing::Unfinished };
        };
        let interrupted = applied.state != TxState::Applied || !applied.going.is_empty();
        if interrupted || !self.stale.is_empty() {
            Standing::Unfinished
        } else if applied.steps.iter().all(|step| step.holds) && self.is_proven() {
            Standing::Holds
        } else {
            Standing::Drifted
        }
    }

    /// Whether nothing speaks against the installation. Before a reboot that it waits for, nothing
    /// can.
    fn is_proven(&self) -> bool {
        self.reboot_pending || self.proof.holds()
    }
}

/// Look at the host and its journal. Nothing is made that is not there.
pub fn look(target: Target, closely: Closely) -> anyhow::Result<Standpoint> {
    let Some(mut machine) = target.find_machine()? else { return Ok(Standpoint::default()) };
    let mut open = machine.transactions()?;
    let kept = open.last().map(|tx| tx.kept.clone()).unwrap_or_default();
    open.retain(|tx| tx.state != TxState::Reverted);
    let stale = machine.dirty()?;
    let Some(last) = open.pop() else {
        return Ok(Standpoint { stale, kept, ..Standpoint::default() });
    };
    let entries = machine.entries(last.id)?;
    let is_here = |entry: &&Entry| !entry.component.is_some_and(|one| last.is_removed(one));
    let waits = entries.iter().filter(is_here).any(|entry| entry.change.awaits_boot());
    let reboot_pending = waits && *last.waits_since() == machine.boot()?;
    let plan = Plan::parse(&last.new.plan)?;
    machine.host().cache_files(match closely {
        Closely::Steps | Closely::Paths => FileMemory::Use,
        Closely::Bytes => FileMemory::Renew,
    })?;
    machine.host().cache_queries();
    let host = machine.look();
    let paths = if closely == Closely::Steps { &[][..] } else { &entries };
    let applied = Some(describe(host, &last, &plan, paths)?);
    let (mut proof, mut commands) = (Proof::default(), Vec::new());
    if last.state == TxState::Applied && last.going().next().is_none() {
        let there = plan.steps().filter(|step| !last.is_removed(step.component()));
        let expected = Expected::of(there);
        proof = prove(host, &expected)?;
        if let Some(driver) = &expected.driver {
            add_sizes(host, last.new.bundle, driver, &mut proof);
        }
        commands = lines(host, &proof.types)?;
    }
    let goes_on = match last.state {
        TxState::Applying => Some(who(host, &last, &plan)?),
        _ => None,
    };
    let (earlier, unread) = (open.len(), machine.host().unread_files());
    // It only saves time: a full disk is no reason to fail.
    let _ = machine.host().save_cached_files();
    Ok(Standpoint {
        applied,
        stale,
        reboot_pending,
        earlier,
        kept,
        proof,
        lines: commands,
        goes_on,
        unread,
    })
}

fn describe(
    look: &dyn Look,
    tx: &Transaction,
    plan: &Plan,
    entries: &[Entry],
) -> anyhow::Result<AppliedBundle> {
    let (mut steps, mut removed) = (Vec::new(), BTreeSet::new());
    for step in plan.steps() {
        // What is not there because somebody wanted it so has not drifted.
        if tx.is_removed(step.component()) {
            removed.insert(step.component());
            continue;
        }
        let holds = step.check(look)? == Status::Done;
        steps.push(CheckedStep { summary: step.summary(), holds });
    }
    let is_here = |entry: &&Entry| !entry.component.is_some_and(|one| tx.is_removed(one));
    // Of a path that was changed twice, only what it became last is of interest.
    let mut changes: BTreeMap<&HostPath, ChangedPath> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.by.is_none()).filter(is_here) {
        if let Change::Put { path, after, words, .. } = &entry.change {
            changes.insert(path, changed(look, path, after.as_ref(), words)?);
        }
    }
    let digest = tx.new.bundle;
    let bundle = Bundles::load(look)?.get(digest).cloned();
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
