//! The Ansible role: checked by Ansible's own tools, and run against four nodes with their own sshd.
//!
//! The nodes are Debian roots with the machine of `modes` in them. A shutdown ends every process of a
//! node, as a real one does; the test then boots the machine, and the unit that resumes runs while
//! sshd answers. Driver, GPU, boot loader and the commands of Proxmox VE are stand-ins; Ansible, SSH,
//! DKMS and the compiler are real.

mod control;
mod network;
mod server;

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use vgpu_tests::kit::Kit;
use vgpu_tests::roots::{Release, Roots, with_own_mounts};
use vgpu_tests::scratch::{expect, run};
use vgpu_tests::skip::have;

use self::control::{Control, Recap, playbooks};
use self::network::Network;
use self::server::{LAYER, Server};
use crate::modes::bundle::{Content, Patched, wants};
use crate::modes::machine::Identity;

/// A driver that the catalog has for the kernel of Debian 12.
const DRIVER: &str = "550.163.02";

#[test]
fn the_role_passes_ansible_lint_and_its_syntax_check() {
    if !["ansible-lint", "ansible-playbook", "ansible-doc"].into_iter().all(have) {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let ansible = |words: &[&str]| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(playbooks());
        command.env("HOME", home.path()).env("LC_ALL", "C.UTF-8").env("ANSIBLE_NOCOLOR", "1");
        command
    };
    let lint = ["ansible-lint", "--offline", "--strict", "--profile", "production", "--nocolor"];
    let said = expect(ansible(&lint), 0);
    assert!(said.err.contains("0 failure(s), 0 warning(s)"), "{}", said.err);
    expect(ansible(&["ansible-playbook", "-i", "pve1,", "--syntax-check", "playbook.yml"]), 0);
    for module in ["vgpu_installer", "vgpu_drain"] {
        let words = ["ansible-doc", "--module-path", "roles/vgpu/library", module];
        assert!(expect(ansible(&words), 0).out.contains("OPTIONS"), "{module}");
    }

    // Missing variables are named before any node is connected to.
    fs::write(home.path().join("hosts.ini"), "[vgpu]\npve1 ansible_host=192.0.2.11\n").unwrap();
    let hosts = home.path().join("hosts.ini");
    let words = ["ansible-playbook", "-i", hosts.to_str().unwrap(), "playbook.yml"];
    let said = run(ansible(&words));
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(said.out.contains("missing required arguments: vgpu_bundle"), "{}", said.out);
}

/// The nodes, in the order of their batches.
const NODES: [Identity; 4] = [
    node("pve1", "6c1f0f3a9f0b4d0b8b1c0a4f3d2e1c01", "192.0.2.11"),
    node("pve2", "6c1f0f3a9f0b4d0b8b1c0a4f3d2e1c02", "192.0.2.12"),
    node("pve3", "6c1f0f3a9f0b4d0b8b1c0a4f3d2e1c03", "192.0.2.13"),
    node("pve4", "6c1f0f3a9f0b4d0b8b1c0a4f3d2e1c04", "192.0.2.14"),
];

const fn node(
    host_name: &'static str,
    machine_id: &'static str,
    address: &'static str,
) -> Identity {
    Identity { host_name, machine_id, address }
}

/// Paths that a login or Ansible itself changes, not the role.
const NOT_OF_THE_ROLE: [&str; 6] =
    ["run", "tmp", "root/.ansible", "root/machine/pve-calls", "var/log", "dev"];

