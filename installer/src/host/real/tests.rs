//! Tests on a real folder.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use camino::Utf8PathBuf;
use tempfile::TempDir;

use super::*;
use crate::host::own::{self, fixed};
use crate::host::{Exit, Meta, Mode, OwnState, Source, Xattrs};

struct Folder {
    dir: TempDir,
    host: RealHost,
}

fn folder() -> Folder {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
    std::fs::create_dir(root.join("etc")).unwrap();
    let host = RealHost::open(&root, Exec::Record).unwrap();
    Folder { dir, host }
}

impl Folder {
    fn at(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path.trim_start_matches('/'))
    }

    fn put(&mut self, path: &str, node: &Node, from: Source<'_>) -> Result<(), HostError> {
        self.host.put(&fixed(path), New { node, from, temp: TempName::of_entry(1) })
    }

    fn put_text(&mut self, path: &str, text: &str, meta: Meta) -> Result<(), HostError> {
        let node = Node::File { content: Content::of(text.as_bytes()), meta };
        self.put(path, &node, Source::Bytes(text.as_bytes()))
    }
}

fn plain() -> Meta {
    Meta::root(Mode::FILE)
}

/// The file system under test may not support user attributes; then the test has none to check.
fn with_xattrs(folder: &Folder) -> Xattrs {
    let probe = folder.at("/etc");
    let name = "user.vgpu";
    let set = rustix::fs::setxattr(&probe, name, b"\0\xff", rustix::fs::XattrFlags::empty());
    let known = set.and_then(|()| rustix::fs::removexattr(&probe, name)).is_ok();
    let pair = known.then(|| (name.to_owned(), vec![0, 0xff]));
    Xattrs(pair.into_iter().collect())
}

#[test]
fn what_is_put_is_what_is_there() {
    let mut folder = folder();
    let xattrs = with_xattrs(&folder);
    let is_root = rustix::process::geteuid().is_root();
    let (uid, gid) = if is_root { (12, 34) } else { (0, 0) };
    let meta = Meta { mode: "4750".parse().unwrap(), uid, gid, xattrs };
    folder.put_text("/etc/file", "text", meta.clone()).unwrap();
    folder.put("/etc/link", &Node::link("file"), Source::Nowhere).unwrap();
    let dir = Node::Dir { meta: Meta { mode: "1770".parse().unwrap(), ..meta.clone() } };
    folder.put("/etc/dir", &dir, Source::Nowhere).unwrap();

    let content = Content::of(b"text");
    let node = |path: &str| folder.host.node(&fixed(path)).unwrap();
    assert_eq!(node("/etc/file"), Some(Node::File { content, meta }));
    assert_eq!(node("/etc/link"), Some(Node::link("file")));
    assert_eq!(node("/etc/dir"), Some(dir));
    assert_eq!(node("/etc/nothing"), None);
    assert_eq!(node("/etc/file/below"), None);
    let mode = std::fs::metadata(folder.at("/etc/file")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o4750);
    assert_eq!(folder.host.list(&fixed("/etc")).unwrap().unwrap(), ["dir", "file", "link"]);
}

#[test]
fn a_file_is_replaced_with_all_that_it_has() {
    let mut folder = folder();
    let xattrs = with_xattrs(&folder);
    folder.put_text("/etc/file", "old", Meta { xattrs, ..plain() }).unwrap();
    let inode = std::fs::metadata(folder.at("/etc/file")).unwrap().ino();
    folder.put_text("/etc/file", "new", plain()).unwrap();
    assert_ne!(std::fs::metadata(folder.at("/etc/file")).unwrap().ino(), inode);
    let expected = Node::File { content: Content::of(b"new"), meta: plain() };
    assert_eq!(folder.host.node(&fixed("/etc/file")).unwrap(), Some(expected));
    folder.put("/etc/file", &Node::link("x"), Source::Nowhere).unwrap();
    assert_eq!(folder.host.link(&fixed("/etc/file")).unwrap().as_deref(), Some("x"));
    folder.host.remove(&fixed("/etc/file")).unwrap();
    folder.host.remove(&fixed("/etc/file")).unwrap();
    assert_eq!(folder.host.node(&fixed("/etc/file")).unwrap(), None);
}

