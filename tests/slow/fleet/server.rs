//! A node that answers by SSH, and boots again whenever it shuts down.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vgpu_tests::roots::{Layer, Root};
use vgpu_tests::scratch::expect;

use super::network::Network;
use crate::modes::machine::{Identity, Loader, Machine, T4, kernels};
use crate::modes::stage::pve;

/// A host with everything that a driver needs, as a node with a mirror of its own has it.
pub(super) const LAYER: Layer<'_> = Layer {
    name: "fleet",
    packages: &[
        "linux-image-amd64",
        "linux-headers-amd64",
        "initramfs-tools",
        "systemd-sysv",
        "udev",
        "pciutils",
        "kmod",
        "dkms",
        "gcc",
        "make",
        "openssh-server",
        "iproute2",
        "hostname",
        "python3",
    ],
};

/// The longest time until a node answers, and until its next boot.
const PATIENCE: Duration = Duration::from_mins(2);

/// A node with a T4, a root, a namespace of the network, and its own sshd.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
    pub(super) root: Arc<Root>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a node in a copy of a root with [`LAYER`], which lets this SSH key in.
    pub(super) fn start(identity: Identity, root: Root, network: &Network, key: &str) -> Self {
        let Identity { host_name: name, address, .. } = identity;
        network.add(name, address);
        pve(&root);
        let machine = Machine { cards: &[T4], loader: Loader::Grub, identity };
        machine.install(&root);
        furnish(&root, key);
        let (root, ends) = (Arc::new(root), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (root, ends) = (Arc::clone(&root), Arc::clone(&ends));
            move || live(name, machine, &root, &ends)
        });
        Self { name, address, root, ends, thread: Some(thread) }
    }

    /// Waits until its sshd listens.
    pub(super) fn wait(&self) {
        let began = Instant::now();
        while !self.root.at("/run/sshd.pid").exists() {
            assert!(began.elapsed() < PATIENCE, "{} does not answer", self.name);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns the public keys of its sshd, as a line of `known_hosts`.
    pub(super) fn host_key(&self) -> String {
        let key = self.text("/etc/ssh/ssh_host_ed25519_key.pub");
        format!("{} {key}", self.address)
    }

    /// Returns the number of its reboots.
    pub(super) fn reboots(&self) -> usize {
        self.text("/root/machine/shutdowns").lines().count()
    }

    /// Sets its guests: `kind`, `vmid`, `name`, `status`, `ha`.
    pub(super) fn set_guests(&self, guests: &[Value]) {
        let here = |guest: &Value| {
            let mut guest = guest.clone();
            guest["node"] = json!(self.name);
            guest
        };
        let guests: Vec<Value> = guests.iter().map(here).collect();
        let state = json!({ "maintenance": false, "guests": guests });
        self.root.write("/root/machine/guests.json", state.to_string());
    }

    /// Returns the calls of Proxmox VE's commands that change something.
    pub(super) fn changes_of_guests(&self) -> Vec<String> {
        let calls = self.text("/root/machine/pve-calls");
        calls.lines().filter(|line| !line.starts_with("pvesh get ")).map(str::to_owned).collect()
    }

    /// Returns a file; empty if it does not exist.
    pub(super) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.at(path)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(()))), "{} is lost", self.name);
    }
}

/// Installs the stand-ins, and the key of the control node.
fn furnish(root: &Root, key: &str) {
    // It is a link to systemctl, which is of no use without systemd.
    fs::remove_file(root.at("/usr/sbin/shutdown")).unwrap();
    let mut programs = vec![
        ("/root/machine/init", include_str!("stubs/init")),
        ("/usr/sbin/shutdown", include_str!("stubs/shutdown")),
    ];
    let tools = ["pvesh", "ha-manager", "qm", "pct"].map(|name| format!("/usr/local/sbin/{name}"));
    programs.extend(tools.iter().map(|path| (path.as_str(), include_str!("stubs/pve"))));
    for (path, text) in programs {
        root.write(path, text);
        fs::set_permissions(root.at(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    root.write("/root/machine/guests.json", r#"{ "maintenance": false, "guests": [] }"#);
    root.write("/root/.ssh/authorized_keys", key);
    let own_keys = "rm /etc/ssh/ssh_host_* && ssh-keygen -q -A";
    expect(root.command(&["sh", "-c", own_keys]), 0);
}

/// Runs the machine until it is to end, and boots it again after each shutdown.
fn live(name: &str, machine: Machine, root: &Root, ends: &AtomicBool) {
    let kernel = kernels(root).pop().unwrap();
    for boot in 2.. {
        let mut child = power_on(name, root).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            if ends.load(Ordering::Relaxed) {
                child.kill().unwrap();
                child.wait().unwrap();
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        machine.boot(root, &kernel, &format!("boot-{boot}"));
    }
}

/// Returns the command that is the running machine: all its processes end with it, and it ends with
/// this thread.
fn power_on(name: &str, root: &Root) -> Command {
    let machine = root.online(&["/root/machine/init"]);
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "nsenter", &format!("--net=/run/netns/{name}"), "--"]);
    command.arg(machine.get_program()).args(machine.get_args());
    command.env_clear();
    for (name, value) in machine.get_envs() {
        command.envs(value.map(|value| (name, value)));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
