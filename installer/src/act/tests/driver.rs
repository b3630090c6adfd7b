//! A driver on the simulated host: installed, patched, interrupted, replaced, reverted.

use std::sync::LazyLock;

use vgpu_manifest::Digest;
use vgpu_manifest::driver::PatchedFile;

use crate::component::Component;
use crate::driver::{DriverPatch, DriverSpec, versions};
use crate::facts::{CERTIFICATE, PRIVATE_KEY};
use crate::host::testing::{Late, MemHost};
use crate::host::{Content, HostError, Look as _};
use crate::journal::{BootId, TxId, remove, revert_all};
use crate::plan::{ApplyError, Origin, Plan, Rollback, apply, rollback};
use crate::power_cut::{World, cut_everywhere, cut_once};
use crate::state;
use crate::step::{EnableUnit, InstallDriver, MendPackages, Step};

pub(crate) const KERNEL: &str = "6.8.12-4-pve";
pub(super) const SOURCE: &str = "static bool unlocked;\n";
pub(super) const PATCHED: &str = "static bool unlocked = true;\n";

static PATCH: LazyLock<String> =
    LazyLock::new(|| format!("--- kernel/nv.c\n+++ kernel/nv.c\n@@ -1 +1 @@\n-{SOURCE}+{PATCHED}"));

fn package(version: &str) -> String {
    format!("a driver\nversion={version}\n")
}

pub(crate) fn spec(version: &str) -> DriverSpec {
    let digest = |text: &str| Some(Digest::of(text.as_bytes()));
    let file = PatchedFile {
        path: "kernel/nv.c".parse().unwrap(),
        before: digest(SOURCE),
        after: digest(PATCHED),
    };
    DriverSpec {
        item: "driver/nvidia.run".parse().unwrap(),
        content: Content::of(package(version).as_bytes()),
        version: version.parse().unwrap(),
        patches: vec![DriverPatch {
            item: "driver/unlock.patch".parse().unwrap(),
            content: Content::of(PATCH.as_bytes()),
            files: vec![file],
        }],
        args: vec!["--dkms".to_owned(), "-s".to_owned()],
        kernels: vec![KERNEL.parse().unwrap()],
    }
}

/// The effects of the package, its installer and its uninstaller, in as many changes as those of
/// the stand-in in the test suites.
pub(crate) fn sh(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let [package, "--extract-only", "--target", tree, "--tmpdir", _] = args else { return Ok(2) };
    let text = host.text_of(package).unwrap_or_default();
    let Some((_, version)) = text.trim().split_once("version=") else { return Ok(1) };
    host.scribble(&format!("{tree}/version"), version)?;
    host.scribble(&format!("{tree}/kernel/nv.c"), SOURCE)?;
    host.scribble(&format!("{tree}/nvidia-installer"), "#!")?;
    Ok(0)
}

pub(crate) fn env(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let Some(tree) = args[0].strip_prefix("--chdir=") else { return Ok(125) };
    if args.contains(&"--uninstall") {
        return uninstall(host, args);
    }
    if !args.contains(&"--dkms") || host.text_of("/var/lib/nvidia/files").is_some() {
        return Ok(1);
    }
    let Some(version) = host.text_of(&format!("{tree}/version")) else { return Ok(1) };
    let source = host.text_of(&format!("{tree}/kernel/nv.c")).unwrap();
    host.scribble("/var/lib/nvidia/files", "")?;
    host.scribble("/usr/bin/nvidia-uninstall", &version)?;
    host.scribble("/etc/systemd/system/multi-user.target.wants/nvidia-vgpud.service", "x")?;
    host.scribble(&format!("/usr/src/nvidia-{version}/nv.c"), &source)?;
    if host.text_of("/etc/no-compiler").is_some() {
        return Ok(1);
    }
    // DKMS 3.0.10 of Debian 12 signs modules without Secure Boot too, with a key that it makes once.
    if host.text_of(PRIVATE_KEY).is_none() || host.text_of(CERTIFICATE).is_none() {
        host.scribble(PRIVATE_KEY, "key")?;
        host.scribble(CERTIFICATE, "certificate")?;
    }
    let dkms = format!("/var/lib/dkms/nvidia/{version}/{KERNEL}");
    host.scribble(&dkms, "installed")?;
    host.scribble(&format!("/usr/lib/modules/{KERNEL}/updates/nvidia.ko"), &source)?;
    Ok(0)
}

