#![expect(clippy::disallowed_methods, reason = "tests look at the folder from outside")]

use camino::Utf8PathBuf;
use rusqlite::{params_from_iter, types::Value};
use tempfile::TempDir;
use vgpu_manifest::HostPath;

use super::*;
use crate::act::{Action, Change, Log, Probe, Reversible};
use crate::component::Component;
use crate::host::{Command, Content, Kind, Meta, Mode, Node, Stat};
use crate::journal::{KeptThing, Scope, Why};
use crate::state::fixed;

const STAT: Stat = Stat { kind: Kind::File, size: 1, inode: 2, changed: 3 };

pub(super) fn folder() -> (TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(dir.path().join("journal.db")).unwrap();
    (dir, path)
}

fn new_transaction() -> NewTransaction {
    let boot = BootId("boot".to_owned());
    NewTransaction { bundle: Digest::of(b"x"), plan: "{}".to_owned(), boot, began: 7 }
}

fn put(path: &HostPath) -> Change {
    Change::Put {
        path: path.clone(),
        named: Some(fixed("/named")),
        before: Some(Node::link("x")),
        after: Some(Node::File { content: Content::of(b"y"), meta: Meta::root(Mode::FILE) }),
        words: vec!["iommu=pt".parse().unwrap()],
    }
}

fn run() -> Change {
    Change::Act(Action::Run(Reversible {
        command: Command::new("a", &["b"]).with_input("c".to_owned()),
        probe: Probe::Exists(fixed("/d")),
        after: [Derived::Systemd].into(),
        settles: BTreeSet::new(),
        recover: vec![Command::new("e", &[])],
        undo: Some(Command::new("f", &[])),
        scope: Scope { small: [fixed("/g")].into(), large: [fixed("/h")].into() },
    }))
}

/// Calls every method of a journal, and returns all of its contents.
pub(super) fn exercise(log: &mut Log) -> String {
    let dirties = |d: Derived| BTreeSet::from([d]);
    let snapshot = Snapshot::default();
    let tx = log.begin(&new_transaction()).unwrap();
    let path = fixed("/etc/x");
    let new = NewEntry {
        change: &put(&path),
        before: None,
        dirties: &dirties(Derived::Grub),
        component: Component::Driver,
    };
    log.append(tx, &new).unwrap();
    let next = log.next_entry().unwrap();
    let new = NewEntry {
        change: &run(),
        before: Some(&snapshot),
        dirties: &BTreeSet::new(),
        component: Component::Packages,
    };
    let id = log.append(tx, &new).unwrap();
    assert_eq!(id, next);
    log.advance(id, RunState::Started, &[], &BTreeSet::new()).unwrap();
    let kernel = "6.8.12-4-pve".parse().unwrap();
    let traces =
        [put(&fixed("/etc/y")), Change::Lost { path: fixed("/etc/z"), before: STAT, after: None }];
    log.advance(id, RunState::Exited, &traces, &dirties(Derived::Depmod(kernel))).unwrap();
    log.snapshot(id, RunState::Undoing, &snapshot).unwrap();
    log.set_first_part(tx, &BootId("later".to_owned())).unwrap();
    log.set_state(tx, TxState::Applied).unwrap();
    let kept = [Kept { what: KeptThing::Path(path.clone()), why: Why::NotEmpty }];
    log.set_removal(&[tx], &[Component::Unlock].into(), &Removing::Begun, &kept).unwrap();
    let done = Removing::Done { left: [fixed("/etc/left")].into() };
    log.set_removal(&[tx], &[Component::Packages, Component::Driver].into(), &done, &[]).unwrap();
    log.mark(&dirties(Derived::Systemd)).unwrap();
    log.settled(&Derived::Grub).unwrap();
    log.close(tx, &[Kept { what: KeptThing::Path(path.clone()), why: Why::Changed }]).unwrap();
    let other = log.begin(&new_transaction()).unwrap();
    let new = NewEntry {
        change: &put(&path),
        before: None,
        dirties: &BTreeSet::new(),
        component: Component::Packages,
    };
    log.append(other, &new).unwrap();
    report(log)
}

fn report(log: &Log) -> String {
    let transactions = log.transactions().unwrap();
    let entries: Vec<_> = transactions.iter().map(|tx| log.entries(tx.id).unwrap()).collect();
    let seen = log.seen_before(EntryId(2)).unwrap();
    format!("{transactions:#?}{entries:#?}{seen:?}{:?}", log.dirty().unwrap())
}

#[test]
fn says_what_the_journal_in_memory_says_also_after_it_was_closed() {
    let (_dir, path) = folder();
    let mut log = Log::open(&path).unwrap();
    let report_text = exercise(&mut log);
    assert_eq!(report_text, exercise(&mut Log::in_memory().unwrap()));
    assert!(report_text.contains("Undoing") && report_text.contains("Depmod"), "{report_text}");
    drop(log);
    assert_eq!(report(&Log::open(&path).unwrap()), report_text);
}

#[test]
fn no_other_process_reads_or_writes_it_meanwhile() {
    let (_dir, path) = folder();
    let log = Log::open(&path).unwrap();
    let error = Log::open(&path).unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    drop(log);
    Log::open(&path).unwrap();
}

