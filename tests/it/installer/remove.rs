//! Removal of installed components.

use std::fs;
use std::os::unix::fs::symlink;

use crate::installer::fixture::{Site, Spec, key};
use crate::installer::tree::tree;

const GPU: &str = "0000:41:00.0";
const RULES: &str = "root/etc/udev/rules.d/62-vgpu-offline.rules";

/// Returns a host that trusts Alice, with a GPU alone in its IOMMU group, and a bundle signed by
/// her.
fn ready() -> (Site, String) {
    let (site, alice) = (Site::new(), key(1));
    let device = format!("root/sys/bus/pci/devices/{GPU}");
    for (file, text) in [("vendor", "0x10de\n"), ("device", "0x1eb8\n"), ("class", "0x030200\n")] {
        site.write(&format!("{device}/{file}"), text.as_bytes());
    }
    site.write(&format!("root/sys/kernel/iommu_groups/7/devices/{GPU}/x"), b"");
    let link = site.path(&format!("{device}/iommu_group"));
    symlink("../../../../kernel/iommu_groups/7", link).unwrap();
    site.trust(&alice, "alice", &[]).expect(0);
    let bundle = site.bundle(&Spec::full(1), &[&alice]);
    (site, bundle)
}

fn apply(site: &Site, bundle: &str) {
    site.run(&["apply", "--yes", "--passthrough", GPU, "--no-resume", bundle]).expect(10);
    // The reboot, after which the GPU is reserved for guests.
    site.write("root/proc/sys/kernel/random/boot_id", b"another\n");
    let driver = site.path(&format!("root/sys/bus/pci/devices/{GPU}/driver"));
    let _ = fs::remove_file(&driver);
    symlink("../../../bus/pci/drivers/vfio-pci", driver).unwrap();
    site.run(&["apply"]).expect(0);
}

#[test]
fn a_component_goes_and_comes_again_and_the_rest_stays() {
    let (site, bundle) = ready();
    apply(&site, &bundle);
    let applied = tree(&site.root());

    let shown = ["to remove: passthrough", "62-vgpu-offline.rules"];
    let ran = site.run(&["remove", "--component", "passthrough", "--dry-run"]).expect(0);
    assert!(!ran.says(&shown).err.contains("grub.d"), "only what belongs to it");
    site.run(&["remove", "--component", "passthrough"]).expect(2).says(&["--yes"]).says(&shown);
    assert_eq!(tree(&site.root()), applied, "nothing has happened so far");

    let args = ["remove", "--component", "passthrough", "--yes"];
    site.run(&args).expect(10).says(&["rebuild the initramfs images", "reboot to activate"]);
    assert!(!site.path(RULES).exists());
    let status = site.run(&["status"]).expect(0).out;
    assert!(status.contains("removed  passthrough") && !status.contains("drifted"), "{status}");
    let json = site.run(&["report", "--json"]).expect(0).json();
    assert_eq!(json["comparable"]["applied"]["removed"][0], "passthrough");
    let changes = json["comparable"]["applied"]["changes"].to_string();
    assert!(!changes.contains("62-vgpu-offline.rules"), "{changes}");
    site.run(&args).expect(0).says(&["passthrough: already removed", "nothing to remove"]);

    site.run(&["apply", "--yes", "--passthrough", GPU, "--no-resume", &bundle]).expect(10);
    assert_eq!(tree(&site.root()), applied);
    assert!(site.run(&["status"]).expect(0).out.contains("everything is in sync"));
}

#[test]
fn everything_goes_at_once() {
    let (site, bundle) = ready();
    let before = tree(&site.root());
    apply(&site, &bundle);
    let other = site.bundle(&Spec::small(2, "two"), &[&key(1)]);
    site.run(&["apply", "--yes", &other]).expect(0);
    site.run(&["remove", "--yes"]).expect(10).says(&["to remove: everything", "/etc/vgpu-note"]);
    let mut after = tree(&site.root());
    after.retain(|path, _| !path.ends_with("/driver") && !path.ends_with("boot_id"));
    after.retain(|path, _| path != "proc/sys/kernel/random");
    assert_eq!(after, before);
    site.run(&["remove", "--yes"]).expect(0).says(&["nothing to remove"]);
    assert!(site.run(&["status"]).expect(0).out.contains("nothing is installed"));
}

