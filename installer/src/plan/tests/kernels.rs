//! Plans that pin a kernel.

use vgpu_manifest::Kind;
use vgpu_manifest::inventory::PackageState;
use vgpu_manifest::platform::CpuVendor;

use super::planner::{facts, item_of, manifest};
use super::*;
use crate::facts::kernels;
use crate::gpus::GpuChoice;
use crate::kernel::choice::Course;
use crate::kernel::pin::{GRUB_BLOCK, PIN, PIN_NEXT};
use crate::status::resume::{May, Resumption, may, resumption};
use crate::step::{BootOnce, EndFallBack, FallBack, KernelRuns, PinKernel, Status};

const OLD: &str = "6.8.12-4-pve";

fn zpool(host: &mut MemHost) -> i32 {
    let says = host.text_of("/run/zpool").unwrap_or_default();
    host.stdout.push_str(&says);
    0
}

fn node() -> MemHost {
    let mut host = host();
    host.place("/proc/sys/kernel/osrelease", "6.17.13-1-pve");
    for path in ["/usr/sbin/proxmox-boot-tool", "/boot/vmlinuz-6.17.13-1-pve"] {
        host.place(path, "");
    }
    host.place(&format!("/boot/vmlinuz-{OLD}"), "");
    host.programs.insert("zpool", |host, _| Ok(zpool(host)));
    host
}

fn plan() -> Plan {
    let kernel: vgpu_manifest::platform::KernelRelease = OLD.parse().unwrap();
    let pool = Some("rpool".parse().unwrap());
    let once = Step::BootOnce(BootOnce { kernel: kernel.clone(), pool: pool.clone() });
    let pin = Step::PinKernel(PinKernel { kernel: kernel.clone(), pool });
    Plan::new(vec![once], vec![Step::KernelRuns(KernelRuns { kernel }), pin])
}

/// `proxmox-boot-cleanup.service`, which ends the selection after a boot (proxmox-kernel-helper 8.1.0).
fn clean_up(host: &mut MemHost) {
    host.nodes.remove(&fixed(PIN_NEXT));
    let pin = host.text_of(PIN).unwrap();
    for words in [&["kernel", "pin", pin.trim()][..], &["refresh"]] {
        run_transient(host, &crate::host::Command::new("proxmox-boot-tool", words)).unwrap();
    }
}

