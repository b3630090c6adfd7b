//! A run that is ended while one of its commands goes on: no second run starts next to the command,
//! and the same command of the operator completes it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use vgpu_tests::chroot::bring;
use vgpu_tests::tree::Snapshot;

use crate::installer::fixture::{Ran, Site, Spec, key};

/// Programs that wait for the file `/finish`.
const WAITING: [&str; 2] = ["update-grub", "update-initramfs"];

const SCRIPT: &str = "#!/bin/sh\n\
    echo $$ >>/started\n\
    umask >>/umask\n\
    while [ ! -e /finish ]; do sleep 0.02; done\n\
    echo ${0##*/} >>/ended\n";

/// A node whose commands run, and a bundle for it.
struct Stage {
    site: Site,
    bundle: String,
}

impl Stage {
    /// `None` where this machine cannot run them.
    fn new() -> Option<Self> {
        let (site, alice) = (Site::new(), key(1));
        for folder in ["usr/bin", "usr/sbin"] {
            fs::create_dir_all(site.root().join(folder)).unwrap();
        }
        symlink("usr/bin", site.root().join("bin")).unwrap();
        if !bring(&site.root(), &["env", "sh", "sleep", "true"]) {
            return None;
        }
        for name in WAITING {
            let script = site.write(&format!("root/usr/sbin/{name}"), SCRIPT.as_bytes());
            fs::set_permissions(script, fs::Permissions::from_mode(0o755)).unwrap();
        }
        site.trust(&alice, "alice", &[]).expect(0);
        let wants = json!({ "kernel-words": ["vfio.test=1"], "modprobe": ["blacklist nouveau"] });
        let bundle = site.bundle(&Spec { wants, ..Spec::small(1, "x") }, &[&alice]);
        Some(Self { site, bundle })
    }

    fn command(&self, words: &[&str]) -> Command {
        let inner = self.site.command(&[&["--chroot"], words].concat());
        // Tests in the background or under `nohup` ignore signals, and child processes inherit that.
        let mut command = Command::new("env");
        command
            .arg("--default-signal=HUP,INT,TERM")
            .arg(inner.get_program())
            .args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        self.site.run(&[&["--chroot"], words].concat())
    }

    fn apply(&self) -> Vec<&str> {
        vec!["apply", "--yes", &self.bundle]
    }

    fn is_there(&self, name: &str) -> bool {
        self.site.root().join(name).exists()
    }

    /// Lets the waiting programs end.
    fn finish(&self) {
        self.site.write("root/finish", b"");
    }

    /// Removes the traces of the waiting programs, so that they wait again.
    fn wait_again(&self) {
        for name in ["started", "ended", "finish"] {
            let _ = fs::remove_file(self.site.root().join(name));
        }
    }

    fn look(&self) -> Snapshot {
        let own = ["etc/vgpu-offline", "var", "started", "ended", "finish", "umask"];
        Snapshot::of(&self.site.root(), &own).unwrap()
    }

    /// Starts a command of the operator, and waits until its first program runs.
    fn begin(&self, words: &[&str]) -> Child {
        self.wait_again();
        let mut command = self.command(words);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        until(|| self.is_there("started"));
        child
    }

    /// Runs a command of the operator to its end.
    fn complete(&self, words: &[&str], code: i32) {
        self.finish();
        self.run(words).expect(code);
        self.wait_again();
    }
}

fn until(reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < Duration::from_secs(30), "nothing has happened for 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_second_run_waits_for_the_command_of_a_killed_one() {
    let Some(stage) = Stage::new() else { return };
    let before = stage.look();
    stage.complete(&stage.apply(), 10);
    let after = stage.look();
    stage.complete(&["revert", "--yes"], 0);
    assert_eq!(before.differences(&stage.look()), Vec::<String>::new());

    for words in [&stage.apply()[..], &["revert", "--yes"], &stage.apply(), &["remove", "--yes"]] {
        let mut run = stage.begin(words);
        let pid = run.id();
        let at_work = format!("another vgpu-installer (process {pid}) is changing this host");
        stage.run(words).expect(1).says(&[&at_work, "wait until it is done"]);
        let status = stage.run(&["status", "--json"]).expect(1).json();
        assert_eq!(
            (&status["state"], &status["run"]),
            (&json!("running"), &json!({"process": pid}))
        );
        assert!(stage.run(&["status"]).expect(1).out.starts_with(&format!("running: {at_work}\n")));
        stage.run(&["report", "--json"]).expect(0);

        send(&run, Signal::KILL);
        assert_eq!(run.wait().unwrap().code(), None);
        let left = "an interrupted run has left a command running: `";
        stage.run(words).expect(1).says(&[left, "update-", "wait until the processes end"]);
        let status = stage.run(&["status", "--json"]).expect(1).json();
        assert_eq!(status["state"], "running", "{status:#}");
        let processes = status["run"]["left"]["processes"].as_array().unwrap();
        assert!(!processes.is_empty(), "{status:#}");
        assert!(!stage.is_there("ended"));

        stage.finish();
        until(|| stage.run(&["status", "--json"]).json()["state"] != "running");
        assert!(stage.is_there("ended"), "the command has gone on to its end");
        let is_apply = words[0] == "apply";
        stage.complete(words, if is_apply { 10 } else { 0 });
        let expected = if is_apply { &after } else { &before };
        assert_eq!(expected.differences(&stage.look()), Vec::<String>::new(), "{words:?}");
    }
}

