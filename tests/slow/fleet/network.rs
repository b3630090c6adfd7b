//! A network of its own: a bridge, the control node, and a namespace for each node.

use std::fs;
use std::process::Command;

use vgpu_tests::scratch::expect;

/// The namespace of the control node, which has the bridge.
const CONTROL: &str = "control";

/// The network exists while this process does: its names are in a file system that only this process
/// sees, so the kernel removes everything with the last process in it, however the test ends.
pub(super) struct Network;

impl Network {
    /// Creates the bridge. This process needs its own mounts.
    pub(super) fn new() -> Self {
        let names = "/run/netns";
        fs::create_dir_all(names).unwrap();
        run("mount", &["-t", "tmpfs", "tmpfs", names]);
        let network = Self;
        network.namespace(CONTROL);
        ip(CONTROL, &["link", "add", "bridge", "type", "bridge"]);
        ip(CONTROL, &["address", "add", "192.0.2.1/24", "dev", "bridge"]);
        ip(CONTROL, &["link", "set", "bridge", "up"]);
        network
    }

    /// Adds a node with this address, in a namespace of its name.
    pub(super) fn add(&self, name: &str, address: &str) {
        self.namespace(name);
        let words = ["link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name];
        ip(CONTROL, &words);
        ip(CONTROL, &["link", "set", name, "master", "bridge", "up"]);
        ip(name, &["address", "add", &format!("{address}/24"), "dev", "eth0"]);
        ip(name, &["link", "set", "eth0", "up"]);
    }

    /// Returns a command on the control node.
    #[expect(clippy::unused_self, reason = "without a network, there is no control node")]
    pub(super) fn control(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{CONTROL}")).arg("--").arg(program);
        command
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn namespace(&self, name: &str) {
        run("ip", &["netns", "add", name]);
        ip(name, &["link", "set", "lo", "up"]);
    }
}

fn ip(namespace: &str, words: &[&str]) {
    run("ip", &[&["-n", namespace], words].concat());
}

fn run(program: &str, words: &[&str]) {
    let mut command = Command::new(program);
    command.args(words);
    expect(command, 0);
}