#[test]
fn a_kernel_is_held_waited_for_and_let_go() {
    let mut before = node();
    before.place(PIN, "6.17.13-1-pve\n");
    before.place("/run/zpool", "disabled\n");
    for words in [&["kernel", "pin", "6.17.13-1-pve"][..], &["refresh"]] {
        run_transient(&mut before, &crate::host::Command::new("proxmox-boot-tool", words)).unwrap();
    }
    let mut world = World::new(&before);
    let foretold = rehearse(&plan(), &world.host).unwrap();
    assert_eq!(foretold.plan, plan());
    assert_eq!(carry_out(&mut world, &plan()).unwrap().reboot, Reboot::NeededToContinue);
    assert_eq!(world.host.text_of(PIN).unwrap(), "6.17.13-1-pve\n");
    assert_eq!(world.host.text_of(PIN_NEXT).unwrap(), format!("{OLD}\n"));
    assert_eq!(kernels(&world.host).next_boot().unwrap().as_str(), OLD);

    // It did not boot, or the operator chose another entry in the boot menu.
    let tx = |world: &World| world.log.transactions().unwrap().pop().unwrap();
    let resumes = |world: &World, boot: &str| {
        may(&world.host, &tx(world), &plan(), &BootId(boot.to_owned())).unwrap()
    };
    let boot = |world: &mut World, name: &str| {
        clean_up(&mut world.host);
        world.host.place("/proc/sys/kernel/random/boot_id", name);
    };
    assert_eq!(resumes(&world, "first"), May::NotOnThisBoot);
    boot(&mut world, "second");
    let fallen = world.host.picture(&[]);
    assert_eq!(resumes(&world, "second"), May::FellBack(OLD.parse().unwrap()));
    let told = resumption(&world.host, &tx(&world), &plan()).unwrap();
    assert_eq!(told, Resumption::FellBack);
    assert_eq!(world.host.picture(&[]), fallen);
    let mut reverted = world.clone();
    assert_eq!(reverted.revert().unwrap(), []);
    assert_eq!(reverted.host.picture(&["/proc"]), before.picture(&["/proc"]));

    // The operator tries it again, and it boots.
    let go_on = |world: &mut World, boot: &str| {
        let origin = Origin { boot: BootId(boot.to_owned()), ..origin() };
        apply(&mut world.host, &mut world.log, &origin, &plan(), &mut |_| {})
    };
    let error = go_on(&mut world, "second").unwrap_err();
    assert!(error.to_string().contains("this host runs kernel 6.17.13-1-pve"), "{error}");
    assert_eq!(vgpu_manifest::ui::Explain::exit(&error), Some(vgpu_manifest::ui::Exit::Reboot));
    assert_eq!(world.host.text_of(PIN_NEXT).unwrap(), format!("{OLD}\n"));
    boot(&mut world, "third");
    world.host.place("/proc/sys/kernel/osrelease", OLD);
    assert_eq!(resumes(&world, "third"), May::Go);
    assert_eq!(go_on(&mut world, "third").unwrap().reboot, Reboot::NotNeeded);
    assert_eq!(world.host.text_of(PIN).unwrap(), format!("{OLD}\n"));

    world.host.place("/proc/sys/kernel/osrelease", "6.17.13-1-pve");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(
        world.host.picture(&["/proc"]),
        before.picture(&["/proc"]),
        "the pin that there was is back"
    );
}

/// The newest kernel is the default of its own accord, so the running one is pinned until it has booted.
#[test]
fn a_bundled_kernel_that_does_not_boot_leaves_the_running_one_the_default() {
    let new = "6.17.13-1-pve";
    let [old_kernel, new_kernel]: [vgpu_manifest::platform::KernelRelease; 2] =
        [OLD, new].map(|release| release.parse().unwrap());
    let fallback = FallBack { kernel: old_kernel.clone(), until: new_kernel.clone() };
    let once = BootOnce { kernel: new_kernel.clone(), pool: None };
    let plan = Plan::new(
        vec![Step::FallBack(fallback), Step::BootOnce(once)],
        vec![
            Step::KernelRuns(KernelRuns { kernel: new_kernel.clone() }),
            Step::EndFallBack(EndFallBack { kernel: old_kernel }),
        ],
    );
    let mut before = node();
    before.place("/proc/sys/kernel/osrelease", OLD);
    // The tool writes to these folders, which every node has.
    for file in ["/etc/default/grub.d/init-select.cfg", "/etc/apt/apt.conf.d/01autoremove"] {
        before.place(file, "");
    }
    let mut world = World::new(&before);
    assert_eq!(rehearse(&plan, &world.host).unwrap().plan, plan);
    assert_eq!(carry_out(&mut world, &plan).unwrap().reboot, Reboot::NeededToContinue);
    let pins = |world: &World| [PIN, PIN_NEXT].map(|path| world.host.text_of(path));
    assert_eq!(pins(&world), [OLD, new].map(|kernel| Some(format!("{kernel}\n"))));
    assert_eq!(kernels(&world.host).next_boot().unwrap().as_str(), new);

    let tx = |world: &World| world.log.transactions().unwrap().pop().unwrap();
    let boot = |world: &mut World, name: &str, runs: &str| {
        clean_up(&mut world.host);
        world.host.place("/proc/sys/kernel/random/boot_id", name);
        world.host.place("/proc/sys/kernel/osrelease", runs);
        may(&world.host, &tx(world), &plan, &BootId(name.to_owned())).unwrap()
    };
    let mut fallen = world.clone();
    assert_eq!(boot(&mut fallen, "second", OLD), May::FellBack(new_kernel));
    assert_eq!(kernels(&fallen.host).next_boot().unwrap().as_str(), OLD, "also after this boot");
    assert_eq!(fallen.revert().unwrap(), []);
    assert_eq!(fallen.host.picture(&["/proc"]), before.picture(&["/proc"]));

    assert_eq!(boot(&mut world, "second", new), May::Go);
    let origin = Origin { boot: BootId("second".to_owned()), ..origin() };
    let done = apply(&mut world.host, &mut world.log, &origin, &plan, &mut |_| {}).unwrap();
    assert_eq!(done.reboot, Reboot::NotNeeded);
    assert_eq!(pins(&world), [None, None]);
    let is_true = |step: &Step| step.check(&world.host).unwrap() == Status::Done;
    assert!(plan.steps().all(is_true), "a second apply changes nothing");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&["/proc"]), before.picture(&["/proc"]));
}

