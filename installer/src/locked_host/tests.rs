#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests look at the folder from outside, and run themselves under strace"
)]

use std::path::Path;
use std::process::Command as Process;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;
use vgpu_manifest::Digest;
use vgpu_manifest::platform::BootLoader;

use super::*;
use crate::host::real::Holder;
use crate::host::{Content, Exec, Mode};
use crate::journal::TxId;
use crate::plan::Reboot;
use crate::state::fixed;
use crate::step::{KernelCommandLine, PlaceFile, PlaceItem, Step};

fn root() -> (TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
    for (path, text) in [
        ("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
        ("etc/kernel/cmdline", "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n"),
        ("etc/target.conf", "what was there before\n"),
    ] {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), text).unwrap();
    }
    (dir, root)
}

fn open(root: &Utf8Path) -> LockedHost {
    LockedHost::make(RealHost::open(root, Exec::Record).unwrap()).unwrap()
}

const ITEM: &str = "an item of the bundle\n";

fn plan(locked: &mut LockedHost) -> (Origin, Plan) {
    let content = Content::of(ITEM.as_bytes());
    let stored = locked.host.locate(&state::stored(content.id)).unwrap();
    std::fs::write(stored, ITEM).unwrap();
    let text = "what comes after\n".to_owned();
    let steps = vec![
        Step::PlaceFile(PlaceFile {
            path: fixed("/etc/target.conf"),
            mode: Mode::FILE,
            text,
            component: Component::Shared,
        }),
        Step::PlaceItem(PlaceItem {
            item: "an/item".parse().unwrap(),
            content,
            path: fixed("/usr/share/new/item"),
            mode: Mode::FILE,
            component: Component::Shared,
        }),
        Step::KernelCommandLine(KernelCommandLine {
            words: vec!["iommu=pt".parse().unwrap()],
            loaders: vec![BootLoader::Grub, BootLoader::SystemdBoot],
        }),
    ];
    let origin = Origin { bundle: Digest::of(b"x"), boot: locked.boot().unwrap() };
    (origin, Plan::new(steps, Vec::new()))
}

/// Returns all paths and contents of a folder, without the installer's own state.
fn tree(root: &Utf8Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut tree = Vec::new();
    let mut todo = vec![root.as_std_path().to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with("var") {
                continue;
            }
            let is_dir = path.is_dir();
            tree.push((
                path.display().to_string(),
                (!is_dir).then(|| std::fs::read(&path).unwrap()),
            ));
            todo.extend(is_dir.then_some(path));
        }
    }
    tree.sort();
    tree
}

#[test]
fn a_folder_is_prepared_in_one_run_and_taken_back_in_another() {
    let (_dir, root) = root();
    let before = tree(&root);
    assert!(LockedHost::find(RealHost::open(&root, Exec::Record).unwrap()).unwrap().is_none());
    let mut locked = open(&root);
    let (origin, plan) = plan(&mut locked);
    let applied = locked.apply(&origin, &plan, Phase::Second, &mut |_| {}).unwrap();
    assert_eq!(applied, Applied { tx: Some(TxId(1)), reboot: Reboot::Needed });
    assert!(matches!(
        LockedHost::make(RealHost::open(&root, Exec::Record).unwrap()),
        Err(LockedHostError::Lock(LockError::Held(Holder::Run(Some(_)))))
    ));
    assert_eq!(std::fs::read_to_string(root.join("usr/share/new/item")).unwrap(), ITEM);
    drop(locked);

    let mut locked =
        LockedHost::find(RealHost::open(&root, Exec::Record).unwrap()).unwrap().unwrap();
    assert_eq!(locked.pending().unwrap(), Pending::Nothing);
    assert_eq!(locked.dirty().unwrap(), []);
    assert!(matches!(locked.recover(), Ok(())));
    assert_eq!(locked.revert(&mut |_| {}).unwrap(), Some(Vec::new()));
    assert_eq!(locked.revert(&mut |_| {}).unwrap(), None);
    assert_eq!(tree(&root), before);
    let commands = std::fs::read_to_string(root.join("var/lib/vgpu-offline/commands.log")).unwrap();
    let each = "update-grub\nproxmox-boot-tool refresh\n";
    assert_eq!(commands, each.repeat(2));
    locked.forget().unwrap();
    assert!(!root.join("var/lib/vgpu-offline").exists());
}