#[test]
fn a_directory_and_something_else_do_not_replace_each_other() {
    let mut folder = folder();
    folder.put_text("/etc/file", "x", plain()).unwrap();
    for (path, node) in [
        ("/etc", Node::link("x")),
        ("/etc/file", Node::dir(Mode::DIR)),
        ("/etc/file/below", Node::link("x")),
        ("/nowhere/file", Node::link("x")),
        ("/etc/device", Node::Special),
    ] {
        let error = folder.put(path, &node, Source::Nowhere).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write {path}: ")), "{error}");
    }
    assert!(folder.host.remove(&fixed("/etc")).unwrap_err().kind().is_some());
    assert_eq!(folder.host.list(&fixed("/etc")).unwrap().unwrap(), ["file"], "no leftovers");
}

#[test]
fn only_the_bytes_that_were_announced_are_put() {
    let mut folder = folder();
    folder.put_text("/etc/source", "other", plain()).unwrap();
    let node = Node::File { content: Content::of(b"announced"), meta: plain() };
    let source = fixed("/etc/source");
    let error = folder.put("/etc/file", &node, Source::File(&source)).unwrap_err();
    assert!(error.to_string().contains("its bytes should be sha256-"), "{error}");
    let stored = own::stored(Content::of(b"announced").id);
    std::fs::create_dir_all(folder.at(own::store().as_path().as_str())).unwrap();
    folder.put_text(stored.as_path().as_str(), "damaged!!", plain()).unwrap();
    let error = folder.put("/etc/file", &node, Source::File(&stored)).unwrap_err().to_string();
    assert!(error.contains(stored.as_path().as_str()) && error.contains("repair"), "{error}");
    let missing = fixed("/etc/missing");
    let error = folder.put("/etc/file", &node, Source::File(&missing)).unwrap_err();
    assert!(error.to_string().contains("cannot open its source /etc/missing"), "{error}");
    assert_eq!(folder.host.list(&fixed("/etc")).unwrap().unwrap(), ["source"], "no leftovers");
}

#[test]
fn a_large_file_is_copied_in_pieces_and_known_by_its_tree_digest() {
    let mut folder = folder();
    let bytes: Vec<u8> = (0..9u32 << 20).map(|i| u8::try_from(i % 253).unwrap()).collect();
    std::fs::write(folder.at("/etc/source"), &bytes).unwrap();
    let source = fixed("/etc/source");
    let content = folder.host.node(&source).unwrap().unwrap().content().unwrap();
    assert_eq!(content, Content::of(&bytes));
    let node = Node::File { content, meta: plain() };
    folder.put("/etc/copy", &node, Source::File(&source)).unwrap();
    assert_eq!(std::fs::read(folder.at("/etc/copy")).unwrap(), bytes);
    assert!(folder.host.read(&source).is_err(), "more than 1 MiB is not read into memory");
}

