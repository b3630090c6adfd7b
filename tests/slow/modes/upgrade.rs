//! Failures in phase 2: after a first installation, and after an upgrade, which is reverted
//! automatically.

use std::fs;

use serde_json::json;
use vgpu_tests::kit::Kit;
use vgpu_tests::roots::{Roots, with_own_mounts};
use vgpu_tests::scratch::expect;

use super::native::is_built;
use super::stage::Stage;
use super::trouble::{content, equipped};

const OLD: &str = "535.230.02";
/// Newer versions, each of which fails in a different way.
const UNBUILT: &str = "550.127.06";
const CRASHES: &str = "550.144.02";
const UNBUILT_LATER: &str = "550.163.02";

#[test]
fn an_upgrade_that_fails_goes_back_by_itself() {
    with_own_mounts("modes::upgrade::an_upgrade_that_fails_goes_back_by_itself", || {
        let Some(roots) = Roots::open() else { return };
        let mut kit = Kit::new();
        let Some(mut stage) = equipped(&roots, &kit) else { return };
        stage.begin("upgrade");
        // As before Proxmox VE 8.3.4, when only this project's unit enabled virtual functions.
        expect(stage.root().command(&["dpkg", "--purge", "pve-nvidia-vgpu-helper"]), 0);
        stage.remember();
        the_unit_gives_up(&mut stage, &mut kit);
        on_the_same_boot(&mut stage, &mut kit);
        when_it_is_looked_again(&mut stage, &mut kit);
        after_a_reboot(&mut stage, &mut kit);
        stage.run(&["revert", "--all", "--yes"], 10);
        stage.reboot(0);
        stage.run(&["forget", "--yes"], 0);
        stage.is_as_before();
    });
}

/// Makes DKMS fail to build the module of this version, with a file that simulates a defect of this
/// host.
fn break_module(stage: &Stage, version: &str) {
    stage.root().write(&format!("/etc/dkms/nvidia-{version}.conf"), "MAKE[0]=\"false\"\n");
}

fn mend_module(stage: &Stage, version: &str) {
    fs::remove_file(stage.root().at(&format!("/etc/dkms/nvidia-{version}.conf"))).unwrap();
}

/// Checks that the old driver serves guests, with its virtual functions.
fn is_old(stage: &mut Stage) {
    is_built(stage, OLD);
    has_functions(stage);
    let said = stage.run(&["status"], 0).out;
    assert!(said.contains(&format!("good      loaded       {OLD} is loaded")), "{said}");
    assert!(said.contains("node 1 of channel stable"), "{said}");
}

fn has_functions(stage: &Stage) {
    let device = "/sys/bus/pci/devices/0000:81:00.0";
    let there = fs::read_to_string(stage.root().at(&format!("{device}/sriov_numvfs"))).unwrap();
    assert_eq!(there.trim(), "32");
}

fn the_unit_gives_up(stage: &mut Stage, kit: &mut Kit) {
    stage.note("\n## the first installation fails, and the unit gives up\n");
    stage.site.insert(&content(Vec::new(), &[OLD]).bundle(kit, 1));
    break_module(stage, OLD);
    stage.apply(&[], 10);
    let said = stage.run(&["status"], 10).out;
    assert!(said.contains("resumes automatically after the next boot"), "{said}");
    for _ in 0..2 {
        let said = stage.reboot(1);
        let hint = "run `vgpu-installer apply` to resume";
        assert!(said.contains(hint) && !said.contains("same command"), "{said}");
    }
    let said = stage.reboot(0);
    assert!(said.contains("has failed twice and is disabled"), "{said}");
    let said = stage.run(&["status"], 1).out;
    assert!(said.contains("automatic resume has failed twice"), "{said}");

    mend_module(stage, OLD);
    stage.run(&["apply"], 0);
    is_old(stage);
    // The effect of the project's unit at each boot.
    let said = stage.reboot(0);
    assert!(said.contains("0000:81:00.0") && said.contains("32"), "{said}");
    is_old(stage);
}

fn on_the_same_boot(stage: &mut Stage, kit: &mut Kit) {
    stage.note("\n## the driver of an upgrade does not come to be\n");
    stage.site.insert(&content(Vec::new(), &[UNBUILT]).bundle(kit, 2));
    break_module(stage, UNBUILT);
    let said = stage.apply(&[], 1).err;
    went_back(&said, "nvidia-installer");
    mend_module(stage, UNBUILT);
    is_old(stage);
}

fn when_it_is_looked_again(stage: &mut Stage, kit: &mut Kit) {
    stage.note("\n## the driver of an upgrade is there and does not work\n");
    stage.site.insert(&content(Vec::new(), &[CRASHES]).bundle(kit, 3));
    stage.root().write("/root/machine/crashes", format!("nvidia-vgpu-mgr.service {CRASHES}\n"));
    let said = stage.apply(&[], 10).err;
    assert!(said.contains("to confirm the result"), "{said}");
    stage.reboot(0);
    is_built(stage, CRASHES);
    let said = stage.run(&["apply"], 1).err;
    went_back(&said, "services");
    is_old(stage);
}

fn after_a_reboot(stage: &mut Stage, kit: &mut Kit) {
    stage.note("\n## an upgrade with a first part: the unit goes back\n");
    let mut newer = content(Vec::new(), &[UNBUILT_LATER]);
    newer.wants["kernel-words"] = json!(["mitigations=auto"]);
    stage.site.insert(&newer.bundle(kit, 4));
    break_module(stage, UNBUILT_LATER);
    stage.apply(&[], 10);
    is_built(stage, OLD);
    let said = stage.reboot(1);
    went_back(&said, "nvidia-installer");
    mend_module(stage, UNBUILT_LATER);
    let words = fs::read_to_string(stage.root().at("/boot/grub/grub.cfg")).unwrap();
    assert!(!words.contains("mitigations"), "{words}");
    is_old(stage);
    // The next boot has nothing to resume.
    stage.reboot(0);
    is_old(stage);
}

fn went_back(said: &str, because: &str) {
    for word in [
        "the new driver does not work:",
        because,
        &format!("rolling back to driver {OLD}"),
        "the new bundle did not work, and the host is back at node 1 of channel stable",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
