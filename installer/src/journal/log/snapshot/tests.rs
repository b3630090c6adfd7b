#![expect(clippy::disallowed_methods, reason = "tests look at the folder from outside")]

use camino::Utf8PathBuf;

use super::super::tests::{exercise, folder};
use super::*;
use crate::act::Log;
use crate::host::{Exec, OwnState, RealHost};

fn host(dir: &tempfile::TempDir) -> RealHost {
    let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
    let mut host = RealHost::open(&root, Exec::Record).unwrap();
    OwnState::of(&mut host).prepare().unwrap();
    host
}

fn contents(log: &Log) -> String {
    let entries = |tx: &crate::act::Transaction| log.entries(tx.id).unwrap();
    let txs = log.transactions().unwrap();
    let entries: Vec<_> = txs.iter().map(entries).collect();
    format!("{txs:?} {entries:?} {:?}", log.dirty().unwrap())
}

#[test]
fn an_open_journal_is_read_as_of_its_last_commit_and_a_closed_one_too() {
    let (dir, _) = folder();
    let host = host(&dir);
    assert!(Log::read(&host).unwrap().is_none());
    let mut log = Log::open(&host.locate(&state::journal()).unwrap()).unwrap();
    assert_eq!(contents(&Log::read(&host).unwrap().unwrap()), contents(&log));
    // So many changes that SQLite restarts its log several times.
    for round in 0..100 {
        exercise(&mut log);
        let read = Log::read(&host).unwrap().unwrap();
        if round % 10 == 0 {
            assert_eq!(contents(&read), contents(&log));
        }
    }
    let last = contents(&log);
    drop(log);
    assert!(host.stat(&state::sidecars(&state::journal())[0]).unwrap().is_none());
    assert_eq!(contents(&Log::read(&host).unwrap().unwrap()), last);
}

#[test]
fn every_cut_of_the_log_gives_what_sqlite_recovers() {
    let (dir, _) = folder();
    let host = host(&dir);
    let mut log = Log::open(&host.locate(&state::journal()).unwrap()).unwrap();
    exercise(&mut log);
    let [database, wal] = [state::journal(), state::sidecars(&state::journal())[0].clone()]
        .map(|path| std::fs::read(host.locate(&path).unwrap()).unwrap());
    let page = word(&wal, 8) as usize;
    let cuts = (0..wal.len()).step_by(page / 4 + 1).chain([wal.len()]);
    for cut in cuts {
        let (_copy, path) = folder();
        std::fs::write(&path, &database).unwrap();
        std::fs::write(path.with_extension("db-wal"), &wal[..cut]).unwrap();
        let mut read = database.clone();
        apply(&mut read, &wal[..cut]);
        let read = Log::of_bytes(&without_wal(read)).unwrap();
        assert_eq!(contents(&read), contents(&Log::open(&path).unwrap()), "cut at {cut}");
    }
    // A flipped byte ends the log, as a cut does.
    let mut flipped = wal.clone();
    flipped[WAL_HEADER + FRAME_HEADER + 7] ^= 1;
    let mut read = database.clone();
    apply(&mut read, &flipped);
    assert_eq!(read, database);
}