#[test]
fn a_host_falls_back_only_with_the_tool_of_proxmox() {
    let [old, new] = [OLD, "6.17.13-1-pve"].map(|release| Some(release.parse().unwrap()));
    let course = Course { fallback: old, wait_for: new, ..Course::default() };
    let lines =
        |package: &str| made_with(&around(course.clone()), package, PackageState::Installed);
    let (now, later) = lines("proxmox-kernel-helper");
    let kept = format!("keep kernel {OLD} as the default until 6.17.13-1-pve has booted");
    let at = now.iter().position(|line| *line == kept).unwrap();
    assert_eq!(now[at + 1], "boot kernel 6.17.13-1-pve once");
    assert_eq!(
        later[..2],
        ["check that kernel 6.17.13-1-pve is running", "boot the newest kernel by default again"]
    );
    let (now, later) = lines("grub-pc");
    assert!(!now.contains(&kept) && later[0] == "check that kernel 6.17.13-1-pve is running");
}

/// `grub-reboot` and `grub-editenv` of GRUB 2.06.
fn grub_block(host: &mut MemHost, args: &[&str]) -> i32 {
    let line = match args {
        [_, "unset", "next_entry"] => String::new(),
        [entry] => format!("next_entry={entry}\n"),
        _ => return 1,
    };
    host.place(GRUB_BLOCK, &format!("# GRUB Environment Block\n{line}####"));
    0
}

#[test]
fn grub_boots_a_kernel_once_on_a_host_without_the_tool() {
    let new = "6.17.13-1-pve";
    let mut before = node();
    before.nodes.remove(&fixed("/usr/sbin/proxmox-boot-tool"));
    let entry = |kernel: &str| {
        format!(
            "menuentry 'x' --id 'gnulinux-{kernel}-advanced-1' {{\nlinux /vmlinuz-{kernel}\n}}\n"
        )
    };
    before.place("/boot/grub/grub.cfg", &[entry(new), entry(OLD)].concat());
    before.place(GRUB_BLOCK, "# GRUB Environment Block\n####");
    before.place("/run/zpool", "disabled\n");
    for program in ["grub-reboot", "grub-editenv"] {
        before.programs.insert(program, |host, args| Ok(grub_block(host, args)));
    }
    let mut world = World::new(&before);
    assert_eq!(carry_out(&mut world, &plan()).unwrap().reboot, Reboot::NeededToContinue);
    assert_eq!(kernels(&world.host).next_boot().unwrap().as_str(), OLD);
    let mut reverted = world.clone();
    assert_eq!(reverted.revert().unwrap(), []);
    assert_eq!(reverted.host.picture(&[]), before.picture(&[]));

    // GRUB clears the entry before it starts the kernel, so a kernel that panics is not tried again.
    world.host.place(GRUB_BLOCK, "# GRUB Environment Block\nnext_entry=\n###");
    world.host.place("/proc/sys/kernel/random/boot_id", "second");
    assert_eq!(kernels(&world.host).next_boot().unwrap().as_str(), new);
    let tx = world.log.transactions().unwrap().pop().unwrap();
    let resumes = may(&world.host, &tx, &plan(), &BootId("second".to_owned())).unwrap();
    assert_eq!(resumes, May::FellBack(OLD.parse().unwrap()));
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&["/proc"]), before.picture(&["/proc"]));
}

