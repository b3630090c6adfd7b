//! Nodes with false, recursive and oversized facts.

use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vgpu_manifest::inventory::{Inventory, KernelPart, MAX_LIST, Subscription};
use vgpu_tests::nodes::{Node, Root};

use crate::inventory::machinery::{Machinery, path};

/// Makes a node hostile, and checks that these files are named and the document is valid.
fn hostile(break_it: impl FnOnce(&mut Root), expected: &[&str]) -> Inventory {
    let machine = Machinery::of(Node::TeslaT4);
    break_it(&mut machine.root());
    let start = Instant::now();
    let inventory = machine.inventory();
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    let unread: Vec<_> = inventory.unread.iter().map(|one| one.path.as_path().as_str()).collect();
    assert_eq!(unread, expected, "{:#?}", inventory.unread);
    let json = inventory.to_json().unwrap();
    assert!(json.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "{json}");
    Inventory::from_json(json.as_bytes()).unwrap();
    inventory
}

const T4: &str = "/sys/bus/pci/devices/0000:01:00.0";

fn replace(root: &mut Root, path: &str, content: impl AsRef<[u8]>) {
    fs::remove_file(root.at(path)).unwrap();
    root.file(path, content).unwrap();
}

#[test]
fn loops_and_huge_files_are_named_and_do_not_stop_it() {
    let inventory = hostile(
        |root| {
            fs::remove_file(root.at("/proc/cpuinfo")).unwrap();
            root.link("/proc/cpuinfo", "cpuinfo").unwrap();
            fs::remove_file(root.at("/proc/cmdline")).unwrap();
            root.link("/proc/cmdline", "/dev").unwrap();
            let huge = fs::File::create(root.at("/etc/debian_version")).unwrap();
            huge.set_len(1 << 40).unwrap();
        },
        &["/etc/debian_version", "/proc/cmdline", "/proc/cpuinfo"],
    );
    assert_eq!(inventory.os.debian, None);
}

#[test]
fn a_link_out_of_the_root_leads_nowhere() {
    let outside = TempDir::new().unwrap();
    let secret = path(&outside).join("secret");
    fs::write(&secret, "9.9\n").unwrap();
    let inventory = hostile(
        |root| {
            fs::remove_file(root.at("/etc/debian_version")).unwrap();
            root.link("/etc/debian_version", secret.as_str()).unwrap();
            fs::remove_file(root.at("/etc/os-release")).unwrap();
            let up = format!("{}{secret}", "../".repeat(30));
            root.link("/etc/os-release", &up).unwrap();
        },
        &[],
    );
    assert_eq!((inventory.os.debian, inventory.os.id), (None, None));
}

#[test]
fn control_characters_and_broken_text_never_get_out() {
    let inventory = hostile(
        |root| {
            replace(root, "/usr/lib/os-release", b"ID=\x1b[2J\nVERSION_CODENAME=\xff\xfe\n");
            replace(root, "/etc/debian_version", b"12\x07\xff\n");
            replace(root, "/proc/sys/kernel/osrelease", "6.8.12-43-pve\u{202e}\n");
            root.file("/etc/kernel/proxmox-boot-pin", "../../etc\n").unwrap();
            root.file("/boot/vmlinuz-\u{7}", "").unwrap();
            root.dir("/usr/lib/modules/not-a-kernel").unwrap();
        },
        &[
            "/boot",
            "/etc/kernel/proxmox-boot-pin",
            "/etc/os-release",
            "/etc/os-release",
            "/lib/modules",
            "/proc/sys/kernel/osrelease",
        ],
    );
    assert_eq!(inventory.os.debian.unwrap().as_str(), "12??");
    assert_eq!(inventory.kernels.running, None);
}

#[test]
fn a_name_that_is_not_utf_8_hides_a_folder_and_is_said() {
    use std::os::unix::ffi::OsStrExt as _;

    let name = std::ffi::OsStr::from_bytes(b"vmlinuz-6.8.12\xff");
    let inventory = hostile(
        |root| fs::write(root.at("/boot").as_std_path().join(name), "").unwrap(),
        &["/boot"],
    );
    assert!(!inventory.kernels.installed[0].has.contains(&KernelPart::Image));
}

#[test]
fn a_strange_device_is_named_and_the_others_are_seen() {
    let inventory = hostile(
        |root| {
            replace(root, &format!("{T4}/class"), "display\n");
            root.link("/sys/bus/pci/devices/nonsense", "0000:01:00.0").unwrap();
            fs::remove_file(root.at("/sys/bus/pci/devices/0000:00:02.0/driver")).unwrap();
            root.link("/sys/bus/pci/devices/0000:00:02.0/driver", "a driver").unwrap();
            root.link("/sys/bus/pci/devices/0000:00:02.0/physfn", "0000:00:02.0").unwrap();
        },
        &[
            "/sys/bus/pci/devices",
            "/sys/bus/pci/devices/0000:00:02.0",
            "/sys/bus/pci/devices/0000:00:02.0/driver",
            "/sys/bus/pci/devices/0000:01:00.0/class",
        ],
    );
    assert!(inventory.gpus.is_empty());
}

#[test]
fn broken_variables_sources_and_records_are_counted_and_named() {
    let efivars = "/sys/firmware/efi/efivars";
    let secure_boot = format!("{efivars}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
    let db = format!("{efivars}/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f");
    let inventory = hostile(
        |root| {
            replace(root, &secure_boot, b"\x01");
            root.file(&db, [&[7, 0, 0, 0][..], &[0xff; 64]].concat()).unwrap();
            root.file("/etc/subscription", "pve1c-0123456789\n").unwrap();
            root.file("/etc/apt/sources.list.d/a.list", "deb \u{1b}[2J x\n").unwrap();
            root.file("/etc/apt/sources.list.d/b.sources", "Types: deb\n").unwrap();
            replace(root, "/var/lib/dpkg/status", "Package: a\n\nPackage: b\nStatus: x y z\n");
        },
        &[
            "/etc/apt/sources.list.d/a.list",
            "/etc/apt/sources.list.d/b.sources",
            "/etc/subscription",
            &secure_boot,
            &db,
            "/var/lib/dpkg/status",
        ],
    );
    assert_eq!(inventory.subscription, Subscription::Inactive);
    assert_eq!(inventory.packages, []);
    let why = inventory.unread.last().unwrap().why.as_str();
    assert_eq!(why, "2 stanzas do not describe a package");
}

#[test]
fn lists_without_end_are_cut_and_the_document_is_still_one() {
    let many = MAX_LIST + 10;
    let inventory = hostile(
        |root| {
            replace(root, "/proc/cmdline", "pci=nommconf ".repeat(many));
            let source = "deb http://a.example/ x/\n".repeat(many);
            root.file("/etc/apt/sources.list", source).unwrap();
            let package = |n| {
                format!(
                    "Package: p{n}\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"
                )
            };
            replace(root, "/var/lib/dpkg/status", (0..many).map(package).collect::<String>());
        },
        &["/etc/apt", "/proc/cmdline", "/var/lib/dpkg/status"],
    );
    assert_eq!((inventory.packages.len(), inventory.apt_sources.len()), (MAX_LIST, MAX_LIST));
}
