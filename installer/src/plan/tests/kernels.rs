//! Plans that pin a kernel.

use vgpu_manifest::Kind;
use vgpu_manifest::inventory::PackageState;
use vgpu_manifest::platform::CpuVendor;

use super::planner::{facts, item_of, manifest};
use super::*;
use crate::gpus::GpuChoice;
use crate::kernel::choice::Course;
use crate::step::{KernelRuns, PinKernel};

const OLD: &str = "6.8.12-4-pve";
const PIN: &str = "/etc/kernel/proxmox-boot-pin";

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
    let pin = Step::PinKernel(PinKernel { kernel: kernel.clone(), pool });
    Plan::new(vec![pin], vec![Step::KernelRuns(KernelRuns { kernel })])
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
    assert_eq!(world.host.text_of(PIN).unwrap(), format!("{OLD}\n"));

    // The operator chose another entry in the boot menu.
    let second = Origin { boot: BootId("second".to_owned()), ..origin() };
    let go_on =
        |world: &mut World| apply(&mut world.host, &mut world.log, &second, &plan(), &mut |_| {});
    let error = go_on(&mut world).unwrap_err().to_string();
    assert!(error.contains("this host runs kernel 6.17.13-1-pve"), "{error}");
    world.host.place("/proc/sys/kernel/osrelease", OLD);
    assert_eq!(go_on(&mut world).unwrap().reboot, Reboot::NotNeeded);

    world.host.place("/proc/sys/kernel/osrelease", "6.17.13-1-pve");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]), "the pin that there was is back");
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
    let mut facts = facts(CpuVendor::Amd, Some(BootLoader::Grub));
    let package = r#"{"name":"proxmox-kernel-x","arch":"amd64","version":"1"}"#;
    facts.packages = vec![serde_json::from_str(package).unwrap()];
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
    let course = Course { hold: kernel.clone(), wait_for: kernel, build_for, beaten_by: None };
    let (now, later) = made(&around(course), PackageState::HalfConfigured);
    assert!(now.contains(&format!("pin the boot kernel to {OLD}")), "{now:?}");
    assert_eq!(later[0], format!("check that kernel {OLD} is running"));
    assert!(later[1].starts_with("install the driver 535.230.02"), "{later:?}");
    assert_eq!(later[2], "finish configuring half-configured packages");
}
