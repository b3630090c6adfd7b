//! The guard on the simulated host, as dpkg's hooks call it.

use vgpu_manifest::Digest;

use super::*;
use crate::host::testing::{MemHost, Program};
use crate::journal::{BootId, NewTransaction, TxState, recover};
use crate::kernel::pin::{ESPS, PIN};
use crate::power_cut::{World, cut_everywhere};

const OLD: &str = "6.14.11-2-pve";
const NEW: &str = "6.17.13-1-pve";
const OLDER: &str = "6.14.8-1-pve";
const VERSION: &str = "580.105.06";

fn dkms(host: &mut MemHost) -> i32 {
    for kernel in host.text_of("/run/built").unwrap_or_default().split_whitespace() {
        host.stdout.extend(["nvidia/", VERSION, ", ", kernel, ", x86_64: installed\n"]);
    }
    0
}

/// The effect of Proxmox VE's tool (proxmox-kernel-helper 8.1.0): a line in a file, and GRUB's
/// drop-in where no ESPs are managed; else `refresh` sets the default of the boot loaders.
fn boot_tool(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let grub = "/etc/default/grub.d/proxmox-kernel-pin.cfg";
    let has_esps = host.text_of(ESPS).is_some();
    match args {
        ["kernel", "pin", kernel] => {
            host.scribble(PIN, &format!("{kernel}\n"))?;
            if !has_esps {
                host.scribble(grub, &format!("GRUB_DEFAULT=\"{kernel}\"\n"))?;
            }
        }
        ["kernel", "unpin"] => {
            host.scratch(PIN)?;
            host.scratch(grub)?;
        }
        ["refresh"] if !has_esps => {}
        ["refresh"] => {
            let pin = host.text_of(PIN).unwrap_or_default();
            host.scribble("/boot/efi/loader/loader.conf", &format!("default {pin}"))?;
        }
        _ => return Ok(1),
    }
    Ok(0)
}

fn zpool(host: &mut MemHost, args: &[&str]) -> i32 {
    assert_eq!(args, ["get", "-H", "-o", "value", "feature@block_cloning_endian", "rpool"]);
    let says = host.text_of("/run/zpool").unwrap_or_default();
    host.stdout.push_str(&says);
    i32::from(says.is_empty())
}

fn install(host: &mut MemHost, kernel: &str) {
    host.place(&format!("/boot/vmlinuz-{kernel}"), "");
    for file in ["kernel/fs/xfs.ko", "build/Makefile"] {
        host.place(&format!("/lib/modules/{kernel}/{file}"), "");
    }
}

/// The effect of DKMS when it builds the module for a kernel.
fn build(host: &mut MemHost, kernel: &str) {
    let built = host.text_of("/run/built").unwrap_or_default();
    host.place("/run/built", &format!("{built} {kernel}"));
    host.place(&format!("/lib/modules/{kernel}/updates/dkms/nvidia.ko"), "");
}

/// A host that runs the old kernel, with a module, and just installed a new one.
fn host() -> MemHost {
    let mut host = MemHost::with_files(&[
        ("/proc/sys/kernel/osrelease", OLD),
        ("/etc/kernel/cmdline", "root=x\n"),
        ("/usr/sbin/proxmox-boot-tool", ""),
        ("/etc/default/grub.d/mine.cfg", ""),
        ("/boot/grub/grub.cfg", "linux /vmlinuz root=/dev/sda1 \n"),
    ]);
    install(&mut host, OLD);
    build(&mut host, OLD);
    install(&mut host, NEW);
    host.programs.extend([
        ("dkms", (|host, _| Ok(dkms(host))) as Program),
        ("proxmox-boot-tool", boot_tool),
        ("zpool", |host, args| Ok(zpool(host, args))),
    ]);
    host
}

fn look_after(world: &mut World) -> Result<Guarded, String> {
    let begun = world.log.transactions().map_err(|error| error.to_string())?.pop();
    let tx = if let Some(tx) = begun {
        tx.id
    } else {
        let bundle = Digest::of(b"bundle");
        let (plan, boot) = (String::new(), BootId::default());
        let new = NewTransaction { bundle, plan, boot, began: 0 };
        world.log.begin(&new).map_err(|error| error.to_string())?
    };
    world.log.set_state(tx, TxState::Applied).map_err(|error| error.to_string())?;
    recover(&mut world.host, &mut world.log, tx).map_err(|error| error.to_string())?;
    guard(&mut world.host, &mut world.log, tx, VERSION).map_err(|error| error.to_string())
}

