//! Finding damage.

use std::collections::BTreeSet;

use vgpu_manifest::limits::MAX_MANIFEST;
use vgpu_manifest::{HostPath, ItemId};

use super::evidence::{Evidence, evidence};
use super::finding::{Finding, Heal, Part, Weight};
use crate::act::Log;
use crate::host::{Content, HostError, Kind, Look, Node, OwnPath};
use crate::journal::{Depth, LostCopy, TxState, lost_copies};
use crate::state;
use crate::store::Bundles;
use crate::trust::{self, FloorError, Floors, StoredFloors, TrustError};

/// The journal, as found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Journal<'l> {
    /// Nothing was ever applied.
    None,
    /// Open and intact.
    Open(&'l Log),
    /// Unusable, for this reason.
    Damaged(&'l str),
}

/// The records in the state folder that only save work or inform people, and their use.
const RECORDS: [(&str, &str); 4] = [
    ("guard.json", "the kernel that this program pinned"),
    ("resume.json", "the number of attempts to resume"),
    ("driver.json", "the installed driver"),
    ("seen.json", "the digests of large files"),
];

/// Returns the damage to the installer's own state, the most severe first.
pub(crate) fn examine(
    look: &dyn Look,
    journal: Journal<'_>,
    depth: Depth,
) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Findings::default();
    findings.add_all(kinds(look)?);
    if let Journal::Damaged(defect) = journal {
        findings.add(lost_journal(look, defect)?);
    }
    findings.add_all(floors(look));
    findings.add_all(bundles(look));
    findings.add_all(records(look));
    findings.add_all(policy(look));
    if let Journal::Open(log) = journal {
        findings.add_all(copies(look, log, depth)?);
        if depth == Depth::Bytes {
            findings.add_all(needed_items(look, log)?);
        }
    }
    if depth == Depth::Bytes {
        findings.add_all(items(look)?);
    }
    findings.add_all(owners(look)?);
    findings.all.sort_by_key(|it| it.weight == Weight::Harmless);
    Ok(findings.all)
}

/// Returns the number of names in the state folders that are not UTF-8. They are ignored.
pub(crate) fn odd_names(look: &dyn Look) -> usize {
    let folders = [state::dir(), state::store(), state::undo()];
    folders.iter().map(|dir| look.list_own(dir).unwrap_or_default().1).sum()
}

/// The findings, at most one of each path.
#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    paths: BTreeSet<HostPath>,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        if self.paths.insert(finding.path.clone()) {
            self.all.push(finding);
        }
    }

    fn add_all(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.add(finding));
    }
}

fn is_kind(look: &dyn Look, path: &HostPath, kind: Kind) -> Result<bool, HostError> {
    // A folder may be a link to a larger disk.
    let may_be_link = kind == Kind::Dir;
    let fits = |is| is == kind || (is == Kind::Link && may_be_link);
    Ok(look.stat(path)?.is_none_or(|stat| fits(stat.kind)))
}

/// Folders that are none, and files that are none: nothing can be read from or written to them.
fn kinds(look: &dyn Look) -> Result<Vec<Finding>, HostError> {
    let mut findings = Vec::new();
    let mut check = |part, path: OwnPath, kind, weight| -> Result<(), HostError> {
        if !is_kind(look, &path, kind)? {
            let defect = if kind == Kind::Dir { "not a folder" } else { "not a regular file" };
            let finding = Finding::harmless(part, path.clone(), defect);
            findings.push(Finding { weight, ..finding }.healed_by(Heal::SetAside(path)));
        }
        Ok(())
    };
    for dir in [state::dir(), state::store(), state::undo()] {
        check(Part::Folder, dir, Kind::Dir, Weight::Harmful)?;
    }
    check(Part::Folder, state::log_dir(), Kind::Dir, Weight::Harmless)?;
    check(Part::Log, state::log_file(), Kind::File, Weight::Harmless)?;
    check(Part::Lock, state::lock(), Kind::File, Weight::Harmful)?;
    // The journal itself is reported with its copy.
    let copy = state::journal_copy();
    let [log, rollback] = state::sidecars(&copy);
    for path in [copy, log, rollback] {
        check(Part::Journal, path, Kind::File, Weight::Harmless)?;
    }
    check(Part::Log, state::commands_log(), Kind::File, Weight::Harmful)?;
    check(Part::Record, state::initramfs_due(), Kind::File, Weight::Harmful)?;
    for name in look.list_own(&state::dir()).unwrap_or_default().0 {
        if Bundles::digest_of(&name).is_some() {
            check(Part::Manifest, state::dir().join(&name), Kind::File, Weight::Harmless)?;
        }
    }
    for name in
        ["trust.log", "report-key", "report-key.pub"].into_iter().chain(RECORDS.map(|it| it.0))
    {
        check(Part::Record, state::dir().join(name), Kind::File, Weight::Harmless)?;
    }
    for dir in [state::store(), state::undo()] {
        let part = if dir == state::store() { Part::ItemStore } else { Part::UndoStore };
        for name in look.list_own(&dir).unwrap_or_default().0 {
            // Other names are not the installer's.
            if name.trim_end_matches(".partial").parse::<ItemId>().is_ok() {
                check(part, dir.join(&name), Kind::File, Weight::Harmful)?;
            }
        }
    }
    Ok(findings)
}

