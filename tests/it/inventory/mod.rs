//! Inventories of simulated nodes, from files only.
//!
//! The expected documents are in `golden/`; `VGPU_GOLDEN=write cargo test` writes them again.

mod hostile;
mod machinery;

use std::fs;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use vgpu_installer::host::{Exec, RealHost};
use vgpu_installer::{Serials, inventory};
use vgpu_manifest::inventory::{
    Function, Inventory, IommuState, KernelPart, LeftoverKind, Machine, Subscription, VgpuInterface,
};
use vgpu_manifest::platform::{BootLoader, BootSync, Firmware, RootFs, SecureBoot};
use vgpu_tests::nodes::Node;

use crate::inventory::machinery::{Machinery, nodes, of};

#[test]
fn every_node_says_what_is_expected() {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("it/inventory/golden");
    let write = std::env::var_os("VGPU_GOLDEN").is_some_and(|value| value == "write");
    for (node, machine) in nodes() {
        let json = machine.inventory().to_json().unwrap();
        let golden: Utf8PathBuf = folder.join(format!("{}.json", node.name()));
        if write {
            fs::write(&golden, &json).unwrap();
        }
        let expected = fs::read_to_string(&golden).unwrap();
        assert!(json == expected, "{golden} differs from what {} says:\n{json}", node.name());
    }
}

#[test]
fn a_second_look_yields_the_same_bytes_and_reads_back() {
    for (node, machine) in nodes() {
        let first = machine.inventory();
        let json = first.to_json().unwrap();
        assert_eq!(json, machine.inventory().to_json().unwrap(), "{}", node.name());
        assert_eq!(Inventory::from_json(json.as_bytes()).unwrap(), first, "{}", node.name());
        assert_eq!(first.unread, [], "{}", node.name());
    }
    let other = Machinery::of(Node::A40);
    assert_eq!(of(Node::A40).to_json().unwrap(), other.inventory().to_json().unwrap());
}

#[test]
fn nothing_that_names_the_node_leaves_it_unless_asked() {
    for (node, machine) in nodes() {
        let json = machine.inventory().to_json().unwrap();
        for secret in
            ["secret-name", "SERIAL-", "GPU-0000", "pve1c-", "password", "00000001", "pve-root"]
        {
            assert!(!json.contains(secret), "{} tells {secret}", node.name());
        }
    }
    let machine = Machinery::of(Node::A40);
    let identity = inventory(&machine, Serials::Include).identity.unwrap();
    assert_eq!(identity.host_name.unwrap().as_str(), "secret-name");
    assert_eq!(identity.machine_serial.unwrap().as_str(), "SERIAL-1");
    assert_eq!(identity.board_serial.unwrap().as_str(), "SERIAL-2");
    assert_eq!(identity.gpu_uuids.len(), 1);
}

#[test]
fn boot_loaders_are_told_apart_by_evidence() {
    let boot = |node| {
        let boot = of(node).boot;
        (boot.firmware, boot.loader, boot.sync, boot.secure_boot)
    };
    let (grub, systemd) = (Some(BootLoader::Grub), Some(BootLoader::SystemdBoot));
    let (direct, managed) = (BootSync::Direct, BootSync::ProxmoxBootTool);
    assert_eq!(boot(Node::TwoP40), (Firmware::Bios, grub, direct, SecureBoot::Unsupported));
    assert_eq!(boot(Node::TeslaT4), (Firmware::Uefi, grub, direct, SecureBoot::Disabled));
    assert_eq!(boot(Node::A40), (Firmware::Uefi, systemd, managed, SecureBoot::Disabled));
    assert_eq!(boot(Node::A2AndGt710), (Firmware::Uefi, systemd, managed, SecureBoot::Disabled));
    assert_eq!(boot(Node::L40s), (Firmware::Uefi, grub, direct, SecureBoot::Enabled));
}

#[test]
fn virtual_functions_are_no_gpus_of_their_own() {
    let inventory = of(Node::A40);
    let [gpu, display] = inventory.gpus.as_slice() else { panic!("{:#?}", inventory.gpus) };
    assert_eq!((gpu.class.function(), display.class.function()), (Function::Gpu3d, Function::Vga));
    let sr_iov = gpu.sr_iov.as_ref().unwrap();
    assert_eq!((sr_iov.total, sr_iov.current, sr_iov.functions.len()), (32, 16, 16));
    assert_eq!(sr_iov.functions[4].address.to_string(), "0000:81:01.0");
    assert!(sr_iov.functions.iter().all(|one| one.vgpu == Some(VgpuInterface::Vendor)));
    assert_eq!(inventory.iommu_groups.len(), 2 + 16);
}