#[test]
fn what_is_not_there_or_not_to_be_touched_is_said() {
    let (site, bundle) = ready();
    let empty = ["remove", "--yes", "--component", "licensing", "--component", "kernel-pin"];
    site.run(&empty).expect(0).says(&["no bundle was applied here"]);
    site.run(&["remove", "--component", "shared"]).expect(2).says(&["possible values: driver"]);

    site.run(&["apply", "--yes", "--passthrough", GPU, "--no-resume", &bundle]).expect(10);
    let args = ["remove", "--yes", "--component", "passthrough"];
    site.run(&args).expect(1).says(&["transaction 1 is interrupted", "revert"]);
    site.run(&["store", "gc"]).expect(1).says(&["transaction 1 is interrupted"]);
    site.run(&["revert", "--yes"]).expect(0);
    apply(&site, &bundle);
    let says = ["licensing: not installed", "kernel-pin: not installed"];
    site.run(&empty).expect(0).says(&says).says(&["nothing to remove"]);

    site.write("root/run/qemu-server/100.pid", b"4100\n");
    let words = ["kvm", "-id", "100", "-name", "web", "-device", "vfio-pci,host=0000:41:00.0"];
    site.write("root/proc/4100/cmdline", (words.join("\0") + "\0").as_bytes());
    let used = ["VM 100 (`web`) uses the GPU at 0000:41:00.0"];
    site.run(&args).expect(1).says(&used);
    assert!(site.path(RULES).exists());
    fs::remove_file(site.path("root/run/qemu-server/100.pid")).unwrap();
    site.run(&args).expect(10);
    assert!(!site.path(RULES).exists());
}

#[test]
fn who_stops_after_the_first_phase_goes_on_himself() {
    let (site, bundle) = ready();
    let unit = site.path("root/etc/systemd/system/vgpu-offline-resume.service");
    let args = ["apply", "--yes", "--passthrough", GPU, &bundle];
    assert!(site.run(&["plan", "--passthrough", GPU, &bundle]).out.contains("resume.service"));
    site.run(&[&args[..], &["--to-phase", "1"]].concat()).expect(10).says(&["phase 1 is done"]);
    assert!(site.path(RULES).exists() && !unit.exists());
    site.run(&["apply", "--resume", "--to-phase", "1"]).expect(2);
    site.run(&["apply", "--to-phase", "3", &bundle]).expect(2);
    site.write("root/proc/sys/kernel/random/boot_id", b"another\n");
    site.run(&["apply", "--to-phase", "1"])
        .expect(0)
        .says(&["run `vgpu-installer apply` to resume"]);
    assert_eq!(site.run(&["apply", "--resume"]).expect(0).err, "", "nothing is tried");
    site.run(&["revert", "--yes"]).expect(10);

    site.run(&args).expect(10).says(&["reboot to resume automatically"]);
    // `resume` does nothing on the boot of phase 1, which is not an error.
    site.run(&["apply", "--resume"]).expect(0);
    for boot in ["a", "b"] {
        site.write("root/proc/sys/kernel/random/boot_id", boot.as_bytes());
        let next = "fix the cause and run `vgpu-installer apply` to resume";
        site.run(&["apply", "--resume"])
            .expect(1)
            .says(&["0000:41:00.0 is bound to no driver", next]);
        site.run(&["apply", "--resume"]).expect(0);
    }
    // After two failures the command succeeds, so that the unit does not fail at every boot.
    site.write("root/proc/sys/kernel/random/boot_id", b"c");
    site.run(&["apply", "--resume"]).expect(0).says(&["failed twice", "vgpu-installer apply"]);
}

#[test]
fn the_unit_of_an_earlier_bundle_does_not_go_on_for_who_wants_to_do_it_himself() {
    let (site, bundle) = ready();
    let driver = site.path(&format!("root/sys/bus/pci/devices/{GPU}/driver"));
    site.run(&["apply", "--yes", "--passthrough", GPU, &bundle]).expect(10);
    site.write("root/proc/sys/kernel/random/boot_id", b"second\n");
    symlink("../../../bus/pci/drivers/vfio-pci", &driver).unwrap();
    assert!(
        site.run(&["status"]).expect(1).out.contains("resumes automatically after the next boot")
    );
    site.run(&["apply", "--resume"]).expect(0);
    assert!(site.path("root/etc/systemd/system/vgpu-offline-resume.service").exists());

    fs::remove_file(&driver).unwrap();
    let newer = site.bundle(&Spec::small(2, "two"), &[&key(1)]);
    let words = ["apply", "--yes", "--passthrough", GPU, "--to-phase", "1"];
    site.run(&[&words[..], &[&newer]].concat()).expect(10).says(&["phase 1 is done"]);
    assert!(!site.run(&["status"]).expect(10).out.contains("resumes automatically"));
    site.write("root/proc/sys/kernel/random/boot_id", b"third\n");
    let said = site.run(&["apply", "--resume"]).expect(0).err;
    assert_eq!(said, "", "nothing is tried");
}