#[test]
fn four_nodes_in_batches_one_of_which_fails() {
    with_own_mounts("fleet::four_nodes_in_batches_one_of_which_fails", || {
        let tools = ["ansible-playbook", "ip", "nsenter", "setpriv", "ssh", "ssh-keygen", "strip"];
        if !tools.into_iter().all(have) {
            return;
        }
        let Some(roots) = Roots::open() else { return };
        let Some(pristine) = roots.layered(Release::Debian12, LAYER) else { return };
        let mut kit = Kit::new();
        let content = Content {
            release: Release::Debian12,
            drivers: vec![DRIVER],
            packages: Vec::new(),
            patched: Patched::No,
            unlock: Vec::new(),
            wants: wants(),
        };
        let bundle = content.bundle(&mut kit, 1);
        let network = Network::new();
        let control = Control::new(&network, kit, bundle);
        let key = control.ssh_key();
        let start = |identity| Server::start(identity, pristine.fresh(), &network, &key);
        let servers = NODES.map(start);
        servers.iter().for_each(Server::wait);
        control.enroll(&servers);

        changes_nothing_in_check_mode(&control, &servers);
        names_running_guests(&control, &servers);
        stops_at_the_node_that_fails(&control, &servers);
        completes_the_rest(&control, &servers);
    });
}

/// Checks the recap of a node: its counts of `changed`, if given, and `failed`.
fn counts(recap: &Recap, name: &str, changed: Option<u32>, failed: u32) {
    let counts = recap.get(name).unwrap_or_else(|| panic!("{name}: {recap:?}"));
    assert_eq!((counts["failed"], counts["unreachable"]), (failed, 0), "{name}: {recap:?}");
    if let Some(changed) = changed {
        assert_eq!(counts["changed"], changed, "{name}: {recap:?}");
    }
}

/// Before and after `--tags prepare`, which changes only the role's folder and the trust.
fn changes_nothing_in_check_mode(control: &Control<'_>, servers: &[Server; 4]) {
    let root = &servers[0].root;
    let picture = || root.snapshot(&NOT_OF_THE_ROLE);
    let before = picture();
    let (recap, said) = control.play(&["--check", "--diff", "-e", "vgpu_serial=4"], 0);
    assert!(said.out.contains("pve4 has no plan yet"), "{}", said.out);
    assert_eq!(before.differences(&picture()), [""; 0]);
    counts(&recap, "pve1", None, 0);

    control.play(&["--tags", "prepare", "-e", "vgpu_serial=4"], 0);
    let prepared = picture();
    let ours = ["root/vgpu-offline", "etc/vgpu-offline", "var/lib/vgpu-offline"];
    let mut others = before.differences(&prepared);
    others.retain(|line| !ours.iter().any(|path| line.starts_with(path)));
    assert_eq!(others, [""; 0]);

    let (recap, said) = control.play(&["--check", "--diff", "-e", "vgpu_serial=4"], 0);
    let step = format!("+after the reboot: install the driver {DRIVER}");
    assert!(said.out.contains(&step), "{}", said.out);
    assert_eq!(prepared.differences(&picture()), [""; 0]);
    for server in servers {
        // The plan, and no more.
        counts(&recap, server.name, Some(1), 0);
    }
}

/// Returns a running guest of a stand-in.
fn guest(kind: &str, vmid: u32, name: &str, ha: bool) -> Value {
    json!({ "kind": kind, "vmid": vmid, "name": name, "status": "running", "ha": ha })
}

/// A guest that HA does not move stops a node before any change.
fn names_running_guests(control: &Control<'_>, servers: &[Server; 4]) {
    servers[0].set_guests(&[guest("qemu", 100, "db", true)]);
    servers[1].set_guests(&[guest("qemu", 101, "web", false)]);
    let (recap, said) = control.play(&["--limit", "pve2,localhost"], 2);
    assert!(said.out.contains("these guests run on pve2: VM 101 (web)"), "{}", said.out);
    counts(&recap, "pve2", Some(0), 1);
    assert_eq!(servers[1].reboots(), 0);
    assert!(!servers[1].root.at("/usr/local/sbin/vgpu-installer").exists());
    assert_eq!(servers[1].changes_of_guests(), [""; 0]);
}