#[test]
fn a_database_that_could_lose_a_commit_is_refused() {
    let error = Log::open(Utf8Path::new(":memory:")).unwrap_err();
    assert!(matches!(error, LogError::Unsafe { pragma: "journal_mode", .. }), "{error}");
    assert!(error.to_string().contains("would not survive a power cut"), "{error}");
}

#[test]
fn a_database_of_another_program_or_version_is_refused() {
    let (_dir, path) = folder();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE mine (x)").unwrap();
    drop(other);
    let error = Log::open(&path).unwrap_err();
    assert!(matches!(error, LogError::Foreign(_)), "{error}");

    for version in [1, 2, 3, 5] {
        let (_dir, path) = folder();
        drop(Log::open(&path).unwrap());
        let other = Connection::open(&path).unwrap();
        other.pragma_update(None, "user_version", version).unwrap();
        drop(other);
        let error = Log::open(&path).unwrap_err();
        assert!(error.to_string().contains(&format!("it has version {version}")), "{error}");
    }

    let (_dir, path) = folder();
    std::fs::write(&path, "This is no database, but it is long enough to be one.").unwrap();
    Log::open(&path).unwrap_err();
}

#[test]
fn a_text_that_this_program_did_not_write_is_an_error() {
    let (_dir, path) = folder();
    let mut log = Log::open(&path).unwrap();
    exercise(&mut log);
    log.db.execute("UPDATE entry SET change = replace(change, 'link', 'lynx')", []).unwrap();
    let error = log.entries(TxId(1)).unwrap_err();
    assert!(error.to_string().starts_with("the journal is damaged: "), "{error}");
}

/// Returns a copy of an in-memory journal, as of the last commit.
impl<A: Acts> Clone for super::Log<A> {
    fn clone(&self) -> Self {
        let copy = Self { fuse: self.fuse.clone(), ..Self::in_memory().unwrap() };
        for table in ["tx", "entry", "dirty"] {
            let mut select = self.db.prepare(&format!("SELECT * FROM {table}")).unwrap();
            let marks = vec!["?"; select.column_count()].join(", ");
            let insert = format!("INSERT INTO {table} VALUES ({marks})");
            let mut insert = copy.db.prepare(&insert).unwrap();
            let mut rows = select.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values =
                    (0..row.as_ref().column_count()).map(|i| row.get::<_, Value>(i).unwrap());
                insert.execute(params_from_iter(values)).unwrap();
            }
        }
        copy
    }
}

#[test]
fn a_text_that_was_changed_is_found_before_it_is_used() {
    for change in [
        "UPDATE tx SET bundle = replace(bundle, '2', '3')",
        "UPDATE entry SET change = replace(change, '/etc/x', '/etc/z')",
        "UPDATE entry SET seal = NULL WHERE id = 1",
        "UPDATE entry SET id = 99 WHERE id = (SELECT max(id) FROM entry)",
    ] {
        let (_dir, path) = folder();
        exercise(&mut Log::open(&path).unwrap());
        Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let error = Log::open(&path).unwrap_err();
        assert!(error.is_damage() && error.to_string().contains("row "), "{change}: {error}");
    }
}

#[test]
fn the_copy_alone_is_sufficient() {
    let (dir, path) = folder();
    let copy = Utf8PathBuf::from_path_buf(dir.path().join("copy.db")).unwrap();
    let mut log = Log::open(&path).unwrap();
    log.copy_to(&copy).unwrap();
    let report_text = exercise(&mut log);
    log.give_up(&fixed("/etc/x")).unwrap();
    drop(log);
    std::fs::remove_file(&path).unwrap();
    assert!(Log::open(&copy).unwrap_err().is_damage(), "it is not taken for the journal");

    let mut log = Log::open(&path).unwrap();
    log.restore(&copy).unwrap();
    assert_eq!(report(&log), report_text);
    assert!(log.given_up().unwrap().contains_key(&fixed("/etc/x")));
    let next = log.next_entry().unwrap();
    log.copy_to(&copy).unwrap();
    let tx = log.begin(&new_transaction()).unwrap();
    drop(log);
    let log = Log::open(&path).unwrap();
    assert_eq!(
        (log.next_entry().unwrap(), log.transactions().unwrap().pop().unwrap().id),
        (next, tx)
    );
}

#[test]
fn of_journal_and_copy_the_later_one_is_right() {
    let (dir, path) = folder();
    let [copy, old] =
        ["copy.db", "old.db"].map(|it| Utf8PathBuf::from_path_buf(dir.path().join(it)).unwrap());
    let mut log = Log::open(&path).unwrap();
    log.copy_to(&copy).unwrap();
    log.begin(&new_transaction()).unwrap();
    drop(log);
    std::fs::copy(&path, &old).unwrap();
    // A copy that is behind is brought up to date.
    let mut log = Log::open(&path).unwrap();
    log.set_state(TxId(1), TxState::Applied).unwrap();
    log.copy_to(&copy).unwrap();
    drop(log);
    let mut other = Log::in_memory().unwrap();
    other.restore(&copy).unwrap();
    assert_eq!(other.transactions().unwrap()[0].state, TxState::Applied);
    // A journal that is behind has lost commits.
    std::fs::copy(&old, &path).unwrap();
    let error = Log::open(&path).unwrap().copy_to(&copy).unwrap_err();
    assert!(matches!(error, CopyError::JournalBehind(1)), "{error}");
}
