//! Derived state of what the host boots from: rebuilt once a phase, by apt's triggers, the boot
//! loader's tool and the installer together.

use super::*;
use crate::act::tests::packages::{bytes, file};
use crate::journal::{Settling, stale};
use crate::kernel::pin::{ESPS, PIN, PIN_NEXT};
use crate::step::{InstallPackages, PinKernel};
use vgpu_manifest::package::PackageReason;

const OLD: &str = "6.8.12-4-pve";
const NEXT: &str = "6.14.11-2-pve";
const SNIPPET: &str = "/etc/default/grub.d/proxmox-kernel-pin.cfg";
const AUTOREMOVAL: &str = "/etc/apt/apt.conf.d/76pveconf";

/// A node with three kernels, and a package in the store that activates the trigger of
/// `initramfs-tools`.
fn node() -> MemHost {
    let mut host = host();
    for path in [
        "/usr/sbin/proxmox-boot-tool",
        "/etc/default/grub.d/init-select.cfg",
        "/etc/apt/apt.conf.d/01autoremove",
        "/usr/share/bash",
    ] {
        host.place(path, "");
    }
    for kernel in [OLD, NEXT, "6.17.13-1-pve"] {
        host.place(&format!("/boot/vmlinuz-{kernel}"), "");
    }
    let package = bytes("zfs-initramfs", "2.3", "");
    host.place(state::stored(Content::of(package.as_bytes()).id).as_path().as_str(), &package);
    host.with_package("bash", "5.2", "manual")
}

fn pin() -> Step {
    Step::PinKernel(PinKernel { kernel: OLD.parse().unwrap(), pool: None })
}

/// Everything that makes the boot configuration stale.
fn all() -> Plan {
    let files = vec![file("zfs-initramfs", "2.3", PackageReason::Requested, "")];
    let words = vec!["iommu=pt".parse().unwrap()];
    Plan::new(
        vec![
            Step::InstallPackages(InstallPackages { files }),
            pin(),
            Step::ModprobeOptions(ModprobeOptions {
                lines: vec!["blacklist nouveau".parse().unwrap()],
            }),
            Step::KernelCommandLine(KernelCommandLine { words, loaders: vec![BootLoader::Grub] }),
        ],
        Vec::new(),
    )
}

#[test]
fn each_thing_is_rebuilt_once_a_phase() {
    let images = "update-initramfs";
    let refresh = "proxmox-boot-tool refresh";
    let mut esps = node();
    esps.place(ESPS, "1234-ABCD\n");
    // On ESPs with GRUB, `refresh` runs `update-grub` on each.
    for (before, rebuilt) in
        [(node(), vec![images, "update-grub", refresh]), (esps, vec![images, refresh])]
    {
        let mut world = World::new(&before);
        carry_out(&mut world, &all()).unwrap();
        assert_eq!(world.host.rebuilt, rebuilt, "{:?}", world.host.ran);
        assert_eq!(world.host.text_of(AUTOREMOVAL).unwrap(), format!("{OLD}\n"));
        world.host.rebuilt.clear();
        assert_eq!(world.revert().unwrap(), []);
        assert_eq!(world.host.rebuilt, rebuilt, "{:?}", world.host.ran);
        assert_eq!(world.host.picture(&[]), before.picture(&[]));
    }
}

#[test]
fn a_held_trigger_is_made_up_for_also_where_nothing_else_is_stale() {
    let files = vec![file("zfs-initramfs", "2.3", PackageReason::Requested, "")];
    let plan = Plan::new(vec![Step::InstallPackages(InstallPackages { files })], Vec::new());
    let mut world = World::new(&node());
    carry_out(&mut world, &plan).unwrap();
    assert_eq!(world.host.rebuilt, ["update-initramfs"]);
    let due = state::initramfs_due();
    assert!(!world.host.nodes.contains_key(&*due));

    // The mark outlives a power cut before the end of the phase.
    world.host.place(due.as_path().as_str(), "");
    assert_eq!(stale(&world.host, &world.log).unwrap(), [Derived::Initramfs].into());
    world.host.rebuilt.clear();
    carry_out(&mut world, &plan).unwrap();
    assert_eq!(world.host.rebuilt, ["update-initramfs"]);
    assert!(!world.host.nodes.contains_key(&*due));
}

/// Without ESPs `kernel pin` leaves apt's list as it is, and autoremoval would remove the kernel.
#[test]
fn a_pinned_kernel_is_kept_from_autoremoval() {
    let mut world = World::new(&node());
    carry_out(&mut world, &Plan::new(vec![pin()], Vec::new())).unwrap();
    assert_eq!(world.host.text_of(AUTOREMOVAL).unwrap(), format!("{OLD}\n"));
    assert_eq!(world.host.text_of(SNIPPET).unwrap(), format!("GRUB_DEFAULT=\"{OLD}\"\n"));
    world.revert().unwrap();
    assert_eq!([AUTOREMOVAL, SNIPPET].map(|path| world.host.text_of(path)), [None, None]);
}

/// `proxmox-boot-cleanup.service` runs `kernel unpin --next-boot` after the boot.
#[test]
fn a_next_boot_pin_that_was_used_leaves_no_pin_behind() {
    let mut before = node();
    let next = ["kernel", "pin", NEXT, "--next-boot"];
    run_transient(&mut before, &crate::host::Command::new("proxmox-boot-tool", &next)).unwrap();
    let mut world = World::new(&before);
    carry_out(&mut world, &Plan::new(vec![pin()], Vec::new())).unwrap();
    assert_eq!(world.host.text_of(SNIPPET).unwrap(), format!("GRUB_DEFAULT=\"{NEXT}\"\n"));
    let cleanup = ["kernel", "unpin", "--next-boot"];
    run_transient(&mut world.host, &crate::host::Command::new("proxmox-boot-tool", &cleanup))
        .unwrap();
    assert_eq!(world.host.text_of(SNIPPET).unwrap(), format!("GRUB_DEFAULT=\"{OLD}\"\n"));
    assert_eq!(world.revert().unwrap(), []);
    let left = [PIN, PIN_NEXT, SNIPPET].map(|path| world.host.text_of(path));
    assert_eq!(left, [None, None, None]);
}

#[test]
fn nothing_is_pinned_where_no_tool_would_read_it() {
    let mut before = node();
    before.nodes.remove(&fixed("/usr/sbin/proxmox-boot-tool"));
    let mut world = World::new(&before);
    carry_out(&mut world, &Plan::new(vec![pin()], Vec::new())).unwrap_err();
    assert_eq!(world.host.text_of(PIN), None);
}

#[test]
fn warnings_of_the_boot_tools_are_passed_on() {
    let mut before = node();
    before.place(ESPS, "missing\n");
    let mut world = World::new(&before);
    let mut heard = Vec::new();
    let plan = Plan::new(vec![pin()], Vec::new());
    apply(&mut world.host, &mut world.log, &origin(), &plan, &mut |event| {
        if let Applying::Settle(Settling::Warning(line)) = event {
            heard.push(line.to_owned());
        }
    })
    .unwrap();
    assert_eq!(heard, ["WARN: /dev/disk/by-uuid/missing does not exist - skipping"]);
}
