//! A whole plan, without a power cut.

use super::*;
use crate::journal::{TxId, TxState};

#[test]
fn applies_once_and_reverts_to_the_bit() {
    let before = host();
    let mut world = World::new(&before);
    let applied = carry_out(&mut world, &example()).unwrap();
    assert_eq!(applied, Applied { tx: Some(TxId(1)), reboot: Reboot::Needed });
    let text = |path| world.host.text_of(path).unwrap();
    assert_eq!(text("/usr/local/sbin/vgpu-installer"), PROGRAM);
    assert_eq!(
        text("/boot/grub/grub.cfg"),
        "linux /vmlinuz root=/dev/sda1 quiet intel_iommu=on iommu=pt\n"
    );
    assert_eq!(
        text("/boot/efi/loader/entries/pve.conf"),
        "options root=ZFS=rpool/ROOT/pve-1 boot=zfs intel_iommu=on iommu=pt\n"
    );
    assert!(text("/boot/initrd.img").contains("blacklist nouveau"));
    assert!(text("/run/systemd/units").contains("multi-user.target.wants/vgpu.service"));
    assert_eq!(text("/lib/modules/6.8.12-4-pve/modules.dep"), "nvidia.ko");
    assert!(world.log.dirty().unwrap().is_empty());

    assert_eq!(world.revert().unwrap(), []);
    assert!(!world.host.text_of("/boot/grub/grub.cfg").unwrap().contains("iommu"));
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
    assert_eq!(world.log.transactions().unwrap()[0].state, TxState::Reverted);
}

#[test]
fn each_stale_thing_is_rebuilt_once_and_last_in_both_directions() {
    let mut world = World::new(&host());
    let all = [
        "depmod 6.8.12-4-pve",
        "env INITRAMFS_TOOLS_KERNEL_HOOK=1 update-initramfs -u -k all",
        "update-grub",
        "proxmox-boot-tool refresh",
        "systemctl daemon-reload",
    ];
    carry_out(&mut world, &example()).unwrap();
    assert_eq!(world.host.ran, all);
    world.host.ran.clear();
    world.revert().unwrap();
    assert_eq!(world.host.ran, all);
}

#[test]
fn a_second_apply_finds_nothing_to_do() {
    let mut world = World::new(&host());
    carry_out(&mut world, &example()).unwrap();
    assert_eq!(rehearse(&example(), &world.host).unwrap().changes, []);
    let again = carry_out(&mut world, &example()).unwrap();
    assert_eq!(again, Applied { tx: None, reboot: Reboot::NotNeeded });
    assert_eq!(world.log.transactions().unwrap().len(), 1);
}

#[test]
fn a_rehearsal_foretells_the_journal_and_touches_nothing() {
    let before = host();
    let mut world = World::new(&before);
    let paths = world.host.nodes.len();
    let foretold = rehearse(&example(), &world.host).unwrap();
    assert!(foretold.needs_reboot());
    assert_eq!(foretold.plan.steps().count(), example().steps().count() - 1, "one is done");
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
    assert_eq!(world.host.nodes.len(), paths);

    carry_out(&mut world, &example()).unwrap();
    let entries = world.log.entries(TxId(1)).unwrap();
    let changes: Vec<_> = entries.into_iter().map(|entry| entry.change).collect();
    assert_eq!(changes, foretold.changes);
}

#[test]
fn a_step_that_reports_success_and_does_nothing_is_found_out() {
    let mut world = World::new(&host());
    // The second step undoes the effect of the first, so one of them must be detected.
    let lazy = Plan::new(vec![place("/proc/ignores/writes", "x")], Vec::new());
    world.host.ignores = Some(fixed("/proc/ignores/writes"));
    let error = carry_out(&mut world, &lazy).unwrap_err();
    assert!(matches!(error, ApplyError::NoEffect { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "write /proc/ignores/writes: reported success, but the host is not in sync"
    );
}

#[test]
fn the_file_of_a_host_without_a_kernel_command_line_of_its_own_starts_from_the_running_one() {
    let mut host = host();
    host.nodes.remove(&fixed("/etc/kernel/cmdline"));
    host.place("/proc/cmdline", "initrd=\\EFI\\i root=ZFS=x quiet BOOT_IMAGE=/vmlinuz\n");
    let step = Step::KernelCommandLine(KernelCommandLine {
        words: vec!["iommu=pt".parse().unwrap()],
        loaders: vec![BootLoader::SystemdBoot],
    });
    let plan = Plan::new(vec![step], Vec::new());
    let mut world = World::new(&host);
    carry_out(&mut world, &plan).unwrap();
    assert_eq!(world.host.text_of("/etc/kernel/cmdline").unwrap(), "root=ZFS=x quiet iommu=pt\n");

    let mut world = World::new(&host);
    world.host.place("/proc/cmdline", "quiet\n");
    let error = carry_out(&mut world, &plan).unwrap_err();
    assert!(error.to_string().contains("has no `root=` parameter"), "{error}");
    assert_eq!(world.host.text_of("/etc/kernel/cmdline"), None);
}

#[test]
fn what_is_in_the_way_is_refused_before_anything_changes() {
    for (at, is, becomes) in [
        ("/etc/default", "directory", "file"),
        ("/etc/kernel/cmdline/x", "", ""),
        ("/var/lib/vgpu-offline/journal.db", "", ""),
    ] {
        let before = host();
        let mut world = World::new(&before);
        let error =
            carry_out(&mut world, &Plan::new(vec![place(at, "x")], Vec::new())).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(at) && text.contains(is) && text.contains(becomes), "{text}");
        assert_eq!(world.host.picture(&[]), before.picture(&[]));
        assert_eq!(world.revert().unwrap(), []);
    }
}

#[test]
fn a_plan_has_one_stable_spelling() {
    let plan = Plan::new(vec![place("/etc/x", "y\n")], Vec::new());
    let json = r#"{"version":1,"before-reboot":[{"step":"place-file","path":"/etc/x","mode":"0644","text":"y\n"}],"after-reboot":[]}"#;
    assert_eq!(plan.to_text(), json);
    assert_eq!(Plan::parse(json).unwrap(), plan);
    assert_eq!(Plan::parse(&example().to_text()).unwrap(), example());
    for bad in [
        json.replace("/etc/x", "/etc/../x"),
        json.replace("\"mode", "\"mood"),
        json.replace("0644", "420"),
        json.replace("place-file", "place"),
        json.replace("\"version\":1", "\"version\":2"),
    ] {
        assert!(Plan::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn every_step_says_what_it_does_and_why() {
    for step in example().steps() {
        assert!(step.summary().len() > 10 && !step.summary().ends_with('.'), "{}", step.summary());
        assert!(step.why().ends_with('.'), "{}", step.why());
    }
}
