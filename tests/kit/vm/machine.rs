use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::json;

use super::qmp::Qmp;
use super::screen::Screen;
use super::stick::LABEL;
use super::{Disk, Emulator, Hardware, Stick};
use crate::roots::Root;

/// The limit for a boot, a command, and a shutdown: they end by events, but never hang.
const LIMIT: Duration = Duration::from_mins(20);

/// The files of a script that runs on its own, without their endings.
const BEGUN: &str = "/run/begun";

/// The pause after a key.
const KEY: Duration = Duration::from_millis(400);

/// The pause between looks at a socket or a process.
const PAUSE: Duration = Duration::from_millis(50);

/// A machine that is powered on. It is powered off on drop, like a machine whose plug is pulled.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    agent: BufReader<UnixStream>,
    control: Qmp,
    folder: tempfile::TempDir,
    /// The number of scripts so far.
    scripts: u32,
    /// The id of the current boot.
    boot: String,
    /// The length of the console's output when that boot began.
    since: usize,
    transcript: String,
}

/// The result of a script.
#[derive(Debug)]
pub struct Answer {
    /// Its exit status.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The time that it took.
    pub took: Duration,
}

impl Machine {
    /// The texts that [`Self::prepare`] writes, by which a cached disk is recognized.
    pub const RECIPE: &str = concat!(include_str!("agent.sh"), include_str!("agent.service"));

    /// Prepares a root for machines: the agent, the mount table, and no login on the serial console.
    pub fn prepare(root: &Root) {
        let agent = "/usr/local/sbin/agent";
        root.write(agent, include_str!("agent.sh"));
        fs::set_permissions(root.at(agent), fs::Permissions::from_mode(0o755)).expect("a mode");
        let units = "/etc/systemd/system";
        root.write(&format!("{units}/agent.service"), include_str!("agent.service"));
        let wants = root.at(&format!("{units}/multi-user.target.wants"));
        fs::create_dir_all(&wants).expect("a folder");
        symlink("../agent.service", wants.join("agent.service")).expect("a link");
        let login = root.at(&format!("{units}/serial-getty@ttyS0.service"));
        symlink("/dev/null", login).expect("a link");
        root.write("/etc/fstab", "/dev/vda1 / ext4 errors=remount-ro 0 1\n");
        // Services start on a machine, other than in a root.
        let _ = fs::remove_file(root.at("/usr/sbin/policy-rc.d"));
    }

