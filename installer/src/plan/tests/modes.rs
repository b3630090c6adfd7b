//! The plans of the three modes on the in-memory host. At each change, the power is cut or the disk
//! is full, and both resuming and reverting must succeed.

use vgpu_manifest::{HostPath, UnitName};

use super::*;
use crate::act::tests::{driver, packages};
use crate::gpus::Slot;
use crate::host::HostError;
use crate::host::testing::Late;
use crate::power_cut::cut_once;
use crate::step::{
    BuildUnlock, EnableSriov, EnableUnit, HandToGuests, InstallDriver, InstallPackages, LIBRARY,
    OldConfig, SriovBy, StartServices, Status, UnlockSource,
};

const SOURCES: &str = "sources\n";
const DAEMONS: [&str; 2] = ["nvidia-vgpud.service", "nvidia-vgpu-mgr.service"];

/// Fakes of the driver's own programs, and of `cargo`.
fn env(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    if !args.contains(&"cargo") {
        return driver::env(host, args);
    }
    let target = args.iter().find_map(|arg| arg.strip_prefix("CARGO_TARGET_DIR="));
    let library = format!("{}/release/libvgpu_unlock_rs.so", target.unwrap_or_default());
    host.scribble(&library, "built here\n")?;
    Ok(0)
}

fn tar(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let Some(folder) = args.last() else { return Ok(2) };
    host.scribble(&format!("{folder}/stand-in/Cargo.toml"), "[package]\n")?;
    Ok(0)
}

fn sh(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let status = driver::sh(host, args)?;
    if let ["--extract-only", "--target", tree, ..] = &args[1..] {
        host.scribble(&format!("{tree}/vgpuConfig.xml"), "<vgpuconfig/>")?;
    }
    Ok(status)
}

fn systemctl(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let file = |unit: &str| format!("/run/units/{unit}");
    match args {
        ["daemon-reload"] => host.scribble("/run/systemd/reloaded", "yes")?,
        ["start" | "restart", units @ ..] => {
            units.iter().try_for_each(|unit| host.scribble(&file(unit), "active"))?;
        }
        ["stop", units @ ..] => units.iter().try_for_each(|unit| host.scratch(&file(unit)))?,
        ["is-active", units @ ..] => {
            let is_active = |unit: &&str| host.text_of(&file(unit)).is_some();
            return Ok(if units.iter().any(is_active) { 0 } else { 3 });
        }
        _ => return Ok(1),
    }
    Ok(0)
}

/// Returns a stock host with the packages of the driver and the toolchain in the store.
fn stock() -> MemHost {
    let mut host = driver::host()
        .with_package("libc6", "2.36-9", "auto")
        .with_package("bash", "5.2", "manual");
    for (path, text) in [
        ("/usr/share/libc6", "2.36-9"),
        ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
        ("/etc/kernel/cmdline", "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n"),
        ("/etc/modprobe.d/pve-blacklist.conf", "blacklist nvidiafb\n"),
        ("/usr/share/nvidia/vgpu/vgpuConfig.xml", "<vgpuconfig>new</vgpuconfig>"),
        ("/etc/initramfs-tools/hooks/mine", "#!/bin/sh\n"),
        ("/etc/udev/rules.d/mine.rules", ""),
        ("/run/units/ssh.service", "active"),
    ] {
        host.place(path, text);
    }
    let mut stored = vec![PROGRAM.to_owned(), SOURCES.to_owned()];
    for file in packages::files() {
        let needs = if file.name.as_str() == "dkms" { "make, libc6" } else { "" };
        stored.push(packages::bytes(file.name.as_str(), file.version.as_str(), needs));
    }
    for text in stored {
        let path = state::stored(Content::of(text.as_bytes()).id);
        host.place(path.as_path().as_str(), &text);
    }
    host.programs.extend([
        ("sh", sh as crate::host::testing::Program),
        ("env", env),
        ("tar", tar),
        ("systemctl", systemctl),
    ]);
    rebuild(&mut host);
    host
}

/// The common first steps of all three modes.
fn before_reboot() -> Vec<Step> {
    let mut steps = vec![
        Step::InstallSelf(InstallSelf { content: Content::of(PROGRAM.as_bytes()) }),
        Step::InstallPackages(InstallPackages { files: packages::files() }),
        Step::ModprobeOptions(ModprobeOptions {
            lines: vec!["blacklist nouveau".parse().unwrap()],
        }),
        Step::KernelCommandLine(KernelCommandLine {
            words: vec!["iommu=pt".parse().unwrap()],
            loaders: vec![BootLoader::Grub, BootLoader::SystemdBoot],
        }),
    ];
    steps.extend(resume_unit::steps().unwrap());
    steps
}

