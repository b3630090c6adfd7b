//! A whole installation under strace: no program on the node opens a network socket.
//!
//! The trace has every system call of the network that the kernel let pass, of the installer and of
//! all its descendants: apt, maintainer scripts, DKMS, the compiler, the driver's installer. A call
//! that the installer's own filter denies opens nothing and is not in it; a hook of a package tries.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use vgpu_tests::roots::{Release, with_own_mounts};
use vgpu_tests::skip::have;

use super::bundle::{Content, Patched, packages, wants};
use super::machine::{A40, Loader, Machine, PVE1};
use super::native::is_built;
use super::sockets::{Socket, sockets};
use super::stage::{Stage, each, toolchain};
use super::watch::Watch;

const CALLS: [&str; 2] = ["--trace=%network", "--decode-pids=comm"];

/// The only families on the node, and the reason. They stay within the machine.
const ALLOWED: [(&str, &str); 1] = [(
    "AF_UNIX",
    "the C library asks nscd for users and groups, and Rust passes pidfds of children",
)];

/// A hook of kernel headers, which dpkg runs in phase 1. It tries to reach a network and writes what the
/// kernel answers.
const HOOK: &str = "/etc/kernel/header_postinst.d/zz-network";

const TRIES: &str = "#!/usr/bin/python3
import errno, socket
for family in ('AF_INET', 'AF_INET6', 'AF_PACKET'):
    try:
        socket.socket(getattr(socket, family), socket.SOCK_DGRAM)
        answer = 'opened'
    except OSError as error:
        answer = errno.errorcode[error.errno]
    with open('/root/tried', 'a') as file:
        print(family, answer, file=file)
";

#[test]
fn a_whole_installation_opens_no_network_socket() {
    with_own_mounts("modes::offline::a_whole_installation_opens_no_network_socket", || {
        if !have("strace") {
            return;
        }
        let machine = |_| Machine { cards: &[A40], loader: Loader::Grub, identity: PVE1 };
        each(&[Release::Debian12], machine, |release, roots, stage, kit| {
            stage.begin(&format!("offline-debian{}", release.number()));
            let version = "550.163.02";
            let packages = packages(kit, &toolchain(roots, release));
            let (drivers, unlock, wants) = (vec![version], Vec::new(), wants());
            let content =
                Content { release, drivers, packages, patched: Patched::No, unlock, wants };
            stage.site.insert(&content.bundle(kit, 1));
            stage.root().write(HOOK, TRIES);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(stage.root().at(HOOK), mode).unwrap();
            stage.remember();
            stage.watch = Some(Watch::new(&CALLS));

            let bundle = stage.site.bundle();
            stage.run(&["plan", bundle.as_str()], 0);
            opens_none(stage);
            stage.apply(&[], 10);
            opens_none(stage);
            let tried = fs::read_to_string(stage.root().at("/root/tried")).unwrap();
            assert_eq!(
                tried,
                "AF_INET EAFNOSUPPORT\nAF_INET6 EAFNOSUPPORT\nAF_PACKET EAFNOSUPPORT\n"
            );
            let said = stage.reboot(0);
            assert!(said.contains(&format!("install the driver {version}:")), "{said}");
            opens_none(stage);
            is_built(stage, version);
            for words in [&["status"][..], &["report"], &["check", bundle.as_str()]] {
                stage.run(words, 0);
                opens_none(stage);
            }
            stage.run(&["revert", "--yes"], 10);
            opens_none(stage);
            fs::remove_file(stage.root().at("/root/tried")).unwrap();
            stage.is_as_before_but_for_ours();

            // The same trace shows a program that has no filter.
            let none = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)";
            stage.program(&["sh", "-c", &format!("python3 -c '{none}'")]);
            let socket = Socket { program: "python3".to_owned(), family: "AF_INET".to_owned() };
            assert!(found(stage).contains(&socket), "{:?}", found(stage));
        });
    });
}

fn found(stage: &Stage) -> BTreeSet<Socket> {
    sockets(&stage.watch.as_ref().unwrap().last())
}

/// Checks the sockets of the last command, and notes a line of the trace for each.
fn opens_none(stage: &mut Stage) {
    let trace = stage.watch.as_ref().unwrap().last();
    for socket in found(stage) {
        let is_it = |line: &&str| sockets(line).contains(&socket);
        let line = trace.lines().find(is_it).unwrap_or_default().to_owned();
        stage.note(&format!("# {line}\n"));
        assert!(ALLOWED.iter().any(|(family, _)| socket.family == *family), "{line}");
    }
}
