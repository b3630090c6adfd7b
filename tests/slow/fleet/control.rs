//! The control node: Ansible, the role of the repository, and the files that it copies.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_tests::kit::Kit;
use vgpu_tests::programs::{Program, Programs};
use vgpu_tests::scratch::{Said, Scratch, expect, run};

use super::network::Network;
use super::server::Server;

/// The counts of the play recap, by node: `ok`, `changed`, `failed`, and so on.
pub(super) type Recap = BTreeMap<String, BTreeMap<String, u32>>;

/// The node whose guests move to the first one.
const MIGRATES: &str = "pve4";

/// The control node.
pub(super) struct Control<'n> {
    network: &'n Network,
    scratch: Scratch,
    kit: Kit,
    bundle: Utf8PathBuf,
}

/// Returns the folder of the playbook.
pub(super) fn playbooks() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("installer/ansible")
}

impl<'n> Control<'n> {
    /// Creates the files of the control node: the program, signed, and this bundle.
    pub(super) fn new(network: &'n Network, kit: Kit, bundle: Utf8PathBuf) -> Self {
        let scratch = Scratch::new(env!("CARGO_BIN_EXE_demo"));
        let program = scratch.path("vgpu-installer");
        // Without symbols, because each node gets a copy.
        let mut strip = Command::new("strip");
        strip.args(["-o", program.as_str(), env!("CARGO_BIN_EXE_demo")]);
        expect(strip, 0);
        kit.sign_program(&program);
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", scratch.path("ssh").as_str()]);
        expect(keygen, 0);
        fs::create_dir(scratch.path("home")).unwrap();
        Self { network, scratch, kit, bundle }
    }

    /// Returns the public key of the control node for SSH.
    pub(super) fn ssh_key(&self) -> String {
        fs::read_to_string(self.scratch.path("ssh.pub")).unwrap()
    }

    /// Writes the inventory of these nodes, as docs/FLEET.md has it.
    pub(super) fn enroll(&self, servers: &[Server]) {
        let keys: String = servers.iter().map(Server::host_key).collect();
        fs::write(self.scratch.path("known_hosts"), keys).unwrap();
        let mut text = "[vgpu]\n".to_owned();
        for server in servers {
            writeln!(text, "{} ansible_host={}", server.name, server.address).unwrap();
            if server.name == MIGRATES {
                text.insert_str(text.len() - 1, " vgpu_guests=migrate vgpu_migrate_to=pve1");
            }
        }
        let path = |name: &str| self.scratch.path(name);
        let bundler = Programs::link(env!("CARGO_BIN_EXE_demo").into(), &path("programs")).unwrap();
        write!(
            text,
            "\n[vgpu:vars]\nansible_user=root\n\
             ansible_python_interpreter=/usr/bin/python3\nansible_ssh_private_key_file={}\n\
             ansible_ssh_common_args='-o UserKnownHostsFile={} -o IdentitiesOnly=yes'\n\
             vgpu_program={}\nvgpu_bundle={}\nvgpu_key={}\nvgpu_principal=alice\n\
             vgpu_fingerprint={}\n\n[all:vars]\nvgpu_reports={}\nvgpu_bundler={}\n",
            path("ssh"),
            path("known_hosts"),
            path("vgpu-installer"),
            self.bundle,
            self.kit.path("key.pub"),
            self.kit.fingerprint(),
            path("reports"),
            bundler.path(Program::Bundler),
        )
        .unwrap();
        fs::write(path("hosts.ini"), text).unwrap();
    }

    /// Runs the playbook with these further arguments, and checks its exit status.
    pub(super) fn play(&self, more: &[&str], code: i32) -> (Recap, Said) {
        let mut command = self.network.control("ansible-playbook");
        command.arg("-i").arg(self.scratch.path("hosts.ini")).arg(playbooks().join("playbook.yml"));
        command.args(more).env("HOME", self.scratch.path("home")).env("LC_ALL", "C.UTF-8");
        // A shared connection must not outlive the test for long.
        let shared = "-o ControlMaster=auto -o ControlPersist=5s";
        command.env("ANSIBLE_NOCOLOR", "1").env("ANSIBLE_SSH_ARGS", shared);
        command.env("ANSIBLE_LOCALHOST_WARNING", "false").stdin(Stdio::null());
        let began = Instant::now();
        let said = run(command);
        let took = began.elapsed().as_secs();
        eprintln!("$ ansible-playbook … {}\n{}{}", more.join(" "), said.out, said.err);
        eprintln!("[exit {:?}, {took} s]", said.code);
        assert_eq!(said.code, Some(code), "ansible-playbook {more:?}");
        (recap(&said.out), said)
    }

    /// Returns the reports, by the names of their files.
    pub(super) fn reports(&self) -> Vec<Utf8PathBuf> {
        let Ok(entries) = self.scratch.path("reports").read_dir_utf8() else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().into_path()).collect();
        paths.sort();
        paths
    }

    /// Returns the commands that map the GPUs of all nodes with a report.
    pub(super) fn mappings(&self) -> String {
        let mut command = self.scratch.bundler(&["fleet", "mappings"]);
        command.args(self.reports());
        expect(command, 0).out
    }
}

/// Parses the recap: `pve1 : ok=20 changed=5 unreachable=0 failed=0 …`.
fn recap(text: &str) -> Recap {
    let Some((_, lines)) = text.split_once("PLAY RECAP") else { return Recap::new() };
    let count = |word: &str| {
        let (name, count) = word.split_once('=')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    let line = |line: &str| {
        let (name, counts) = line.split_once(':')?;
        Some((name.trim().to_owned(), counts.split_whitespace().filter_map(count).collect()))
    };
    lines.lines().skip(1).filter_map(line).collect()
}