#[test]
fn a_group_names_everything_that_goes_with_a_gpu() {
    let inventory = of(Node::Rtx2080Ti);
    let group = &inventory.iommu_groups[0];
    let ids: Vec<_> =
        group.members.iter().map(|one| one.id.without_subsystem().to_string()).collect();
    assert_eq!(ids, ["8086:1901", "10de:1e07", "10de:10f7", "10de:1ad6", "10de:1ad7"]);
    assert_eq!(group.members[0].class.function(), Function::Bridge);
    assert_eq!(group.members[3].driver.as_ref().unwrap().as_str(), "xhci_hcd");
}

#[test]
fn the_machine_under_it_all_is_seen() {
    assert_eq!(of(Node::TwoP40).iommu, IommuState::Off);
    assert_eq!(of(Node::TeslaT4).iommu, IommuState::On);
    let vm = of(Node::H200InVm);
    assert_eq!(
        (vm.cpu.machine, vm.os.pve, vm.root.kind),
        (Machine::Virtual, None, Some(RootFs::Xfs))
    );
    assert_eq!(of(Node::Rtx2080Ti).subscription, Subscription::Active);
    let pool = of(Node::A40).root.pool.unwrap();
    assert!(
        pool.features_at_most.iter().any(|one| one.as_str() == "com.truenas:block_cloning_endian")
    );
    let p4 = of(Node::TeslaP4);
    assert_eq!(p4.gpus[0].bars[1].resizable_to.last(), Some(&(16 << 30)));
    let l40s = of(Node::L40s);
    let enrolled = l40s.boot.keys.iter().filter(|key| Some(key.fingerprint) == l40s.boot.dkms_key);
    assert_eq!((l40s.boot.keys.len(), enrolled.count()), (5, 1));
    let headers =
        |inventory: &Inventory| inventory.kernels.installed[0].has.contains(&KernelPart::Headers);
    assert!(headers(&l40s) && !headers(&p4));
}

#[test]
fn what_the_script_left_is_named() {
    let found: Vec<_> = of(Node::ScriptLeftovers).leftovers;
    let missing: Vec<_> = LeftoverKind::ALL
        .iter()
        .filter(|kind| !kind.is_of_passthrough())
        .filter(|kind| !found.iter().any(|leftover| leftover.kind == **kind))
        .collect();
    assert_eq!(missing, [&LeftoverKind::SourceBackup], "which only PVE 9 gets");
    for node in Node::ALL.into_iter().filter(|node| *node != Node::ScriptLeftovers) {
        assert_eq!(of(node).leftovers, [], "{}", node.name());
    }
}

#[test]
fn an_empty_folder_is_a_host_of_which_nothing_is_known() {
    let inventory = Machinery::empty().inventory();
    assert_eq!((inventory.os.pve, inventory.kernels.running.as_ref()), (None, None));
    assert!(inventory.gpus.is_empty() && inventory.unread.is_empty());
    inventory.to_json().unwrap();
}

/// The time limit of an inventory, on a node with as many packages as a large one has.
#[test]
fn a_look_at_a_large_node_is_quick() {
    let machine = Machinery::of(Node::A40);
    let filler = " a line of a description, of which records have many\n".repeat(25);
    let record = |n| {
        format!(
            "Package: package-{n}\nStatus: install ok installed\nMaintainer: a maintainer\n\
             Architecture: amd64\nVersion: 1.{n}\nDescription: x\n{filler}\n"
        )
    };
    let status: String = (0..2_000).map(record).collect();
    let size = status.len();
    machine.root().file("/var/lib/dpkg/status", status).unwrap();
    let measure = |_| {
        let start = Instant::now();
        let json = machine.inventory().to_json().unwrap();
        assert!(json.contains("package-1999"));
        start.elapsed()
    };
    let mut times: Vec<_> = (0..5).map(measure).collect();
    times.sort();
    eprintln!("an inventory with a status of {size} bytes: {:?}", times[2]);
    // Test builds are not optimized, and other tests run in parallel; release builds are faster.
    assert!(times[2] < Duration::from_secs(2), "{times:?}");
}

#[test]
fn this_very_machine_can_be_looked_at() {
    let host = RealHost::open(Utf8Path::new("/"), Exec::Record).unwrap();
    let start = Instant::now();
    let inventory = inventory(&host, Serials::LeaveOut);
    eprintln!("an inventory of this machine: {:?}", start.elapsed());
    let json = inventory.to_json().unwrap();
    assert_eq!(Inventory::from_json(json.as_bytes()).unwrap(), inventory);
    assert!(inventory.root.kind.is_some() && inventory.kernels.running.is_some(), "{json}");
}