#[test]
fn no_symlink_leads_out_of_the_root() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let mut folder = folder();
    std::fs::create_dir(folder.at("/inside")).unwrap();
    symlink(outside.path(), folder.at("/etc/absolute")).unwrap();
    symlink("../../../../../../../../../..", folder.at("/etc/up")).unwrap();
    symlink("/inside", folder.at("/etc/back")).unwrap();
    symlink("/proc/self/root", folder.at("/etc/magic")).unwrap();

    assert_eq!(folder.host.read(&fixed("/etc/absolute/secret")).unwrap(), None);
    assert!(folder.put_text("/etc/absolute/new", "x", plain()).is_err());
    assert_eq!(folder.host.list(&fixed("/etc/up")).unwrap().unwrap(), ["etc", "inside"]);
    folder.put_text("/etc/back/new", "x", plain()).unwrap();
    assert_eq!(std::fs::read_to_string(folder.at("/inside/new")).unwrap(), "x");
    assert_eq!(folder.host.read(&fixed("/etc/magic/etc/passwd")).unwrap(), None);
    assert_eq!(folder.host.real(&fixed("/etc/back/new")).unwrap(), fixed("/inside/new"));
    let names: Vec<_> = std::fs::read_dir(outside.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn leftovers_are_swept_by_name_only() {
    let mut folder = folder();
    for (name, is_dir) in [(".vgpu-1.tmp~", false), (".vgpu-2.tmp~", true), (".vgpu-3.tmp~", false)]
    {
        let path = folder.at("/etc").join(name);
        if is_dir { std::fs::create_dir(path) } else { std::fs::write(path, "x") }.unwrap();
    }
    for id in [1, 2, 9] {
        folder.host.sweep(&fixed("/etc/any"), TempName::of_entry(id)).unwrap();
    }
    assert_eq!(folder.host.list(&fixed("/etc")).unwrap().unwrap(), [".vgpu-3.tmp~"]);
    folder.put_text("/etc/file", "x", plain()).unwrap();
}

#[test]
fn a_second_run_is_told_who_is_at_work() {
    let mut folder = folder();
    OwnState::of(&mut folder.host).prepare().unwrap();
    let held = folder.host.lock(&own::lock()).unwrap();
    let error = folder.host.lock(&own::lock()).unwrap_err().to_string();
    let pid = std::process::id();
    assert_eq!(error, format!("another vgpu-installer (process {pid}) is changing this host"));
    let holder = || folder.host.lock_holder(&own::lock()).unwrap();
    assert_eq!(holder(), Some(Holder::Run(Some(pid))));
    drop(held);
    assert_eq!(holder(), None);
    folder.host.lock(&own::lock()).unwrap();
}

#[test]
fn an_item_that_was_damaged_in_the_store_is_not_used() {
    let mut folder = folder();
    OwnState::of(&mut folder.host).prepare().unwrap();
    let item = Content::of(b"good");
    let stored = folder.at(own::stored(item.id).as_path().as_str());
    std::fs::write(&stored, "good").unwrap();
    let mut link = || {
        let mut work = crate::host::Work::fresh(&mut folder.host, "a").unwrap();
        work.link(item, "package.run", Mode::DIR)
    };
    link().unwrap();
    std::fs::write(&stored, "evil").unwrap();
    let error = link().unwrap_err().to_string();
    assert!(error.starts_with("digest mismatch: /var/lib/vgpu-offline/store/sha256-"), "{error}");
    assert!(error.contains("store add"), "{error}");
}

/// The number of processes that still have the lock file open.
fn with_lock_file(folder: &Folder) -> usize {
    let lock = std::fs::metadata(folder.at("/var/lib/vgpu-offline/lock")).unwrap();
    let is_lock = |path: std::path::PathBuf| {
        std::fs::metadata(path).is_ok_and(|it| (it.dev(), it.ino()) == (lock.dev(), lock.ino()))
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let open = |process: &std::fs::DirEntry| {
        let open = std::fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        open.map(|fd| fd.path()).any(is_lock)
    };
    processes.filter(open).count()
}

#[test]
fn a_command_inherits_the_lock_and_a_daemon_does_not_keep_it() {
    let mut folder = folder();
    let root = Utf8PathBuf::from_path_buf(folder.dir.path().to_owned()).unwrap();
    folder.host = RealHost::open(&root, Exec::Live).unwrap();
    OwnState::of(&mut folder.host).prepare().unwrap();
    let held = folder.host.lock(&own::lock()).unwrap();
    let daemon = root.join("daemon");
    let script = format!("sleep 100 >/dev/null 2>&1 & echo $! >{daemon}");
    folder.host.run(&Command::new("sh", &["-c", &script])).unwrap();
    let query = Command::new("sh", &["-c", "ls -l /proc/self/fd"]);
    let open = folder.host.query(&query).unwrap().unwrap();
    assert!(!String::from_utf8(open.stdout).unwrap().contains("offline/lock"), "a query has it");
    let note = std::fs::read_to_string(folder.at("/var/lib/vgpu-offline/lock")).unwrap();
    assert!(note.lines().nth(1).unwrap().starts_with("sh -c"), "{note}");

    drop(held);
    assert_eq!(with_lock_file(&folder), 1, "the daemon has the file");
    folder.host.lock(&own::lock()).unwrap();
    let pid = std::fs::read_to_string(daemon).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn the_output_of_a_command_that_leaves_a_daemon_behind_is_kept() {
    let host = RealHost::open(Utf8Path::new("/"), Exec::Live).unwrap();
    let words = ["-c", "echo said; echo told >&2; sleep 20 & exit 3"];
    let output = host.query(&Command::new("sh", &words)).unwrap().unwrap();
    assert_eq!(output.stdout, b"said\n");
    assert_eq!(output.stderr, b"told\n");
    assert_eq!(output.exit, Exit::Status(3));
}

#[test]
fn commands_for_a_prepared_folder_are_listed_and_not_run() {
    let mut folder = folder();
    OwnState::of(&mut folder.host).prepare().unwrap();
    folder.host.run(&Command::new("update-grub", &[])).unwrap();
    folder.host.run(&Command::new("depmod", &["6.8.12-4-pve"])).unwrap();
    assert_eq!(folder.host.query(&Command::new("false", &[])).unwrap(), None);
    let log = std::fs::read_to_string(folder.at(own::commands_log().as_path().as_str())).unwrap();
    assert_eq!(log, "update-grub\ndepmod 6.8.12-4-pve\n");
}

#[test]
fn commands_run_with_a_fixed_environment_and_their_end_is_told() {
    let mut host = RealHost::open(Utf8Path::new("/"), Exec::Live).unwrap();
    let output = host.query(&Command::new("env", &[])).unwrap().unwrap();
    let mut lines: Vec<_> = str::from_utf8(&output.stdout).unwrap().lines().collect();
    lines.sort_unstable();
    assert_eq!(lines[..3], ["DEBIAN_FRONTEND=noninteractive", "HOME=/root", "LC_ALL=C"]);
    assert_eq!(lines.len(), 4);

    let echo = Command::new("cat", &[]).with_input("to read\n".to_owned());
    assert_eq!(host.query(&echo).unwrap().unwrap().stdout, b"to read\n");
    assert_eq!(host.query(&Command::new("false", &[])).unwrap().unwrap().exit, Exit::Status(1));
    assert!(host.query(&Command::new("yes", &[])).is_err(), "endless talk is cut off");

    host.run(&Command::new("true", &[])).unwrap();
    let error = host.run(&Command::new("ls", &["/no/such\u{1b}"])).unwrap_err().to_string();
    assert!(
        error.starts_with("`ls \"/no/such\\u{1b}\"` failed with exit status 2\n    "),
        "{error}"
    );
    let error = host.run(&Command::new("no-such-program", &[])).unwrap_err().to_string();
    assert!(error.starts_with("cannot run `no-such-program`: "), "{error}");
}

#[test]
fn children_have_no_network_unless_they_are_known_to_need_it() {
    let host = RealHost::open(Utf8Path::new("/"), Exec::Live).unwrap();
    // A datagram socket connects without a peer, so only the kernel's families decide.
    for address in ["127.0.0.1", "::1"] {
        let script = format!("exec 3<>/dev/udp/{address}/9");
        let words = ["-c", script.as_str()];
        let output = host.query(&Command::new("bash", &words)).unwrap().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("Address family not supported"), "{error}");
        assert!(!output.succeeded());
    }
    // The same without the filter, which ended with the thread that started the child.
    let script = "exec 3<>/dev/udp/127.0.0.1/9";
    let free = std::process::Command::new("bash").args(["-c", script]).status().unwrap();
    assert!(free.success());
}

#[test]
#[expect(clippy::disallowed_types, reason = "this shows that they do not work")]
fn the_network_is_denied_to_a_thread_and_its_children_for_good() {
    let refused = |result: io::Result<()>| result.unwrap_err().raw_os_error() == Some(97);
    let inside = move || {
        deny_network().unwrap();
        assert!(refused(std::net::UdpSocket::bind("127.0.0.1:0").map(drop)));
        assert!(refused(std::net::TcpListener::bind("[::1]:0").map(drop)));
        std::os::unix::net::UnixDatagram::unbound().unwrap();
        let grandchild = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/9'";
        let output = std::process::Command::new("sh").args(["-c", grandchild]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains("Address family not supported"), "{error}");
    };
    std::thread::spawn(inside).join().unwrap();
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
}

#[test]
fn an_answer_about_a_tree_counts_until_the_tree_changes() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
    let host = RealHost::open(&root, Exec::Live).unwrap();
    // It prints another name each time.
    let command = Command::new("mktemp", &["--dry-run"]);
    let ask = |path: &str| host.query_about(&command, &fixed(path)).unwrap().unwrap().stdout;
    let mut last = ask("/tree");
    let mut changed = || {
        let answer = ask("/tree");
        assert_eq!(ask("/tree"), answer);
        std::mem::replace(&mut last, answer.clone()) != answer
    };
    assert!(!changed());
    std::fs::create_dir_all(root.join("tree/module")).unwrap();
    assert!(changed());
    std::fs::write(root.join("tree/module/nvidia.ko"), "one").unwrap();
    assert!(changed());
    // The kernel's clock for files has ticks of up to 10 ms.
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::write(root.join("tree/module/nvidia.ko"), "two").unwrap();
    assert!(changed());
    std::fs::write(root.join("other"), "").unwrap();
    assert!(!changed());
    std::fs::remove_dir_all(root.join("tree")).unwrap();
    assert!(changed());
    assert_ne!(host.query(&command).unwrap().unwrap().stdout, ask("/tree"));
}