fn lost_journal(look: &dyn Look, defect: &str) -> Result<Finding, HostError> {
    let finding = Finding::harmful(Part::Journal, state::journal(), defect);
    let copy = look.stat(&state::journal_copy())?;
    if copy.is_some_and(|stat| stat.kind == Kind::File && stat.size > 0) {
        // Whether it is intact, healing finds out; giving up is refused while it is.
        return Ok(finding.healed_by(Heal::Journal).or_given_up(lost_with_journal(look)?));
    }
    Ok(finding.or_given_up(lost_with_journal(look)?))
}

/// Returns everything that is lost with the journal.
fn lost_with_journal(look: &dyn Look) -> Result<Vec<String>, HostError> {
    let mut lost = vec![
        "the record of everything that was changed, so that nothing of it can be reverted"
            .to_owned(),
    ];
    let known = evidence(look)?.into_iter().filter(|it| *it != Evidence::JournalCopy);
    lost.extend(known.map(|it| format!("kept as it is: {it}")));
    Ok(lost)
}

fn floors(look: &dyn Look) -> Vec<Finding> {
    let both = StoredFloors::both(look);
    match Floors::load(look) {
        Err(FloorError::Damaged { path, why }) => {
            let lost = "the floors: a bundle that is older than a confirmed one is accepted, \
                        unless the journal or `trust set-floor` says otherwise";
            vec![
                Finding::harmful(Part::Floors, path, format!("damaged, and so is its copy: {why}"))
                    .or_given_up(vec![lost.to_owned()]),
            ]
        }
        Err(_) => Vec::new(),
        Ok(floors) => {
            let [one, other] =
                both.each_ref().map(|it| it.content.as_ref().ok().cloned().flatten());
            if one == other && both.iter().all(|it| it.content.is_ok()) {
                return Vec::new();
            }
            let is_bad = |it: &&StoredFloors| it.content != Ok(Some(floors.clone()));
            let bad = both.iter().find(is_bad).unwrap_or(&both[0]);
            let defect = match &bad.content {
                Err(why) => format!("damaged: {why}"),
                Ok(None) => "missing, while its copy exists".to_owned(),
                Ok(Some(_)) => "not equal to its copy".to_owned(),
            };
            vec![Finding::harmless(Part::Floors, bad.path.clone(), defect).healed_by(Heal::Floors)]
        }
    }
}

fn bundles(look: &dyn Look) -> Vec<Finding> {
    let mut findings = Vec::new();
    let list = Bundles::read(look);
    let has_manifests = look
        .list_own(&state::dir())
        .unwrap_or_default()
        .0
        .iter()
        .any(|it| Bundles::digest_of(it).is_some());
    let defect = match &list {
        Err(why) => Some(format!("damaged: {why}")),
        Ok(None) if has_manifests => Some("missing".to_owned()),
        Ok(_) => None,
    };
    if let Some(defect) = defect {
        findings.push(
            Finding::harmless(Part::Bundles, Bundles::path(), defect).healed_by(Heal::Bundles),
        );
    }
    for name in look.list_own(&state::dir()).unwrap_or_default().0 {
        let Some(digest) = Bundles::digest_of(&name) else { continue };
        let path = state::dir().join(&name);
        let why = match look.read_up_to(&path, MAX_MANIFEST) {
            Err(error) => error.to_string(),
            Ok(_) => match Bundles::manifest(look, digest) {
                Err(error) => error.to_string(),
                Ok(_) => continue,
            },
        };
        let loss = "the list of this bundle's items: `store gc` no longer keeps them".to_owned();
        findings.push(
            Finding::harmful(Part::Manifest, path, format!("damaged: {why}"))
                .or("vgpu-installer store add BUNDLE")
                .or_given_up(vec![loss]),
        );
    }
    findings
}

fn records(look: &dyn Look) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, of) in RECORDS {
        let path = state::dir().join(name);
        let is_there = look.stat(&path).is_ok_and(|stat| stat.is_some());
        if is_there && state::recall::<serde_json::Value>(look, &path).is_none() {
            let defect = format!("damaged; the record of {of} counts as empty");
            findings.push(
                Finding::harmless(Part::Record, path.clone(), defect)
                    .healed_by(Heal::SetAside(path)),
            );
        }
    }
    findings
}