/// The headers of the third node are damaged, so DKMS fails there, after the reboot.
fn stops_at_the_node_that_fails(control: &Control<'_>, servers: &[Server; 4]) {
    let [first, second, third, fourth] = servers;
    damage(third, true);
    let untouched = fourth.root.snapshot(&NOT_OF_THE_ROLE);
    let (recap, said) =
        control.play(&["-e", "vgpu_guests=shutdown", "-e", "vgpu_report_sign=true"], 2);
    counts(&recap, "pve1", None, 0);
    counts(&recap, "pve2", None, 0);
    counts(&recap, "pve3", None, 1);
    assert!(!recap.contains_key("pve4"), "{recap:?}");
    assert!(said.out.contains("the node is not proven: interrupted"), "{}", said.out);
    assert_eq!(untouched.differences(&fourth.root.snapshot(&NOT_OF_THE_ROLE)), [""; 0]);
    assert_eq!(servers.each_ref().map(Server::reboots), [1, 1, 1, 0]);

    // HA moved one guest; the role shut the other down, and started it again.
    let maintenance =
        |switch: &str| format!("ha-manager crm-command node-maintenance {switch} pve1");
    assert_eq!(first.changes_of_guests(), [maintenance("enable"), maintenance("disable")]);
    assert_eq!(second.changes_of_guests(), ["qm shutdown 101 --timeout 600", "qm start 101"]);
    for server in [first, second] {
        let loaded = server.text("/sys/module/nvidia/version");
        assert_eq!(loaded.trim(), DRIVER, "{}", server.name);
    }

    let names: Vec<_> =
        control.reports().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    let of = |name: &str| [format!("{name}.json"), format!("{name}.json.sig")];
    assert_eq!(names, [of("pve1"), of("pve2"), of("pve3")].concat());
    fs::remove_file(control.reports().pop().unwrap()).unwrap();
}

/// A second run changes nothing on completed nodes; once the headers are repaired, it completes the
/// others.
fn completes_the_rest(control: &Control<'_>, servers: &[Server; 4]) {
    let (recap, _) = control.play(&["--limit", "pve1,pve2", "-e", "vgpu_serial=2"], 0);
    counts(&recap, "pve1", Some(0), 0);
    counts(&recap, "pve2", Some(0), 0);

    damage(&servers[2], false);
    let fourth = &servers[3];
    fourth.set_guests(&[guest("qemu", 102, "app", false), guest("lxc", 103, "dns", false)]);
    let (recap, said) = control.play(&["-e", "vgpu_require_equal=true", "-e", "vgpu_serial=2"], 0);
    counts(&recap, "pve1", Some(0), 0);
    counts(&recap, "pve2", Some(0), 0);
    counts(&recap, "pve3", None, 0);
    counts(&recap, "pve4", None, 0);
    assert!(said.out.contains("4 nodes are the same"), "{}", said.out);
    assert!(said.out.contains("migrate: VM 102 (app), container 103 (dns)"), "{}", said.out);
    let moves = ["qm migrate 102 pve1 --online", "pct migrate 103 pve1 --restart"];
    assert_eq!(fourth.changes_of_guests(), moves);

    // One name for the GPUs of all nodes, because they are at the same address.
    let mappings = control.mappings();
    let [nodes, create, _] = mappings.lines().collect::<Vec<_>>()[..] else { panic!("{mappings}") };
    assert_eq!(nodes, "# vgpu-0000-81-00-0: pve1, pve2, pve3, pve4");
    let start =
        "pvesh create /cluster/mapping/pci --id vgpu-0000-81-00-0 --mdev 1 --map node=pve1,";
    assert!(create.starts_with(start) && create.matches("--map ").count() == 4, "{create}");

    let (recap, _) = control.play(&["-e", "vgpu_serial=100%"], 0);
    for server in servers {
        counts(&recap, server.name, Some(0), 0);
    }
}

/// The line that damages a header.
const DAMAGE: &str = "\n#error \"damaged by the test\"\n";

/// Damages, or repairs, a header of the kernel of a node.
fn damage(server: &Server, is_damaged: bool) {
    let folder = server.root.at("/usr/src").read_dir_utf8().unwrap();
    let paths = folder.map(|entry| entry.unwrap().path().join("include/linux/module.h"));
    let header = paths.into_iter().find(|path| path.exists()).expect("headers");
    let text = fs::read_to_string(&header).unwrap().replace(DAMAGE, "");
    fs::write(&header, if is_damaged { text + DAMAGE } else { text }).unwrap();
}