fn uninstall(host: &mut MemHost, _: &[&str]) -> Result<i32, HostError> {
    if host.text_of("/etc/broken-uninstaller").is_some() {
        return Ok(1);
    }
    for path in [
        format!("/usr/lib/modules/{KERNEL}/updates/nvidia.ko"),
        "/usr/bin/nvidia-uninstall".to_owned(),
    ] {
        host.scratch(&path)?;
    }
    for version in versions(host)? {
        host.scratch(&format!("/usr/src/nvidia-{version}/nv.c"))?;
        host.scratch(&format!("/usr/src/nvidia-{version}"))?;
    }
    host.scratch("/var/lib/nvidia/files")?;
    Ok(0)
}

fn dkms(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    let folder = "/var/lib/dkms/nvidia";
    match args {
        ["status", "-m", "nvidia"] => {
            for version in host.list(&state::fixed(folder))?.unwrap_or_default() {
                let built = host.list(&state::fixed(&format!("{folder}/{version}")))?;
                for kernel in built.unwrap_or_default() {
                    host.stdout.extend([
                        "nvidia/",
                        &version,
                        ", ",
                        &kernel,
                        ", x86_64: installed\n",
                    ]);
                }
            }
            Ok(0)
        }
        ["install", module, "-k", kernel] => {
            let version = module.trim_start_matches("nvidia/");
            host.scribble(&format!("{folder}/{version}/{kernel}"), "installed")?;
            host.scribble(&format!("/usr/lib/modules/{kernel}/updates/nvidia.ko"), "built")?;
            Ok(0)
        }
        ["remove", module, "-k", kernel] => {
            let version = module.trim_start_matches("nvidia/");
            host.scratch(&format!("/usr/lib/modules/{kernel}/updates/nvidia.ko"))?;
            host.scratch(&format!("{folder}/{version}/{kernel}"))?;
            Ok(0)
        }
        ["remove", module, "--all"] => {
            let version = module.trim_start_matches("nvidia/");
            host.scratch(&format!("{folder}/{version}/{KERNEL}"))?;
            host.scratch(&format!("{folder}/{version}"))?;
            Ok(0)
        }
        _ => Ok(2),
    }
}

pub(crate) fn host() -> MemHost {
    let mut host = MemHost::with_files(&[
        ("/etc/systemd/system/mine.service", "[Service]\n"),
        ("/usr/bin/true", ""),
    ]);
    for dir in ["/usr/src", "/var/lib/dkms/nvidia", "/var/lib/nvidia"] {
        host.place_node(dir, crate::host::Node::dir(crate::host::Mode::DIR), b"");
    }
    host.place_node(
        &format!("/usr/lib/modules/{KERNEL}/updates"),
        crate::host::Node::dir(crate::host::Mode::DIR),
        b"",
    );
    host.place_node(
        "/etc/systemd/system/multi-user.target.wants",
        crate::host::Node::dir(crate::host::Mode::DIR),
        b"",
    );
    for text in [package("535.230.02"), package("550.163.02"), PATCH.clone()] {
        let stored = state::stored(Content::of(text.as_bytes()).id);
        host.place(stored.as_path().as_str(), &text);
    }
    host.programs.extend([
        ("sh", sh as crate::host::testing::Program),
        ("env", env),
        ("/usr/bin/nvidia-uninstall", uninstall),
        ("dkms", dkms),
    ]);
    for derived in ["depmod", "systemctl"] {
        let words: &[&str] = if derived == "depmod" { &[KERNEL] } else { &["daemon-reload"] };
        crate::journal::run_transient(&mut host, &crate::host::Command::new(derived, words))
            .unwrap();
    }
    host.ran.clear();
    host
}

pub(super) fn plan(new: &str, old: Option<&str>) -> Plan {
    let install = InstallDriver { replaces: old.map(spec), ..InstallDriver::of(spec(new)) };
    let enable = EnableUnit {
        unit: "nvidia-vgpu-mgr.service".parse().unwrap(),
        file: state::fixed("/lib/systemd/system/nvidia-vgpu-mgr.service"),
        wanted_by: "multi-user.target".parse().unwrap(),
        component: Component::Driver,
    };
    Plan::new(vec![Step::InstallDriver(Box::new(install)), Step::EnableUnit(enable)], Vec::new())
}

pub(super) fn carry_out(world: &mut World, plan: &Plan, bundle: &str) -> Result<(), ApplyError> {
    let origin = Origin { bundle: Digest::of(bundle.as_bytes()), boot: BootId::default() };
    apply(&mut world.host, &mut world.log, &origin, plan, &mut |_| {}).map(|_| ())
}