fn policy(look: &dyn Look) -> Vec<Finding> {
    let path = state::trust().join("policy.toml");
    let Err(error) = trust::load(look) else { return Vec::new() };
    let mut finding = Finding::harmful(Part::Trust, path.clone(), &error);
    if matches!(error, TrustError::Unsafe { .. }) {
        let path = path.as_path();
        finding = finding.or(format!("chown root:root {path} && chmod 0644 {path}"));
    }
    let lost = "the trusted keys, thresholds, channels and revocations: trust the keys again, and \
                revoke again what was revoked";
    vec![finding.or_given_up(vec![lost.to_owned()])]
}

/// Returns the copies that a revert needs and does not have.
fn lost(look: &dyn Look, log: &Log, depth: Depth) -> anyhow::Result<Vec<LostCopy>> {
    let mut entries = Vec::new();
    for tx in log.transactions()? {
        if tx.state != TxState::Reverted {
            entries
                .extend(log.entries(tx.id)?.into_iter().filter(|it| !tx.is_removed(it.component)));
        }
    }
    Ok(lost_copies(look, &entries, &log.given_up()?, depth)?)
}

fn copies(look: &dyn Look, log: &Log, depth: Depth) -> anyhow::Result<Vec<Finding>> {
    let bundles = Bundles::load(look);
    let mut findings = Vec::new();
    for it in lost(look, log, depth)? {
        let Some(content) = it.original.content() else { continue };
        let defect = format!("cannot be restored: its copy {} is {}", it.copy, it.defect.word());
        let mut finding = Finding::harmful(Part::UndoStore, it.path, defect);
        if bundles.manifests(look).any(|it| it.items.iter().any(|item| item.id() == content.id)) {
            finding = finding.or("vgpu-installer store add BUNDLE");
        }
        findings.push(finding.or_given_up(vec![describe(&it.original, content)]));
    }
    Ok(findings)
}

fn describe(node: &Node, content: Content) -> String {
    let meta = match node {
        Node::File { meta, .. } => format!("mode {}, owner {}:{}, ", meta.mode, meta.uid, meta.gid),
        _ => String::new(),
    };
    format!("the previous file: {meta}{} bytes, {}", content.size, content.id)
}

/// Items that an interrupted apply may still need.
fn needed_items(look: &dyn Look, log: &Log) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for tx in log.transactions()?.iter().filter(|tx| tx.state == TxState::Applying) {
        // A damaged manifest has its own finding.
        let Ok(Some(manifest)) = Bundles::manifest(look, tx.new.bundle) else { continue };
        for item in &manifest.items {
            let path = state::stored(item.id());
            if look.stat(&path)?.is_none() {
                let defect = "missing; the interrupted apply may need it";
                findings.push(
                    Finding::harmless(Part::ItemStore, path, defect)
                        .or("vgpu-installer store add BUNDLE")
                        .or("vgpu-installer revert"),
                );
            }
        }
    }
    Ok(findings)
}

/// Items whose content is another one.
fn items(look: &dyn Look) -> Result<Vec<Finding>, HostError> {
    let mut findings = Vec::new();
    for name in look.list_own(&state::store()).unwrap_or_default().0 {
        let Ok(id) = name.parse::<ItemId>() else { continue };
        let path = state::stored(id);
        let content = look.node(&path)?.as_ref().and_then(Node::content);
        if content.is_some_and(|content| content.id != id) {
            findings.push(
                Finding::harmful(
                    Part::ItemStore,
                    path.clone(),
                    "damaged: its digest does not match",
                )
                .healed_by(Heal::Remove(path))
                .or("vgpu-installer store add BUNDLE"),
            );
        }
    }
    Ok(findings)
}

/// Files that another user could have changed.
fn owners(look: &dyn Look) -> Result<Vec<Finding>, HostError> {
    let dir = state::dir();
    let names = look.list_own(&dir).unwrap_or_default().0;
    let paths = names.iter().filter(|name| !state::is_aside(name)).map(|name| dir.join(name));
    let mut findings = Vec::new();
    for path in [dir.clone()].into_iter().chain(paths) {
        let uid = match look.node(&path)? {
            Some(Node::File { meta, .. } | Node::Dir { meta }) => meta.uid,
            _ => continue,
        };
        if uid != 0 {
            let defect = format!("owned by user {uid}, who can change it; check it first");
            let command = format!("chown root:root {}", path.as_path());
            findings.push(Finding::harmless(Part::Folder, path, defect).or(command));
        }
    }
    Ok(findings)
}