fn enable(component: Component, unit: &str, file: HostPath) -> Step {
    let wanted_by = "multi-user.target".parse().unwrap();
    Step::EnableUnit(EnableUnit { unit: unit.parse().unwrap(), file, wanted_by, component })
}

fn services() -> Vec<Step> {
    let file = |unit: &str| fixed(&format!("/lib/systemd/system/{unit}"));
    let link = |unit: &&str| enable(Component::Driver, unit, file(unit));
    let mut steps: Vec<_> = DAEMONS.iter().map(link).collect();
    let units: Vec<UnitName> = DAEMONS.iter().map(|unit| unit.parse().unwrap()).collect();
    steps.push(Step::StartServices(StartServices { units }));
    steps
}

fn install() -> Step {
    let driver = driver::spec("535.230.02");
    Step::InstallDriver(Box::new(InstallDriver::of(driver)))
}

/// The order is that of the planner; each mode has steps that the others do not have.
fn native() -> Plan {
    let mut later = vec![install()];
    later.extend(services());
    later.push(Step::EnableSriov(EnableSriov {
        by: SriovBy::Ourselves,
        gpus: ["0000:81:00.0".parse().unwrap()].into(),
    }));
    Plan::new(before_reboot(), later)
}

fn unlock() -> Plan {
    let old = driver::spec("550.163.02");
    let mut later = vec![
        install(),
        Step::OldConfig(OldConfig {
            item: old.item.clone(),
            content: old.content,
            version: old.version.clone(),
            sha256: Digest::of(b"<vgpuconfig/>"),
        }),
        Step::BuildUnlock(BuildUnlock {
            source: UnlockSource {
                item: "unlock/source.tar.zst".parse().unwrap(),
                content: Content::of(SOURCES.as_bytes()),
            },
            commit: "71ec870".repeat(6)[..40].parse().unwrap(),
        }),
        place_for(
            Component::Unlock,
            "/etc/systemd/system/nvidia-vgpud.service.d/vgpu-offline.conf",
            &format!("[Service]\nEnvironment=LD_PRELOAD={LIBRARY}\n"),
        ),
        place_for(Component::Unlock, "/etc/vgpu_unlock/config.toml", "unlock = true\n"),
    ];
    later.extend(services());
    Plan::new(before_reboot(), later)
}

fn passthrough() -> Plan {
    let slots = vec![Slot::of("0000:41:00.0".parse().unwrap())];
    let mut now = before_reboot();
    now.insert(3, Step::HandToGuests(HandToGuests { slots }));
    Plan::new(now, Vec::new())
}

/// Applies to the end, across a reboot; after a power cut, applying again resumes.
fn whole(world: &mut World, plan: &Plan) -> Result<(), String> {
    for boot in ["first", "second"] {
        let origin = Origin { boot: BootId(boot.to_owned()), ..origin() };
        let applied = apply(&mut world.host, &mut world.log, &origin, plan, &mut |_| {});
        applied.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Cuts the power, and fills the disk, at each change.
fn cut(mode: &str, plan: &Plan) {
    let counts = [Late::Before, Late::Full]
        .map(|late| cut_once(&stock(), late, &|world| whole(world, plan)));
    let [cuts, full] = counts;
    eprintln!("| {mode} | {cuts} power cuts | {full} full disks |");
    assert!(cuts >= 80 && full >= 80, "only {cuts} power cuts and {full} full disks");

    let mut world = World::new(&stock());
    whole(&mut world, plan).unwrap();
    assert!(plan.steps().all(|step| step.check(&world.host).unwrap() == Status::Done));
    assert!(world.log.dirty().unwrap().is_empty());
}

#[test]
fn the_native_mode_can_be_cut_or_find_the_disk_full_at_every_change() {
    cut("native", &native());
}

#[test]
fn the_unlock_mode_can_be_cut_or_find_the_disk_full_at_every_change() {
    cut("unlock", &unlock());
}

#[test]
fn the_passthrough_mode_can_be_cut_or_find_the_disk_full_at_every_change() {
    cut("passthrough", &passthrough());
}

#[test]
fn systemd_reads_units_once_a_phase_and_dkms_alone_updates_the_module_index() {
    for plan in [native(), unlock()] {
        let mut world = World::new(&stock());
        for boot in ["first", "second"] {
            world.host.ran.clear();
            let origin = Origin { boot: BootId(boot.to_owned()), ..origin() };
            apply(&mut world.host, &mut world.log, &origin, &plan, &mut |_| {}).unwrap();
            let ran = &world.host.ran;
            let times = |start: &str| ran.iter().filter(|line| line.starts_with(start)).count();
            assert_eq!(times("systemctl daemon-reload"), 1, "{boot} boot: {ran:?}");
            assert_eq!(times("depmod"), 0, "{boot} boot: {ran:?}");
        }
    }
}