#[test]
fn a_signal_stops_a_run_after_the_running_command() {
    let Some(stage) = Stage::new() else { return };
    let before = stage.look();
    stage.complete(&stage.apply(), 10);
    let after = stage.look();
    stage.complete(&["revert", "--yes"], 0);

    let signals = [("SIGTERM", Signal::TERM), ("SIGHUP", Signal::HUP), ("SIGINT", Signal::INT)];
    for (name, signal) in signals {
        for words in [&stage.apply()[..], &["revert", "--yes"]] {
            let run = stage.begin(words);
            // A second signal changes nothing.
            send(&run, signal);
            send(&run, signal);
            std::thread::sleep(Duration::from_millis(200));
            assert!(!stage.is_there("ended"), "the command is not cut off");
            stage.finish();
            let output = run.wait_with_output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(130), "{name}: {said}");
            for part in [
                format!("{name}: stopping after the running command"),
                format!("error: interrupted by {name}: "),
                "hint: run the same command again".to_owned(),
            ] {
                assert!(said.contains(&part), "{part:?} is not in\n{said}");
            }
            let ended = fs::read_to_string(stage.site.root().join("ended")).unwrap();
            assert_eq!(ended.lines().count(), 1, "the next command was not started: {ended}");

            let is_apply = words[0] == "apply";
            stage.complete(words, if is_apply { 10 } else { 0 });
            let expected = if is_apply { &after } else { &before };
            assert_eq!(expected.differences(&stage.look()), Vec::<String>::new(), "{words:?}");
        }
    }
}

#[test]
fn nohup_is_honored() {
    let Some(stage) = Stage::new() else { return };
    let inner = stage.command(&stage.apply());
    let words: Vec<_> = inner.get_args().collect();
    let mut command = Command::new(inner.get_program());
    command.arg(words[0]).args(["env", "--ignore-signal=HUP"]).args(&words[1..]);
    let run =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| stage.is_there("started"));
    send(&run, Signal::HUP);
    std::thread::sleep(Duration::from_millis(100));
    stage.finish();
    assert_eq!(run.wait_with_output().unwrap().status.code(), Some(10));
}

#[test]
fn commands_and_files_have_a_fixed_umask() {
    let Some(stage) = Stage::new() else { return };
    stage.finish();
    for umask in ["000", "077"] {
        let inner = stage.command(&stage.apply());
        let mut command = Command::new("sh");
        command.args(["-c", "umask $0 && exec \"$@\"", umask]);
        command.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
        assert_eq!(command.output().unwrap().status.code(), Some(10));
        let root = stage.site.root();
        let seen = fs::read_to_string(root.join("umask")).unwrap();
        assert!(seen.lines().count() > 1 && seen.lines().all(|line| line == "0022"), "{seen}");
        for (path, mode) in [
            ("etc/modprobe.d/vgpu-offline.conf", 0o644),
            ("etc/default/grub.d", 0o755),
            ("var/lib/vgpu-offline", 0o700),
            ("umask", 0o644),
        ] {
            let is = fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
            assert_eq!(is, mode, "{path} is {is:o} with umask {umask}");
        }
        stage.run(&["revert", "--yes"]).expect(0);
        fs::remove_file(root.join("umask")).unwrap();
    }
}

#[test]
fn ctrl_c_in_a_terminal_does_not_reach_the_running_command() {
    let Some(stage) = Stage::new() else { return };
    // The kernel sends the signal to the foreground process group: here that of the run.
    let mut command = stage.command(&stage.apply());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until(|| stage.is_there("started"));
    rustix::process::kill_process_group(Pid::from_child(&run), Signal::INT).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    stage.finish();
    assert_eq!(run.wait_with_output().unwrap().status.code(), Some(130));
    assert!(stage.is_there("ended"));
}

#[test]
fn the_state_is_read_on_a_read_only_file_system_after_a_kill() {
    let Some(stage) = Stage::new() else { return };
    let mut run = stage.begin(&stage.apply());
    send(&run, Signal::KILL);
    run.wait().unwrap();
    stage.finish();
    until(|| stage.run(&["status", "--json"]).json()["state"] != "running");
    assert!(stage.is_there("var/lib/vgpu-offline/journal.db-wal"), "the log was not merged");
    let own = Snapshot::of(&stage.site.root(), &[]).unwrap();

    let root = stage.site.root();
    let script =
        "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && shift && exec \"$@\"";
    for (words, code) in [(&["status"][..], 1), (&["report"], 0), (&["guest-drivers"], 0)] {
        let inner = stage.command(words);
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "sh", "-c", script, "sh", root.as_str()]);
        command.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(words[0] != "status" || out.contains("run `vgpu-installer apply`"), "{out}");
    }
    assert_eq!(own.differences(&Snapshot::of(&root, &[]).unwrap()), Vec::<String>::new());
}
