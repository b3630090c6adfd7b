//! Objects that were changed outside vgpu-installer are kept and listed.

use vgpu_manifest::inventory::{Among, Leftover, LeftoverKind, LeftoverLine};

use super::*;
use crate::journal::{Kept, Why};
use crate::step::ClearLeftovers;

fn names(kept: &[Kept]) -> Vec<(String, Why)> {
    kept.iter().map(|kept| (kept.what.to_string(), kept.why)).collect()
}

fn applied() -> World {
    let mut world = World::new(&host());
    carry_out(&mut world, &example()).unwrap();
    world
}

#[test]
fn a_file_that_was_edited_or_removed_stays_as_it_is() {
    let mut world = applied();
    world.host.place("/etc/modprobe.d/vgpu-offline.conf", "mine\n");
    world.host.place("/etc/a/b/admin.conf", "mine\n");
    world.host.nodes.remove(&fixed("/usr/local/sbin/vgpu-installer"));
    let kept = world.revert().unwrap();

    assert_eq!(world.host.text_of("/etc/modprobe.d/vgpu-offline.conf").unwrap(), "mine\n");
    assert_eq!(world.host.text_of("/etc/a/b/admin.conf").unwrap(), "mine\n");
    assert_eq!(world.host.text_of("/etc/a/b/c.conf"), None);
    let expected = [
        ("/etc/modprobe.d/vgpu-offline.conf", Why::Changed),
        ("/etc/a/b", Why::NotEmpty),
        ("/etc/a", Why::NotEmpty),
        ("/usr/local/sbin/vgpu-installer", Why::Removed),
    ];
    assert_eq!(names(&kept), expected.map(|(path, why)| (path.to_owned(), why)));
    assert_eq!(world.log.transactions().unwrap()[0].kept, kept);
    assert!(world.host.text_of("/boot/initrd.img").unwrap().contains("mine"));
}

#[test]
fn a_change_of_permissions_or_owner_alone_counts_as_a_change() {
    let mut world = applied();
    let path = "/etc/systemd/system/vgpu.service";
    let meta = Meta { uid: 3, ..Meta::root(Mode::FILE) };
    world.host.place_as(path, UNIT.as_bytes(), meta);
    assert_eq!(names(&world.revert().unwrap()), [(path.to_owned(), Why::Changed)]);
}

#[test]
fn only_own_parameters_leave_a_kernel_command_line_that_was_edited_since() {
    let mut world = applied();
    let line = "root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt mitigations=off\n";
    world.host.place("/etc/kernel/cmdline", line);
    let kept = world.revert().unwrap();
    assert_eq!(names(&kept), [("/etc/kernel/cmdline".to_owned(), Why::WordsTakenOut)]);
    let expected = "root=ZFS=rpool/ROOT/pve-1 boot=zfs mitigations=off\n";
    assert_eq!(world.host.text_of("/etc/kernel/cmdline").unwrap(), expected);
    let entry = world.host.text_of("/boot/efi/loader/entries/pve.conf").unwrap();
    assert_eq!(entry, format!("options {expected}"));
}

#[test]
fn a_word_that_was_there_before_us_stays() {
    let mut host = host();
    host.place("/etc/kernel/cmdline", "root=x iommu=pt\n");
    rebuild(&mut host);
    let mut world = World::new(&host);
    carry_out(&mut world, &example()).unwrap();
    assert_eq!(
        world.host.text_of("/etc/kernel/cmdline").unwrap(),
        "root=x iommu=pt intel_iommu=on\n"
    );
    world.host.place("/etc/kernel/cmdline", "root=x iommu=pt intel_iommu=on quiet\n");
    world.revert().unwrap();
    assert_eq!(world.host.text_of("/etc/kernel/cmdline").unwrap(), "root=x iommu=pt quiet\n");
}

#[test]
fn a_directory_that_was_replaced_since_does_not_stop_a_revert() {
    let mut host = host();
    host.place("/srv/d/x", "old\n");
    let mut world = World::new(&host);
    carry_out(&mut world, &Plan::new(vec![place("/srv/d/x", "new\n")], Vec::new())).unwrap();
    world.host.nodes.remove(&fixed("/srv/d/x"));
    world.host.place("/srv/d", "now a file\n");
    assert_eq!(names(&world.revert().unwrap()), [("/srv/d/x".to_owned(), Why::Removed)]);
}

#[test]
fn what_an_earlier_installation_left_comes_back_with_a_revert() {
    let leftover = |kind, path: &str| Leftover::at(kind, fixed(path));
    let (conf, wish) =
        ("/etc/modprobe.d/vfio.conf", "/etc/systemd/system/multi-user.target.wants/vf.service");
    let line = Some(LeftoverLine::new(1, "options vfio-pci ids=10de:1eb8", Among::Leftovers));
    let left = [
        leftover(LeftoverKind::UdevRules, "/etc/udev/rules.d/90-vfio-pci.rules"),
        leftover(LeftoverKind::ModulesVirqfd, "/etc/modules"),
        Leftover { line, ..leftover(LeftoverKind::VfioIds, conf) },
        leftover(LeftoverKind::SriovUnit, wish),
    ];
    let mut before = host();
    before.place(conf, "options vfio-pci ids=10de:1eb8\n");
    before.place(wish, "[Service]\n");
    before.place("/etc/udev/rules.d/90-vfio-pci.rules", "KERNELS==\"0000:02:00.0\"\n");
    before.place("/etc/modules", "loop\nvfio_virqfd\n");
    let step = ClearLeftovers::in_the_way(&left).unwrap();
    let plan = Plan::new(vec![Step::ClearLeftovers(step)], vec![]);
    let mut world = World::new(&before);
    carry_out(&mut world, &plan).unwrap();
    assert_eq!(world.host.text_of("/etc/udev/rules.d/90-vfio-pci.rules"), None);
    assert_eq!(world.host.text_of("/etc/modules").unwrap(), "loop\n");
    assert_eq!((world.host.text_of(conf), world.host.text_of(wish)), (None, None));
    assert_eq!(world.revert().unwrap(), []);
    // The simulated initramfs is that of a host without these files.
    let derived = ["/boot", "/run"];
    assert_eq!(world.host.picture(&derived), before.picture(&derived));
}
