//! A node whose clock is far off, for every process in the root, including apt and dpkg.

use std::fs;
use std::process::Command;
use std::time::SystemTime;

use vgpu_tests::kit::Kit;
use vgpu_tests::roots::{Root, Roots, with_own_mounts};
use vgpu_tests::scratch::expect;
use vgpu_tests::skip::have;

use super::native::is_built;
use super::trouble::{content, equipped, scripted};

const VERSION: &str = "550.163.02";

/// The source of the clock library, compiled with its offset.
const SOURCE: &str = include_str!("stubs/clock.c");

/// The loader's list of libraries to preload, and the library.
const PRELOAD: &str = "/etc/ld.so.preload";
const LIBRARY: &str = "/usr/local/lib/clock.so";

/// One day after the epoch, as with a flat battery; and shortly before the end of 32-bit time,
/// which passes while the node works.
const CLOCKS: [(&str, u64); 2] = [("1970", 97_445), ("2106", u32::MAX as u64 - 15)];

#[test]
fn no_clock_keeps_a_good_bundle_from_being_applied() {
    with_own_mounts("modes::clock::no_clock_keeps_a_good_bundle_from_being_applied", || {
        let Some(roots) = Roots::open() else { return };
        if !have_clock() {
            return;
        }
        for (year, seconds) in CLOCKS {
            let mut kit = Kit::new();
            let Some(mut stage) = equipped(&roots, &kit) else { return };
            stage.begin(&format!("clock-{year}"));
            set_clock(stage.root(), seconds);
            let said = expect(stage.root().command(&["date", "-u", "+%Y"]), 0).out;
            assert_eq!(said.trim(), year);
            let tool = scripted(&stage, &mut kit, "vgpu-tool", "exit 0");
            stage.site.insert(&content(vec![tool], &[VERSION]).bundle(&mut kit, 1));
            stage.apply(&[], 10);
            stage.reboot(0);
            is_built(&stage, VERSION);
            stage.run(&["status"], 0);
            stage.run(&["report"], 0);
            stage.run(&["revert", "--yes"], 10);
            // The installer used that clock too.
            let log = stage.root().at("/var/log/vgpu-offline/installer.log");
            let log = fs::read_to_string(log).unwrap();
            assert!(log.contains(&format!("\n{year}-")), "{log}");
            stage.run(&["forget", "--yes"], 0);
            for path in [PRELOAD, LIBRARY] {
                fs::remove_file(stage.root().at(path)).unwrap();
            }
            stage.is_as_before();
        }
    });
}

/// Checks whether the clock of a root can be set.
pub(super) fn have_clock() -> bool {
    have("cc")
}

/// Makes every process in the root see this number of seconds since 1970 as the current time: the
/// installer, apt, dpkg, DKMS and the compiler.
pub(super) fn set_clock(root: &Root, seconds: u64) {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("clock.c");
    fs::write(&source, SOURCE).unwrap();
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(root.at(LIBRARY)).arg(&source);
    compile.arg(format!("-DAHEAD=({seconds}L - {now}L)"));
    expect(compile, 0);
    root.write(PRELOAD, format!("{LIBRARY}\n"));
}