#[test]
fn a_driver_is_patched_installed_and_gone_again() {
    let before = host();
    let mut world = World::new(&before);
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    let module = format!("/usr/lib/modules/{KERNEL}/updates/nvidia.ko");
    assert_eq!(world.host.text_of(&module).unwrap(), PATCHED);
    let env = world.host.ran.iter().find(|line| line.starts_with("env")).unwrap();
    assert!(env.ends_with("./nvidia-installer --dkms -s --kernel-name=6.8.12-4-pve --log-file-name=/var/log/nvidia-installer.log"), "{env}");
    // DKMS has updated the module index.
    assert!(!world.host.ran.contains(&format!("depmod {KERNEL}")), "{:?}", world.host.ran);
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

#[test]
fn a_module_that_the_installer_does_not_load_is_loaded() {
    let loaded = |options: &[&str]| {
        let mut world = World::new(&host());
        let mut driver = spec("535.230.02");
        driver.args.extend(options.iter().map(|&option| option.to_owned()));
        let install = Step::InstallDriver(Box::new(InstallDriver::of(driver)));
        world.host.programs.insert("modprobe", |_, args| Ok(i32::from(args != ["nvidia"])));
        carry_out(&mut world, &Plan::new(vec![install], Vec::new()), "a").unwrap();
        world.host.ran.contains(&"modprobe nvidia".to_owned())
    };
    assert!(!loaded(&[]));
    assert!(loaded(&["--skip-module-load"]));
}

#[test]
fn a_power_cut_at_any_change_can_be_resumed_and_reverted() {
    let plan = plan("535.230.02", None);
    let apply = |world: &mut World| carry_out(world, &plan, "a").map_err(|error| error.to_string());
    let cuts = cut_everywhere(&host(), &apply);
    assert!(cuts > 500, "only {cuts} power cuts tried");
    let full = cut_once(&host(), Late::Full, &apply);
    assert!(full > 20, "only {full} full disks tried");
}

#[test]
fn another_driver_is_exchanged_and_comes_back() {
    let before = host();
    let mut world = World::new(&before);
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    let between = world.host.picture(&[]);
    carry_out(&mut world, &plan("550.163.02", Some("535.230.02")), "b").unwrap();
    assert_eq!(versions(&world.host).unwrap(), ["550.163.02"]);
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), between);
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

#[test]
fn a_failed_upgrade_can_be_rolled_back_while_the_store_has_the_old_driver() {
    let mut world = World::new(&host());
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    let none = rollback(&world.host, &world.log, TxId(1)).unwrap();
    assert_eq!(none, Rollback::NoDriver, "nothing was there before");
    let between = world.host.picture(&[]);
    // The old driver is removed, and the module of the new one does not compile.
    world.host.place("/etc/no-compiler", "");
    let newer = plan("550.163.02", Some("535.230.02"));
    carry_out(&mut world, &newer, "b").unwrap_err();
    assert!(!versions(&world.host).unwrap().contains(&"535.230.02".to_owned()));
    let back = rollback(&world.host, &world.log, TxId(2)).unwrap();
    assert_eq!(back, Rollback::To("535.230.02".parse().unwrap()));

    let mut lacking = world.clone();
    let stored = state::stored(Content::of(package("535.230.02").as_bytes()).id);
    lacking.host.nodes.remove(&stored);
    let item = "driver/nvidia.run".parse().unwrap();
    let lacks = rollback(&lacking.host, &lacking.log, TxId(2)).unwrap();
    assert_eq!(lacks, Rollback::Lacks(vec![item]));

    world.host.nodes.remove(&state::fixed("/etc/no-compiler"));
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), between, "the old driver is back");
}

#[test]
fn an_exchanged_driver_does_not_come_back_only_to_go() {
    let before = host();
    let mut world = World::new(&before);
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    carry_out(&mut world, &plan("550.163.02", Some("535.230.02")), "b").unwrap();
    let mut other = world.clone();
    for everything in [true, false] {
        let world = if everything { &mut world } else { &mut other };
        world.host.ran.clear();
        let (host, log) = (&mut world.host, &mut world.log);
        let kept = if everything {
            revert_all(host, log, &mut |_| {}).unwrap()
        } else {
            remove(host, log, &[Component::Driver].into(), &mut |_| {}).unwrap()
        };
        assert_eq!(kept, []);
        assert_eq!(world.host.picture(&[]), before.picture(&[]));
        let installs = |line: &&String| line.contains("./nvidia-installer --dkms");
        assert_eq!(world.host.ran.iter().filter(installs).count(), 0, "{:?}", world.host.ran);
        let uninstalls = |line: &&String| line.starts_with("/usr/bin/nvidia-uninstall");
        assert_eq!(world.host.ran.iter().filter(uninstalls).count(), 1, "{:?}", world.host.ran);
    }
    // The old driver can be reinstalled.
    carry_out(&mut other, &plan("550.163.02", None), "b").unwrap();
    assert_eq!(versions(&other.host).unwrap(), ["550.163.02"]);
}