fn release(text: &str) -> KernelRelease {
    text.parse().unwrap()
}

#[test]
fn the_last_kernel_with_a_module_is_kept_until_the_newest_has_one() {
    let before = host();
    let mut world = World::new(&before);
    let kept = Guarded::Kept { kernel: release(OLD), instead_of: release(NEW) };
    assert_eq!(look_after(&mut world).unwrap(), kept);
    assert_eq!(world.host.text_of(PIN).unwrap(), format!("{OLD}\n"));
    let pinned =
        [format!("proxmox-boot-tool kernel pin {OLD}"), "proxmox-boot-tool refresh".to_owned()];
    assert_eq!(world.host.ran, pinned);
    assert_eq!(look_after(&mut world).unwrap(), Guarded::Nothing);

    build(&mut world.host, NEW);
    assert_eq!(look_after(&mut world).unwrap(), Guarded::Released(release(NEW)));
    assert_eq!(world.host.text_of(PIN), None);
    assert_eq!(look_after(&mut world).unwrap(), Guarded::Nothing);
}

#[test]
fn a_revert_takes_the_pin_back() {
    let before = host();
    let mut world = World::new(&before);
    look_after(&mut world).unwrap();
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

#[test]
fn what_the_boot_loaders_on_esps_read_is_rebuilt() {
    let mut before = host();
    before.place(ESPS, "1234-ABCD\n");
    let mut world = World::new(&before);
    look_after(&mut world).unwrap();
    let loader = |world: &World| world.host.text_of("/boot/efi/loader/loader.conf").unwrap();
    assert_eq!(loader(&world), format!("default {OLD}\n"));
    world.revert().unwrap();
    assert_eq!(loader(&world), "default ");
}

#[test]
fn a_power_cut_at_any_change_can_be_resumed_and_reverted() {
    let guarded = |world: &mut World| look_after(world).map(|_| ());
    assert!(cut_everywhere(&host(), &guarded) > 50);
}

#[test]
fn a_helpless_guard_has_a_reason() {
    let helpless = |host: &MemHost| {
        let mut world = World::new(host);
        match look_after(&mut world).unwrap() {
            Guarded::Helpless { next, why } if next == release(NEW) => {
                assert_eq!(world.host.picture(&[]), host.picture(&[]));
                why
            }
            other => panic!("{other:?}"),
        }
    };
    let mut pinned = host();
    pinned.place(PIN, &format!("{NEW}\n"));
    assert_eq!(helpless(&pinned), Helpless::Pinned);
    let mut none = host();
    none.place("/run/built", "");
    assert_eq!(helpless(&none), Helpless::NoOther);
    let mut zfs = host();
    zfs.place("/proc/mounts", "rpool/ROOT/pve-1 / zfs rw 0 0\n");
    for (says, refused) in
        [("active\n", true), ("enabled\n", true), ("odd\n", true), ("disabled\n", false)]
    {
        zfs.place("/run/zpool", says);
        if refused {
            assert_eq!(helpless(&zfs), Helpless::Pool, "{says}");
        } else {
            let guarded = look_after(&mut World::new(&zfs)).unwrap();
            assert!(matches!(guarded, Guarded::Kept { .. }), "{says}: {guarded:?}");
        }
    }
}

/// Removes a kernel, as dpkg does before it runs the hooks.
fn uninstall(host: &mut MemHost, kernel: &str) {
    host.nodes.retain(|path, _| !path.as_path().as_str().contains(kernel));
    let built = host.text_of("/run/built").unwrap_or_default().replace(kernel, "");
    host.place("/run/built", &built);
}

#[test]
fn a_pinned_kernel_that_is_removed_is_replaced_by_another_with_a_module_or_unpinned() {
    let mut before = host();
    install(&mut before, OLDER);
    build(&mut before, OLDER);
    let mut world = World::new(&before);
    look_after(&mut world).unwrap();
    uninstall(&mut world.host, OLD);
    let kept = Guarded::Kept { kernel: release(OLDER), instead_of: release(NEW) };
    assert_eq!(look_after(&mut world).unwrap(), kept);
    assert_eq!(world.host.text_of(PIN).unwrap(), format!("{OLDER}\n"));
    uninstall(&mut world.host, OLDER);
    let helpless = Guarded::Helpless { next: release(NEW), why: Helpless::NoOther };
    assert_eq!(look_after(&mut world).unwrap(), helpless);
    assert_eq!(world.host.text_of(PIN), None);
    assert_eq!(look_after(&mut world).unwrap(), helpless);
    build(&mut world.host, NEW);
    assert_eq!(look_after(&mut world).unwrap(), Guarded::Nothing);
}

/// The menu that `grub-mkconfig` of Debian writes for the two kernels.
fn menu() -> String {
    let entry = |kernel: &str, id: &str| {
        format!(
            "menuentry 'x' $menuentry_id_option 'gnulinux-{id}' {{\nlinux /vmlinuz-{kernel} ro\n}}\n"
        )
    };
    let more = [NEW, OLD].map(|kernel| entry(kernel, &format!("{kernel}-advanced-1")));
    let submenu = "submenu 'Advanced' $menuentry_id_option 'gnulinux-advanced-1' {\n";
    format!("{}{submenu}{}}}\n", entry(NEW, "simple-1"), more.concat())
}

#[test]
fn a_host_without_the_tool_is_held_by_grub_or_says_that_it_cannot_be() {
    let mut before = host();
    before.nodes.retain(|path, _| path.as_path() != "/usr/sbin/proxmox-boot-tool");
    let mut world = World::new(&before);
    let no_means = Guarded::Helpless { next: release(NEW), why: Helpless::NoMeans };
    assert_eq!(look_after(&mut world).unwrap(), no_means);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
    assert_eq!(world.host.read(&memory()).unwrap(), None, "a pin that was never set");

    before.place("/boot/grub/grub.cfg", &menu());
    before
        .programs
        .insert("update-grub", |host, _| host.scribble("/boot/grub/grub.cfg", &menu()).map(|()| 0));
    let mut world = World::new(&before);
    let kept = Guarded::Kept { kernel: release(OLD), instead_of: release(NEW) };
    assert_eq!(look_after(&mut world).unwrap(), kept);
    let text = world.host.text_of(DROP_IN).unwrap();
    let line = format!("GRUB_DEFAULT=\"gnulinux-advanced-1>gnulinux-{OLD}-advanced-1\"");
    assert_eq!(text.lines().last(), Some(line.as_str()));
    assert_eq!(kernels(&world.host).next_boot(), Some(&release(OLD)));
    assert_eq!(world.host.ran, ["update-grub"]);
    cut_everywhere(&before, &|world| look_after(world).map(drop));
    assert_eq!(look_after(&mut world).unwrap(), Guarded::Nothing);

    let mut reverted = world.clone();
    assert_eq!(reverted.revert().unwrap(), []);
    assert_eq!(reverted.host.picture(&[]), before.picture(&[]));
    build(&mut world.host, NEW);
    assert_eq!(look_after(&mut world).unwrap(), Guarded::Released(release(NEW)));
    assert_eq!(world.host.text_of(DROP_IN), None);
}

#[test]
fn a_kernel_with_a_module_that_the_operator_selected_in_grub_needs_no_pin() {
    let mut before = host();
    before.place("/boot/grub/grub.cfg", &menu());
    let selected =
        |kernel| format!("GRUB_DEFAULT='gnulinux-advanced-1>gnulinux-{kernel}-advanced-1'\n");
    before.place("/etc/default/grub", &selected(OLD));
    assert_eq!(look_after(&mut World::new(&before)).unwrap(), Guarded::Nothing);
    before.place("/etc/default/grub", &selected(NEW));
    let helpless = Guarded::Helpless { next: release(NEW), why: Helpless::Pinned };
    assert_eq!(look_after(&mut World::new(&before)).unwrap(), helpless);
}

#[test]
fn a_pin_of_the_operator_whose_kernel_is_gone_does_not_keep_the_guard_from_pinning() {
    let mut before = host();
    before.place(PIN, "6.2.16-1-pve\n");
    let mut world = World::new(&before);
    let kept = Guarded::Kept { kernel: release(OLD), instead_of: release(NEW) };
    assert_eq!(look_after(&mut world).unwrap(), kept);
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.text_of(PIN).unwrap(), "6.2.16-1-pve\n");
}

#[test]
fn a_host_whose_newest_kernel_has_a_module_is_left_alone() {
    let mut before = host();
    build(&mut before, NEW);
    let mut world = World::new(&before);
    assert_eq!(look_after(&mut world).unwrap(), Guarded::Nothing);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}
