#![expect(clippy::disallowed_methods, reason = "tests look at the folder from outside")]

use camino::Utf8PathBuf;
use tempfile::TempDir;
use vgpu_manifest::HostPath;

use super::*;
use crate::host::{Command, Content, Kind, Meta, Mode, Node, Stat};
use crate::journal::{KeptThing, MemLog, Probe, Reversible, Scope, Why};
use crate::state::fixed;

const STAT: Stat = Stat { kind: Kind::File, size: 1, inode: 2, changed: 3 };

fn folder() -> (TempDir, Utf8PathBuf) {
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
    Change::Run(Reversible {
        command: Command::new("a", &["b"]).with_input("c".to_owned()),
        probe: Probe::Exists(fixed("/d")),
        recover: vec![Command::new("e", &[])],
        undo: Some(Command::new("f", &[])),
        scope: Scope { small: [fixed("/g")].into(), large: [fixed("/h")].into() },
    })
}

/// Use every method of a journal, and return all that it then says.
fn exercise(log: &mut dyn Log) -> String {
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

fn report(log: &dyn Log) -> String {
    let transactions = log.transactions().unwrap();
    let entries: Vec<_> = transactions.iter().map(|tx| log.entries(tx.id).unwrap()).collect();
    let seen = log.seen_before(EntryId(2)).unwrap();
    format!("{transactions:#?}{entries:#?}{seen:?}{:?}", log.dirty().unwrap())
}

#[test]
fn says_what_the_journal_in_memory_says_also_after_it_was_closed() {
    let (_dir, path) = folder();
    let mut log = SqliteLog::open(&path).unwrap();
    let said = exercise(&mut log);
    assert_eq!(said, exercise(&mut MemLog::default()));
    assert!(said.contains("Undoing") && said.contains("Depmod"), "{said}");
    drop(log);
    assert_eq!(report(&SqliteLog::open(&path).unwrap()), said);
}

#[test]
fn a_journal_of_the_first_version_is_taken_over() {
    let (_dir, path) = folder();
    let mut log = SqliteLog::open(&path).unwrap();
    exercise(&mut log);
    log.db
        .execute_batch(
            "ALTER TABLE tx DROP COLUMN removed; ALTER TABLE tx DROP COLUMN first_part;
             ALTER TABLE entry DROP COLUMN component;
             PRAGMA user_version = 1",
        )
        .unwrap();
    drop(log);
    for _ in 0..2 {
        let log = SqliteLog::open(&path).unwrap();
        let tx = log.transactions().unwrap().remove(0);
        assert!(tx.removed.is_empty() && tx.new == new_transaction());
        let entries = log.entries(tx.id).unwrap();
        assert!(entries.len() == 4 && entries.iter().all(|entry| entry.component.is_none()));
    }
}

#[test]
fn nobody_else_reads_or_writes_it_meanwhile() {
    let (_dir, path) = folder();
    let log = SqliteLog::open(&path).unwrap();
    let error = SqliteLog::open(&path).unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    drop(log);
    SqliteLog::open(&path).unwrap();
}

#[test]
fn a_database_that_could_lose_a_commit_is_refused() {
    let error = SqliteLog::open(Utf8Path::new(":memory:")).unwrap_err();
    assert!(matches!(error, LogError::Unsafe { pragma: "journal_mode", .. }), "{error}");
    assert!(error.to_string().contains("would not survive a power cut"), "{error}");
}

#[test]
fn a_database_of_somebody_else_or_of_later_is_refused() {
    let (_dir, path) = folder();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE mine (x)").unwrap();
    drop(other);
    let error = SqliteLog::open(&path).unwrap_err();
    assert!(matches!(error, LogError::Foreign(_)), "{error}");

    let (_dir, path) = folder();
    drop(SqliteLog::open(&path).unwrap());
    let later = Connection::open(&path).unwrap();
    later.pragma_update(None, "user_version", 3).unwrap();
    drop(later);
    let error = SqliteLog::open(&path).unwrap_err();
    assert!(error.to_string().contains("its version is 3"), "{error}");

    let (_dir, path) = folder();
    std::fs::write(&path, "This is no database, but it is long enough to be one.").unwrap();
    SqliteLog::open(&path).unwrap_err();
}

#[test]
fn a_text_that_this_program_did_not_write_is_an_error() {
    let (_dir, path) = folder();
    let mut log = SqliteLog::open(&path).unwrap();
    exercise(&mut log);
    log.db.execute("UPDATE entry SET change = replace(change, 'link', 'lynx')", []).unwrap();
    let error = log.entries(TxId(1)).unwrap_err();
    assert!(error.to_string().starts_with("the journal is damaged: "), "{error}");
}