#[test]
fn a_patch_that_does_not_fit_installs_nothing() {
    let before = host();
    let mut other = spec("535.230.02");
    other.patches[0].files[0].after = Some(Digest::of(b"another"));
    let step = InstallDriver::of(other);
    let plan = Plan::new(vec![Step::InstallDriver(Box::new(step))], Vec::new());
    let mut world = World::new(&before);
    let error = carry_out(&mut world, &plan, "a").unwrap_err().to_string();
    assert!(
        error.contains("`kernel/nv.c` of the unpacked driver does not match")
            || error.contains("TreePath"),
        "{error}"
    );
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

#[test]
fn a_module_that_does_not_compile_is_taken_back_or_built_later() {
    let mut before = host();
    before.place("/etc/no-compiler", "");
    let plan = plan("535.230.02", None);
    let mut world = World::new(&before);
    let error = carry_out(&mut world, &plan, "a").unwrap_err().to_string();
    assert!(error.contains("./nvidia-installer"), "{error}");
    let mut other = world.clone();
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));

    other.host.nodes.remove(&state::fixed("/etc/no-compiler"));
    carry_out(&mut other, &plan, "a").unwrap();
    assert_eq!(other.revert().unwrap(), []);
}

#[test]
fn an_uninstaller_that_fails_stops_the_revert_until_it_is_mended() {
    let before = host();
    let mut world = World::new(&before);
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    world.host.place("/etc/broken-uninstaller", "");
    let error = world.revert().unwrap_err().to_string();
    assert!(error.contains("`/usr/bin/nvidia-uninstall --silent` failed"), "{error}");
    world.host.nodes.remove(&state::fixed("/etc/broken-uninstaller"));
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

#[test]
fn a_driver_that_is_there_is_only_built_for_one_more_kernel() {
    const NEW: &str = "6.14.11-2-pve";
    let mut before = host();
    let updates = format!("/usr/lib/modules/{NEW}/updates");
    before.place_node(&updates, crate::host::Node::dir(crate::host::Mode::DIR), b"");
    crate::journal::run_transient(&mut before, &crate::host::Command::new("depmod", &[NEW]))
        .unwrap();
    let mut world = World::new(&before);
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    let between = world.host.picture(&[]);
    world.host.ran.clear();

    let mut driver = spec("535.230.02");
    driver.kernels.push(NEW.parse().unwrap());
    let step = InstallDriver::of(driver);
    let more = Plan::new(vec![Step::InstallDriver(Box::new(step))], Vec::new());
    carry_out(&mut world, &more, "b").unwrap();
    let ran = &world.host.ran;
    assert!(ran.contains(&format!("dkms install nvidia/535.230.02 -k {NEW}")), "{ran:?}");
    assert!(!ran.iter().any(|line| line.contains("uninstall")), "guests may run on: {ran:?}");
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), between);
    assert_eq!(world.revert().unwrap(), []);
    assert_eq!(world.host.picture(&[]), before.picture(&[]));
}

/// dpkg, with a kernel whose hook has DKMS build the old driver's module, which does not compile
/// for it: the package can be configured only with the new driver.
fn dpkg(host: &mut MemHost, args: &[&str]) -> Result<i32, HostError> {
    assert!(args.ends_with(&["--configure", "--pending"]), "{args:?}");
    if versions(host)? != ["550.163.02"] {
        return Ok(1);
    }
    let status = host.text_of("/var/lib/dpkg/status").unwrap();
    host.scribble("/var/lib/dpkg/status", &status.replace("half-configured", "installed"))?;
    Ok(0)
}

#[test]
fn a_kernel_that_dkms_left_half_configured_is_mended_by_a_driver_that_builds() {
    let mut host = host();
    host.place(
        "/var/lib/dpkg/status",
        "Package: proxmox-kernel-6.14.11-2-pve-signed\nStatus: install ok half-configured\n\
         Architecture: amd64\nVersion: 6.14.11-2\n",
    );
    host.programs.insert("dpkg", dpkg);
    let with_mending = |new, old| {
        let mut plan = plan(new, old);
        plan.before_reboot.insert(1, Step::MendPackages(MendPackages {}));
        plan
    };
    let mut world = World::new(&host);
    let error = carry_out(&mut world, &with_mending("535.230.02", None), "a").unwrap_err();
    let error = error.to_string();
    assert!(error.contains("finish configuring half-configured packages"), "{error}");
    world.revert().unwrap();

    let mut world = World::new(&host);
    carry_out(&mut world, &plan("535.230.02", None), "a").unwrap();
    carry_out(&mut world, &with_mending("550.163.02", Some("535.230.02")), "b").unwrap();
    let status = world.host.text_of("/var/lib/dpkg/status").unwrap();
    assert!(status.contains("install ok installed"), "{status}");
}