#[test]
fn nothing_is_forgotten_while_it_can_be_taken_back() {
    let (_dir, root) = root();
    let mut locked = open(&root);
    let (origin, plan) = plan(&mut locked);
    locked.apply(&origin, &plan, Phase::Second, &mut |_| {}).unwrap();
    assert!(matches!(locked.forget(), Err(LockedHostError::InUse(TxId(1)))));
    assert!(root.join("var/lib/vgpu-offline/journal.db").exists());
}

#[test]
fn an_open_transaction_tells_its_plan() {
    let (_dir, root) = root();
    let mut locked = open(&root);
    let (origin, mut plan) = plan(&mut locked);
    std::fs::remove_file(root.join("etc/kernel/cmdline")).unwrap();
    plan.before_reboot.rotate_right(1);
    let error = locked.apply(&origin, &plan, Phase::Second, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("has no `root=` parameter"), "{error}");
    match locked.pending().unwrap() {
        Pending::Apply { tx, plan: stored } => assert_eq!((tx.id, stored), (TxId(1), plan)),
        other => panic!("{other:?}"),
    }
    locked.revert(&mut |_| {}).unwrap();
    assert_eq!(locked.pending().unwrap(), Pending::Nothing);
}

const ROOT: &str = "VGPU_STRACE_ROOT";

/// The scene that the test below traces: one file is changed, in a folder that it names.
#[test]
fn one_change_for_strace_to_watch() {
    let (_dir, own) = root();
    let root = std::env::var(ROOT).map_or(own, Utf8PathBuf::from);
    let mut locked = open(&root);
    let (origin, mut plan) = plan(&mut locked);
    plan.before_reboot.truncate(1);
    locked.apply(&origin, &plan, Phase::Second, &mut |_| {}).unwrap();
    let target = std::fs::read_to_string(root.join("etc/target.conf")).unwrap();
    assert_eq!(target, "what comes after\n");
}

#[test]
fn the_undo_is_on_disk_before_the_first_change() {
    if Process::new("strace").arg("-V").output().is_err() {
        assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "strace is needed");
        eprintln!("skipped: needs strace");
        return;
    }
    let (dir, root) = root();
    let log = dir.path().join("strace");
    let child = "locked_host::tests::one_change_for_strace_to_watch";
    let status = Process::new("strace")
        .args(["-f", "-y", "-qq", "-e", "trace=openat,pwrite64,fsync,fdatasync,renameat", "-o"])
        .args([&log, &std::env::current_exe().unwrap()])
        .args(["--exact", child])
        .env(ROOT, &root)
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    check_order(&log);
}

/// Undo copy, journal, change: each is synced before the next begins.
fn check_order(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap();
    let calls: Vec<&str> = text.lines().collect();
    let last_before = |end: usize, what: &dyn Fn(&str) -> bool| {
        calls[..end].iter().rposition(|call| what(call)).unwrap_or_else(|| panic!("{text}"))
    };
    let is_sync = |call: &str| call.contains("fsync(") || call.contains("fdatasync(");
    let first = |what: &dyn Fn(&str) -> bool| {
        calls.iter().position(|call| what(call)).unwrap_or_else(|| panic!("{text}"))
    };

    // The first system call next to the target creates its temporary file.
    let touch = first(&|call| call.contains("/etc>, \".vgpu-") && call.contains("O_CREAT"));
    let renamed = first(&|call| call.contains("renameat") && call.contains("\"target.conf\""));
    assert!(touch < renamed);
    let journal_sync = last_before(touch, &|call| is_sync(call) && call.contains("journal.db-wal"));
    let journal_write =
        last_before(touch, &|call| call.contains("pwrite64") && call.contains("journal.db-wal"));
    assert!(journal_write < journal_sync, "the last write to the journal is not synced\n{text}");

    let kept = first(&|call| call.contains("renameat") && call.contains("/undo>"));
    let undo_dir_sync = last_before(touch, &|call| is_sync(call) && call.contains("/undo>"));
    let undo_sync = last_before(kept, &|call| is_sync(call) && call.contains("/undo/.vgpu-"));
    assert!(undo_sync < kept && kept < undo_dir_sync, "the copy is not durable\n{text}");
    assert!(undo_dir_sync < journal_write, "the entry was written before its copy\n{text}");

    let filled = last_before(renamed, &|call| is_sync(call) && call.contains("/etc/.vgpu-"));
    let made_durable = calls[renamed..].iter().any(|call| is_sync(call) && call.contains("/etc>"));
    assert!(touch < filled && made_durable, "the change itself is not durable\n{text}");
}
