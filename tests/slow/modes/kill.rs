//! The plug is pulled while real tools work: at chosen points, seen by what lies on the disk.

use std::process::Stdio;
use std::time::Duration;

use vgpu_tests::kit::Kit;
use vgpu_tests::roots::{Root, Roots, with_own_mounts};

use super::native::is_built;
use super::stage::Stage;
use super::trouble::{content, equipped, is_idle, scripted};

const VERSION: &str = "550.163.02";

/// What is under way when the plug is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum During {
    /// The part before the reboot.
    First,
    /// The part after it.
    Second,
    /// Taking it back.
    Revert,
}

/// Whether the point is there, or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    There,
    Gone,
}

/// A point: what has just happened, and the path that shows it. `K` is the kernel, `V` the driver.
type Point = (During, &'static str, Is, &'static str);

const POINTS: [Point; 14] = [
    (During::First, "the store is being filled", Is::There, "/var/lib/vgpu-offline/store"),
    (During::First, "dpkg has unpacked a package", Is::There, "/var/lib/dpkg/info/vgpu-tool.list"),
    (During::First, "the first file is written", Is::There, "/etc/modprobe.d/vgpu-offline.conf"),
    (During::First, "an initial file system is being written", Is::There, "/boot/initrd.img-K.new"),
    (
        During::Second,
        "the package unpacks itself",
        Is::There,
        "/var/lib/vgpu-offline-work/driver/tree",
    ),
    (During::Second, "the driver's installer has begun", Is::There, "/var/lib/nvidia/files"),
    (During::Second, "it has copied the sources", Is::There, "/usr/src/nvidia-V/dkms.conf"),
    (During::Second, "DKMS has added them", Is::There, "/var/lib/dkms/nvidia/V/source"),
    (During::Second, "the compiler is at work", Is::There, "/var/lib/dkms/nvidia/V/build/make.log"),
    (
        During::Second,
        "the module is where the kernel looks",
        Is::There,
        "/lib/modules/K/updates/dkms/nvidia.ko",
    ),
    (
        During::Second,
        "the services are switched on",
        Is::There,
        "/etc/systemd/system/multi-user.target.wants/nvidia-vgpud.service",
    ),
    (During::Revert, "the module is gone", Is::Gone, "/lib/modules/K/updates/dkms/nvidia.ko"),
    (During::Revert, "the driver's programs are gone", Is::Gone, "/usr/bin/nvidia-uninstall"),
    (
        During::Revert,
        "the settings of modules are gone",
        Is::Gone,
        "/etc/modprobe.d/vgpu-offline.conf",
    ),
];

#[test]
fn a_plug_that_is_pulled_at_each_stage_of_a_driver_does_not_hurt() {
    with_own_mounts(
        "modes::kill::a_plug_that_is_pulled_at_each_stage_of_a_driver_does_not_hurt",
        || {
            let Some(roots) = Roots::open() else { return };
            let mut kit = Kit::new();
            let Some(mut stage) = equipped(&roots, &kit) else { return };
            stage.begin("kill-points");
            let tool = scripted(&stage, &mut kit, "vgpu-tool", "sleep 0.3");
            stage.site.insert(&content(vec![tool], &[VERSION]).bundle(&mut kit, 1));
            let mut rows = vec![
                "| during | when | hit | then |".to_owned(),
                "| --- | --- | --- | --- |".to_owned(),
            ];
            let mut hits = 0;
            for (number, point) in POINTS.into_iter().enumerate() {
                let (during, when, ..) = point;
                let hit = pull(&mut stage, point);
                // One way after one, the other after the next: both have to lead on from anywhere.
                let then = if during == During::Revert || number % 2 == 0 {
                    "taken back"
                } else {
                    "gone on with, and taken back"
                };
                if then != "taken back" {
                    go_on(&mut stage, during);
                }
                take_back(&mut stage);
                stage.is_as_before_but_for_ours();
                hits += usize::from(hit);
                let hit = if hit { "yes" } else { "no" };
                rows.push(format!("| {during:?} | {when} | {hit} | {then} |"));
            }
            let table = rows.join("\n");
            stage.note(&format!("\n{table}\n"));
            eprintln!("{table}");
            assert!(hits >= 10, "only {hits} points were hit:\n{table}");
        },
    );
}

/// Bring the node to where the point is, and pull the plug there; whether something was running.
fn pull(stage: &mut Stage, (during, _, is, path): Point) -> bool {
    let path = path.replace('K', &stage.kernel).replace('V', VERSION);
    let bundle = stage.site.bundle();
    let first = ["apply", bundle.as_str(), "--yes", "--no-resume"];
    if during != During::First {
        stage.run(&first, 10);
        stage.reboot(0);
    }
    if during == During::Revert {
        stage.run(&["apply"], 0);
        is_built(stage, VERSION);
    }
    let words: &[&str] = match during {
        During::First => &first,
        During::Second => &["apply"],
        During::Revert => &["revert", "--yes"],
    };
    let mut command = stage.site.command(words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let reached = |root: &Root| root.at(&path).symlink_metadata().is_ok() == (is == Is::There);
    let running = loop {
        if child.try_wait().unwrap().is_some() {
            break false;
        }
        if reached(stage.root()) {
            break true;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    // `unshare --kill-child` takes all processes of the root with it.
    let _ = child.kill();
    child.wait().unwrap();
    super::trouble::wait_for(|| is_idle(stage.root()));
    running
}

fn go_on(stage: &mut Stage, during: During) {
    if during == During::First {
        stage.apply(&["--no-resume"], 10);
        stage.reboot(0);
    }
    stage.run(&["apply"], 0);
    is_built(stage, VERSION);
}

fn take_back(stage: &mut Stage) {
    let said = vgpu_tests::scratch::run(stage.site.command(&["revert", "--yes"]));
    assert!(matches!(said.code, Some(0 | 10)), "{}{}", said.out, said.err);
    stage.reboot(0);
}
