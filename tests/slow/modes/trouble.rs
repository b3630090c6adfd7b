//! Failures on a node, with real tools: each gives a clear message, and both resuming and reverting
//! work.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use camino::Utf8Path;
use serde_json::Value;
use vgpu_tests::kit::Kit;
use vgpu_tests::roots::{Layer, Release, Roots, with_own_mounts};
use vgpu_tests::scratch::{expect, run};

use super::bundle::{Content, Patched, wants};
use super::machine::{A40, Loader, Machine, PVE1};
use super::native::is_built;
use super::stage::{Stage, package};
use crate::node::packages::take;

const VERSION: &str = "550.163.02";

/// Returns a node of Debian 12 with the toolchain and a native GPU.
pub(super) fn equipped(roots: &Roots, kit: &Kit) -> Option<Stage> {
    let pristine = roots.layered(Release::Debian12, Layer::BUILDER)?;
    let machine = Machine { cards: &[A40], loader: Loader::Grub, identity: PVE1 };
    Some(Stage::stock(pristine.fresh(), machine, kit))
}

/// Returns a bundle with these packages and this driver, if any.
pub(super) fn content(packages: Vec<Value>, drivers: &[&'static str]) -> Content {
    Content {
        release: Release::Debian12,
        drivers: drivers.to_vec(),
        patched: Patched::No,
        packages,
        unlock: Vec::new(),
        wants: if drivers.is_empty() { serde_json::json!({}) } else { wants() },
    }
}

/// Builds a package with a script that runs when it is configured.
pub(super) fn scripted(stage: &Stage, kit: &mut Kit, name: &str, script: &str) -> Value {
    let script = format!("#!/bin/sh\n{script}\n");
    let files = [("/DEBIAN/postinst", script.as_str()), ("/usr/share/vgpu/note", "a file\n")];
    let note = format!("/usr/share/{name}/note");
    let files = [files[0], (note.as_str(), files[1].1)];
    let file = package(stage.root(), name, "1.0", "", &files);
    let record = take(kit, &stage.root().at(&file), "requested");
    fs::remove_dir_all(stage.root().at("/srv/made")).unwrap();
    record
}

#[test]
fn what_fails_half_way_is_gone_on_with_or_taken_back() {
    with_own_mounts("modes::trouble::what_fails_half_way_is_gone_on_with_or_taken_back", || {
        let Some(roots) = Roots::open() else { return };
        let mut kit = Kit::new();
        let Some(mut stage) = equipped(&roots, &kit) else { return };
        stage.begin("trouble");
        packages_of_which_one_fails(&mut stage, &mut kit);
        a_second_installer(&mut stage, &mut kit);
        a_module_that_does_not_compile(&mut stage, &mut kit);
        an_uninstaller_that_fails(&mut stage);
        stage.run(&["forget", "--yes"], 0);
        stage.is_as_before();
    });
}

fn packages_of_which_one_fails(stage: &mut Stage, kit: &mut Kit) {
    stage.note("\n## apt fails half-way\n");
    let packages = vec![
        scripted(stage, kit, "vgpu-a", "exit 0"),
        scripted(stage, kit, "vgpu-b", "test -e /etc/mended || { echo it is broken >&2; exit 1; }"),
    ];
    stage.site.insert(&content(packages, &[]).bundle(kit, 1));
    let said = stage.apply(&[], 1).err;
    for word in ["apt-get", "failed with exit status 100", "it is broken", "vgpu-b"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let said = stage.run(&["status"], 1).out;
    assert!(said.contains("interrupted: run `vgpu-installer apply` to resume"), "{said}");
    stage.run(&["revert", "--yes"], 0);
    stage.is_as_before_but_for_ours();

    stage.apply(&[], 1);
    stage.root().write("/etc/mended", "");
    stage.run(&["apply"], 0);
    assert!(stage.root().packages()["vgpu-b:all"].contains("install ok installed"));
    fs::remove_file(stage.root().at("/etc/mended")).unwrap();
    stage.run(&["revert", "--yes"], 0);
    stage.is_as_before_but_for_ours();
}

fn a_second_installer(stage: &mut Stage, kit: &mut Kit) {
    stage.note("\n## a second installer at the same time\n");
    let slow = scripted(stage, kit, "vgpu-slow", "touch /run/slow; sleep 4");
    stage.site.insert(&content(vec![slow], &[]).bundle(kit, 2));
    let bundle = stage.site.bundle();
    let words = ["apply", bundle.as_str(), "--yes"];
    let mut first = stage.site.command(&words);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(|| stage.root().at("/run/slow").exists());
    let said = stage.apply(&[], 1).err;
    assert!(said.contains("another vgpu-installer"), "{said}");
    stage.run(&["revert", "--yes"], 1);
    assert!(first.wait().unwrap().success());
    stage.run(&["status"], 0);
    stage.run(&["revert", "--yes"], 0);
    stage.is_as_before_but_for_ours();
}

fn a_module_that_does_not_compile(stage: &mut Stage, kit: &mut Kit) {
    stage.note("\n## a module that does not compile\n");
    stage.site.insert(&content(Vec::new(), &[VERSION]).bundle(kit, 3));
    let sources = stage.root().at("/usr/src").read_dir_utf8().unwrap();
    let mut headers = sources.map(|entry| entry.unwrap().into_path());
    let headers = headers.find(|path| path.as_str().ends_with("-common")).unwrap();
    let header = headers.join("include/linux/init.h");
    let sound = fs::read(&header).unwrap();
    fs::write(&header, "#error this kernel has changed\n").unwrap();
    stage.apply(&[], 10);
    let said = stage.reboot(1);
    for word in ["nvidia-installer", "make.log", "DKMS has failed", "`vgpu-installer revert`"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    stage.run(&["revert", "--yes"], 10);
    fs::write(&header, &sound).unwrap();
    stage.is_as_before_but_for_ours();

    fs::write(&header, "#error this kernel has changed\n").unwrap();
    stage.apply(&[], 10);
    stage.reboot(1);
    fs::write(&header, &sound).unwrap();
    stage.run(&["apply"], 0);
    is_built(stage, VERSION);
}

/// Runs after the test of the driver above, which is installed.
fn an_uninstaller_that_fails(stage: &mut Stage) {
    stage.note("\n## an uninstaller that fails\n");
    let program = stage.root().at("/usr/bin/nvidia-uninstall");
    let sound = fs::read(&program).unwrap();
    fs::write(&program, "#!/bin/sh\necho no, not today >&2\nexit 1\n").unwrap();
    let said = stage.run(&["revert", "--yes"], 1).err;
    for word in ["nvidia-uninstall --silent", "no, not today", "run the same command again"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    fs::write(&program, sound).unwrap();
    stage.run(&["revert", "--yes"], 10);
    stage.is_as_before_but_for_ours();
}

#[test]
fn a_disk_that_is_full_is_said_before_or_can_be_gone_on_from() {
    with_own_mounts(
        "modes::trouble::a_disk_that_is_full_is_said_before_or_can_be_gone_on_from",
        || {
            let Some(roots) = Roots::open() else { return };
            let mut kit = Kit::new();
            let Some(mut stage) = equipped(&roots, &kit) else { return };
            stage.begin("disk-full");
            stage.site.insert(&content(Vec::new(), &[VERSION]).bundle(&mut kit, 1));

            // Too small for the store: this is reported first, and nothing has been written.
            let store = stage.root().at("/var/lib/vgpu-offline/store");
            let small = Mount::tmpfs(&store, "4m");
            let said = stage.apply(&[], 4).err;
            assert!(said.contains("/var/lib/vgpu-offline/store has "), "{said}");
            assert!(said.contains("are needed there"), "{said}");
            drop(small);
            stage.is_as_before_but_for_ours();

            // Full during DKMS's work.
            for way in ["apply", "revert"] {
                stage.apply(&[], 10);
                let small = Mount::tmpfs(&stage.root().at("/var/lib/dkms"), "96k");
                let said = stage.reboot(1);
                assert!(
                    said.contains("No space left on device") || said.contains("DKMS"),
                    "{said}"
                );
                drop(small);
                if way == "apply" {
                    stage.run(&["apply"], 0);
                    is_built(&stage, VERSION);
                }
                stage.run(&["revert", "--yes"], 10);
                stage.reboot(0);
                stage.is_as_before_but_for_ours();
            }
        },
    );
}

/// A separate file system in the root, unmounted on drop.
struct Mount(String);

impl Mount {
    fn tmpfs(at: &Utf8Path, size: &str) -> Self {
        let options = format!("size={size},mode=0755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs", at.as_str()]);
        expect(mount, 0);
        Self(at.to_string())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        umount.args(["--lazy", &self.0]);
        let _ = run(umount);
    }
}

/// Waits for a condition, for a limited time.
pub(super) fn wait_for(is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("it never was so");
}
