#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test builds a small root directory with real programs in it"
)]

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use camino::Utf8PathBuf;

use super::*;
use crate::host::{Exec, Look as _, OwnState, RealHost};
use crate::state;

/// Copies a program of this machine, with all libraries that it needs, into `root`.
fn bring(root: &Path, program: &str) {
    let listed = Process::new("ldd").arg(program).output().unwrap().stdout;
    let listed = String::from_utf8(listed).unwrap();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        let to = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
}

fn skip() -> bool {
    let why = if !rustix::process::geteuid().is_root() {
        "to be root"
    } else if Process::new("ldd").arg("/bin/cp").output().is_err() {
        "ldd"
    } else {
        return false;
    };
    assert!(std::env::var_os("VGPU_NO_SKIP").is_none(), "this test needs {why}");
    eprintln!("skipped: needs {why}");
    true
}

fn cp() -> Reversible {
    let command = Command::new("cp", &["-r", "-f", "/srv/tree/.", "/opt"]);
    Reversible {
        recover: vec![Command::new("cp", &["--version"])],
        scope: Scope { small: [fixed("/opt")].into(), ..Scope::default() },
        ..Reversible::new(command, Probe::Exists(fixed("/opt/deep/file")))
    }
}

fn write(root: &Path, path: &str, text: &str) -> PathBuf {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_real_command_in_another_root_is_taken_back_by_its_traces() {
    if skip() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    bring(root, "/bin/cp");
    write(root, "srv/tree/deep/file", "deep\n");
    write(root, "srv/tree/changed", "new\n");
    write(root, "srv/tree/exchanged", "now a file\n");
    let changed = write(root, "opt/changed", "old\n");
    std::os::unix::fs::symlink("changed", root.join("opt/link")).unwrap();

    let exec = Exec::Chroot;
    let mut host = RealHost::open(&Utf8PathBuf::from_path_buf(root.into()).unwrap(), exec).unwrap();
    OwnState::of(&mut host).prepare().unwrap();
    let before = cp().scope.look(&host).unwrap();
    let mut log = Log::open(&host.locate(&state::journal()).unwrap()).unwrap();
    let new = NewTransaction {
        bundle: Digest::of(b""),
        plan: String::new(),
        boot: BootId::default(),
        began: 0,
    };
    let tx = log.begin(&new).unwrap();
    Journal::new(&mut host, &mut log, tx, Component::Shared).act(cp()).unwrap();
    assert_eq!(std::fs::read_to_string(&changed).unwrap(), "new\n");
    assert!(cp().probe.is_present(&host).unwrap());
    let failing = Reversible { command: Command::new("cp", &["/none", "/opt/x"]), ..cp() };
    let error = Journal::new(&mut host, &mut log, tx, Component::Shared)
        .act(failing)
        .unwrap_err()
        .to_string();
    assert!(error.contains("failed with exit status 1\n    cp: cannot stat '/none'"), "{error}");

    // As after a power cut: the command had started, and its progress is unknown.
    write(root, "opt/later", "half\n");
    let interrupted = log.entries(tx).unwrap().into_iter().rfind(|e| e.run.is_some()).unwrap();
    log.advance(interrupted.id, RunState::Started, &[], &BTreeSet::new()).unwrap();
    assert_eq!(revert(&mut host, &mut log, tx, &mut |_| {}).unwrap(), []);
    assert_eq!(cp().scope.look(&host).unwrap(), before);
    assert_eq!(host.list(&fixed("/opt")).unwrap().unwrap(), ["changed", "link"]);
}