    /// Powers a machine on, and waits until its agent is ready.
    #[must_use]
    pub fn start(emulator: &Emulator, hardware: &Hardware, disk: &Disk) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Utf8Path::from_path(folder.path()).expect("a UTF-8 path");
        let mut qemu = emulator.machine(hardware, disk, path);
        let errors = fs::File::create(path.join("errors")).expect("a file");
        let child = qemu.stdout(Stdio::null()).stderr(errors).spawn().expect("qemu");
        let agent = BufReader::new(connect(path, "agent"));
        agent.get_ref().set_read_timeout(Some(PAUSE)).expect("a socket");
        let control = Qmp::new(connect(path, "control"), path.join("errors"));
        let (scripts, boot, since, transcript) = (0, String::new(), 0, String::new());
        let mut machine = Self { child, agent, control, folder, scripts, boot, since, transcript };
        machine.wait();
        machine
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path").join(name)
    }

    /// Waits until the agent of another boot is ready.
    pub fn wait(&mut self) {
        let begun = Instant::now();
        loop {
            let line = self.line(begun);
            if let Some(id) = line.strip_prefix("ready ").filter(|id| *id != self.boot) {
                id.clone_into(&mut self.boot);
                break;
            }
        }
        let took = begun.elapsed().as_secs();
        let _ = writeln!(self.transcript, "\n# booted in {took} s");
    }

    /// Runs a shell script to its end.
    pub fn run(&mut self, script: &str) -> Answer {
        let answer = self.quiet(script);
        let Answer { code, out, err, took } = &answer;
        let seconds = took.as_secs_f32();
        let _ = write!(self.transcript, "\n$ {script}\n{out}{err}[exit {code}, {seconds:.1} s]\n");
        answer
    }

    /// Runs a shell script to its end, without a line in the transcript.
    fn quiet(&mut self, script: &str) -> Answer {
        self.scripts += 1;
        let begun = Instant::now();
        let line = format!("{} {}\n", self.scripts, Base64::encode_string(script.as_bytes()));
        self.agent.get_mut().write_all(line.as_bytes()).expect("the agent's port");
        let number = self.scripts.to_string();
        let fields = loop {
            let line = self.line(begun);
            let fields: Vec<_> = line.split(' ').map(str::to_owned).collect();
            if fields.len() == 4 && fields[0] == number {
                break fields;
            }
        };
        let text = |field: &str| {
            let bytes = Base64::decode_vec(&field[1..]).expect("Base64");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (out, err, took) = (text(&fields[2]), text(&fields[3]), begun.elapsed());
        let code = fields[1].parse().expect("an exit status");
        Answer { code, out, err, took }
    }

    /// Starts a shell script, and does not wait for it.
    pub fn begin(&mut self, script: &str) {
        let encoded = Base64::encode_string(script.as_bytes());
        let run = format!(
            "rm -f {BEGUN}.*; printf %s {encoded} | base64 -d >{BEGUN}.sh
(sh {BEGUN}.sh >{BEGUN}.out 2>&1 </dev/null; echo $? >{BEGUN}.code) >/dev/null 2>&1 &"
        );
        let _ = writeln!(self.transcript, "\n# begun: {script}");
        self.quiet(&run);
    }

    /// Waits for the script of [`Self::begin`].
    pub fn end(&mut self, code: i32) -> Answer {
        let wait = format!("until test -s {BEGUN}.code; do sleep 0.2; done; cat {BEGUN}.out");
        self.expect(&format!("{wait}; exit $(cat {BEGUN}.code)"), code)
    }

    /// Waits until a condition is true, as a shell has it, before `late` is.
    pub fn reach(&mut self, condition: &str, late: &str) {
        // The second question may cost more, and is asked now and then.
        let wait = format!(
            "n=0; until {condition}; do n=$((n + 1))
test $((n % 50)) != 0 || ! {{ {late}; }} || {condition} || exit 1; sleep 0.05; done"
        );
        self.expect(&wait, 0);
    }

    /// Stops the emulator at once: its processors, its disk, and its memory, which is not written.
    /// Unlike QEMU's own `stop`, this does not flush the image.
    pub fn pause(&mut self) {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::STOP).expect("a process");
        waitpid(Some(id), WaitOptions::UNTRACED).expect("a process");
    }

    /// Lets a paused machine go on.
    pub fn go_on(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("a process");
    }

    /// Runs a shell script that must exit with `code`.
    pub fn expect(&mut self, script: &str, code: i32) -> Answer {
        let answer = self.run(script);
        assert_eq!(answer.code, code, "{}{}", self.transcript, self.tail());
        answer
    }

    /// Waits until all units of the boot have started.
    pub fn settle(&mut self) {
        self.run("systemctl is-system-running --wait");
    }

    /// Restarts the system inside, and waits for it.
    pub fn reboot(&mut self) {
        self.restart();
        self.wait();
    }

    /// Restarts the system inside, and does not wait for it.
    pub fn restart(&mut self) {
        self.since = self.output().len();
        self.run("systemctl reboot");
    }

    /// Waits until the console of this boot shows a text; returns the whole screen.
    pub fn see(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = Screen::of(&self.output()[self.since..]).to_string();
            if screen.contains(text) {
                let _ = writeln!(self.transcript, "\n# on the console:\n{screen}");
                return screen;
            }
            assert!(begun.elapsed() < LIMIT, "no {text:?}:\n{screen}\n{}", self.tail());
            std::thread::sleep(PAUSE);
        }
    }

    /// Presses keys on its keyboard, one after the other, with QEMU's names.
    pub fn press(&mut self, keys: &[&str]) {
        for key in keys {
            let keys = json!([{ "type": "qcode", "data": key }]);
            self.control.run("send-key", json!({ "keys": keys }));
            // A key is down for a tenth of a second, and a busy firmware loses the next one.
            std::thread::sleep(KEY);
        }
        let _ = writeln!(self.transcript, "\n# pressed: {}", keys.join(" "));
    }

    /// Shuts the system inside down, and returns the transcript.
    #[must_use]
    pub fn power_off(mut self) -> String {
        self.run("systemctl poweroff");
        let begun = Instant::now();
        while self.child.try_wait().expect("a process").is_none() {
            assert!(begun.elapsed() < LIMIT, "it does not power off: {}", self.tail());
            std::thread::sleep(PAUSE);
        }
        self.take_transcript()
    }

    /// Cuts the power, and returns the transcript.
    ///
    /// The disk loses what the system inside had not flushed: QEMU keeps the tables of new clusters
    /// of a qcow2 image in memory until a flush, so writes to places that are new in this image are
    /// lost, while others to places that already were in it survive.
    #[must_use]
    pub fn cut(mut self) -> String {
        self.kill();
        self.transcript.push_str("\n# power cut\n");
        self.take_transcript()
    }

    fn take_transcript(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Plugs a stick in and mounts it at `/mnt`.
    pub fn plug(&mut self, stick: &Stick) {
        let file = json!({ "driver": "file", "filename": stick.path() });
        let node = json!({ "node-name": "stick", "driver": "raw", "file": file });
        self.control.run("blockdev-add", node);
        let device = json!({
            "driver": "scsi-hd", "id": "stick", "bus": "sticks.0", "drive": "stick", "removable": true,
        });
        self.control.run("device_add", device);
        let by_label = format!("/dev/disk/by-label/{LABEL}");
        let script =
            format!("until test -e {by_label}; do sleep 0.2; done; mount -t vfat {by_label} /mnt");
        self.expect(&script, 0);
    }

    /// Unmounts the stick and pulls it out.
    pub fn unplug(&mut self) {
        self.expect("umount /mnt", 0);
        self.pull();
    }

    /// Pulls the stick out, mounted or not.
    pub fn pull(&mut self) {
        self.control.run("device_del", json!({ "id": "stick" }));
        self.control.wait("DEVICE_DELETED", "stick");
        self.control.run("blockdev-del", json!({ "node-name": "stick" }));
    }

    /// Returns the output of its console so far.
    #[must_use]
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&self.output()).replace('\r', "")
    }

    fn output(&self) -> Vec<u8> {
        fs::read(self.path("console")).unwrap_or_default()
    }

    /// Checks whether the kernel has given up.
    fn has_panicked(&self) -> bool {
        self.console().contains("end Kernel panic - not syncing")
    }

    /// Returns the end of its console and the errors of QEMU, for diagnosis.
    fn tail(&self) -> String {
        let console = self.console();
        let lines: Vec<_> = console.lines().collect();
        let tail = lines[lines.len().saturating_sub(30)..].join("\n");
        let path = Utf8Path::from_path(self.folder.path()).expect("a UTF-8 path");
        format!("\n-- console --\n{tail}\n{}", complaints(path))
    }

    /// Returns the next line of the agent's port.
    fn line(&mut self, begun: Instant) -> String {
        let mut line = Vec::new();
        let mut byte = [0_u8];
        loop {
            match self.agent.read(&mut byte) {
                Ok(1) if byte == *b"\n" => return String::from_utf8(line).expect("ASCII"),
                Ok(1) => line.extend(byte),
                Ok(_) => panic!("it has powered off: {}{}", self.transcript, self.tail()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock) => {
                    let is_hopeless = begun.elapsed() > LIMIT || self.has_panicked();
                    assert!(!is_hopeless, "no answer: {}{}", self.transcript, self.tail());
                }
                Err(error) => panic!("the agent's port: {error}"),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the errors of QEMU.
fn complaints(folder: &Utf8Path) -> String {
    fs::read_to_string(folder.join("errors")).unwrap_or_default()
}

/// Connects to a socket of QEMU, which exists shortly after its start.
fn connect(folder: &Utf8Path, name: &str) -> UnixStream {
    let begun = Instant::now();
    loop {
        match UnixStream::connect(folder.join(name)) {
            Ok(stream) => return stream,
            Err(error) => assert!(
                begun.elapsed() < Duration::from_mins(1),
                "{name}: {error}: {}",
                complaints(folder)
            ),
        }
        std::thread::sleep(PAUSE);
    }
}