#[test]
fn no_kernel_is_held_that_could_not_import_the_root_pool() {
    for (says, reason) in [
        ("active\n", "has features of OpenZFS 2.4"),
        ("enabled\n", "has features of OpenZFS 2.4"),
        ("\n", "cannot determine whether"),
    ] {
        let mut host = node();
        host.place("/run/zpool", says);
        let mut world = World::new(&host);
        let error = carry_out(&mut world, &plan()).unwrap_err().to_string();
        assert!(error.contains(reason) && error.contains("rpool"), "{error}");
        assert_eq!(world.host.text_of(PIN), None);
    }
}

/// Returns the plan for a node with a driver, as lines.
fn made(around: &Surroundings, state: PackageState) -> (Vec<String>, Vec<String>) {
    made_with(around, "proxmox-kernel-x", state)
}

fn made_with(
    around: &Surroundings,
    package: &str,
    state: PackageState,
) -> (Vec<String>, Vec<String>) {
    let mut facts = facts(CpuVendor::Amd, Some(BootLoader::Grub));
    let package = format!(r#"{{"name":"{package}","arch":"amd64","version":"1"}}"#);
    facts.packages = vec![serde_json::from_str(&package).unwrap()];
    facts.packages[0].state = state;
    let mut manifest = manifest("{}");
    manifest.items.push(item_of("driver.run", Kind::Driver(host_driver())));
    let choices = Choices {
        program: Content::of(b"me"),
        gpus: GpuChoice::default(),
        license: None,
        guest_tools: GuestTools::LeftOut,
    };
    let plan = plan_with(&manifest, &facts, &choices, around).unwrap();
    for step in plan.steps() {
        let Step::InstallDriver(step) = step else { continue };
        assert_eq!(step.driver.kernels, around.course.build_for);
    }
    let summaries = |steps: &[Step]| steps.iter().map(Step::summary).collect();
    (summaries(&plan.before_reboot), summaries(&plan.after_reboot))
}

fn around(course: Course) -> Surroundings {
    let vgpu = crate::gpus::vgpu::Vgpu {
        driver: "535.230.02".parse().unwrap(),
        args: vec!["--dkms".to_owned()],
        unlock: None,
        native: true,
        gpus: std::collections::BTreeSet::new(),
    };
    Surroundings { vgpu: Some(vgpu), course, ..Surroundings::default() }
}

#[test]
fn kernels_are_held_and_packages_mended_only_where_it_is_asked_for() {
    let (now, later) = made(&around(Course::default()), PackageState::Installed);
    assert!(!now.iter().chain(&later).any(|line| line.contains("pin the boot kernel")), "{now:?}");
    assert!(!later.iter().any(|line| line.contains("half-configured")), "{later:?}");
    let hooks = ["postinst.d", "header_postinst.d", "postrm.d"]
        .map(|folder| format!("write /etc/kernel/{folder}/vgpu-offline"));
    assert!(later.ends_with(&hooks), "{later:?}");

    let kernel = Some(OLD.parse().unwrap());
    let build_for = kernel.clone().into_iter().collect();
    let course = Course { hold: kernel.clone(), wait_for: kernel, build_for, ..Course::default() };
    let (now, later) = made(&around(course), PackageState::HalfConfigured);
    assert!(now.contains(&format!("boot kernel {OLD} once")), "{now:?}");
    assert_eq!(later[0], format!("check that kernel {OLD} is running"));
    assert_eq!(later[1], format!("pin the boot kernel to {OLD}"));
    assert!(later[2].starts_with("install the driver 535.230.02"), "{later:?}");
    assert_eq!(later[3], "finish configuring half-configured packages");
}
