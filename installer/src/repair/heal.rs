//! Repairing damage.

use vgpu_manifest::{Digest, HostPath};

use super::evidence::{evidence, paths};
use super::finding::{Finding, Heal, Part};
use crate::act::Log;
use crate::host::{Look as _, OwnPath, OwnState, RealHost};
use crate::journal::{BootId, Kept, KeptThing, LogError, NewTransaction, Why};
use crate::plan::Plan;
use crate::state;
use crate::store::Bundles;
use crate::trust::{self, Floors, StoredFloors};

/// Applies a fix that loses nothing. The caller holds the lock, and the journal is closed.
pub(crate) fn heal(host: &mut RealHost, heal: &Heal) -> anyhow::Result<()> {
    match heal {
        Heal::Journal => restore_journal(host)?,
        Heal::Floors => Floors::load(host)?.save(&mut OwnState::of(host))?,
        Heal::Bundles => Bundles::load(host).save(&mut OwnState::of(host))?,
        Heal::Remove(path) => OwnState::of(host).remove(path)?,
        Heal::SetAside(path) => drop(OwnState::of(host).set_aside(path)?),
    }
    Ok(())
}

/// Replaces the journal by the content of its copy. The damaged one is set aside.
fn restore_journal(host: &mut RealHost) -> anyhow::Result<()> {
    let copy = host.locate(&state::journal_copy())?;
    // A damaged copy is found here, before anything changes: an empty journal would look like that of
    // a host on which nothing was applied.
    Log::in_memory()?.restore(&copy)?;
    set_journal_aside(host, &state::journal())?;
    open_new(host)?.restore(&copy)?;
    Ok(())
}

fn open_new(host: &RealHost) -> anyhow::Result<Log> {
    let log = Log::open(&host.locate(&state::journal())?)?;
    host.sync_dir(&state::dir())?;
    Ok(log)
}

/// Renames a database and the files next to it.
fn set_journal_aside(host: &mut RealHost, database: &OwnPath) -> anyhow::Result<()> {
    let [log, rollback] = state::sidecars(database);
    for path in [log, rollback, database.clone()] {
        if host.stat(&path)?.is_some() {
            OwnState::of(host).set_aside(&path)?;
        }
    }
    Ok(())
}

/// Gives up this finding, and returns a line for each consequence. The caller holds the lock.
pub(crate) fn give_up(
    host: &mut RealHost,
    finding: &Finding,
    log: Option<&mut Log>,
) -> anyhow::Result<Vec<String>> {
    match finding.part {
        Part::Journal => give_up_journal(host),
        Part::Floors => give_up_floors(host, log.as_deref()),
        Part::UndoStore => give_up_path(&finding.path, log),
        _ => set_aside(host, &finding.path),
    }
}

/// Starts a new journal, whose first transaction lists everything that stays.
fn give_up_journal(host: &mut RealHost) -> anyhow::Result<Vec<String>> {
    let mut lines: Vec<_> = evidence(host)?.iter().map(|it| format!("kept: {it}")).collect();
    let thing = |path| Kept { what: KeptThing::Path(path), why: Why::JournalLost };
    let kept: Vec<_> = paths(host)?.into_iter().map(thing).collect();
    for database in [state::journal(), state::journal_copy()] {
        set_journal_aside(host, &database)?;
    }
    let boot = BootId::current(host)?;
    let mut log = open_new(host)?;
    let plan = Plan::new(Vec::new(), Vec::new()).to_text();
    let new = NewTransaction { bundle: Digest::of(b""), plan, boot, began: 0 };
    let tx = log.begin(&new)?;
    log.close(tx, &kept)?;
    lines.push("a new journal was started; `vgpu-installer status` lists what was kept".to_owned());
    Ok(lines)
}

/// Sets the floors to the bundles that the journal knows, and never below.
fn give_up_floors(host: &mut RealHost, log: Option<&Log>) -> anyhow::Result<Vec<String>> {
    let bundles = Bundles::load(host);
    let mut floors = Floors::default();
    let applied = log.map(Log::transactions).transpose()?.unwrap_or_default();
    for known in applied.iter().filter_map(|tx| bundles.get(tx.new.bundle)) {
        let floor = floors.get(&known.channel).map_or(0, |floor| floor.sequence);
        floors.set(&known.channel, floor.max(known.sequence));
    }
    let mut lines = Vec::new();
    for (channel, floor) in floors.iter() {
        let sequence = floor.sequence;
        lines.push(format!(
            "{channel} is accepted from sequence {sequence}, which was applied here"
        ));
    }
    if lines.is_empty() {
        lines.push("every sequence of every channel is accepted".to_owned());
    }
    lines.push("raise a floor with `vgpu-installer trust set-floor CHANNEL SEQUENCE`".to_owned());
    let mut own = OwnState::of(host);
    trust::record(&mut own, &format!("gave up damaged floors: {}", lines[0]))?;
    for StoredFloors { path, .. } in StoredFloors::both(own.look()) {
        if own.look().stat(&path)?.is_some() {
            own.set_aside(&path)?;
        }
    }
    floors.save(&mut own)?;
    Ok(lines)
}

fn give_up_path(path: &HostPath, log: Option<&mut Log>) -> anyhow::Result<Vec<String>> {
    let log = log.ok_or_else(|| LogError::Damaged("repair it first".to_owned()))?;
    log.give_up(path)?;
    Ok(vec![format!("{path} stays as it is; a revert lists it as kept")])
}

fn set_aside(host: &mut RealHost, path: &HostPath) -> anyhow::Result<Vec<String>> {
    let Some(own) = OwnPath::of(path) else { return Ok(Vec::new()) };
    let aside = OwnState::of(host).set_aside(&own)?;
    Ok(vec![format!("{path} is now {aside}")])
}
