//! Hosts with earlier installations: by the script, or with a foreign driver.

use std::fs;

use vgpu_tests::kit::Kit;
use vgpu_tests::nvidia::StandIn;
use vgpu_tests::roots::{Roots, with_own_mounts};
use vgpu_tests::scratch::expect;

use super::native::is_built;
use super::stage::Stage;
use super::trouble::{content, equipped};

const OLD: &str = "535.230.02";
const NEW: &str = "550.163.02";

/// Conflicting leftovers of the script, as they can exist in a stock root.
const LEFT: [(&str, &str); 6] = [
    ("/etc/modules", "vfio\nvfio_iommu_type1\nvfio_pci\nvfio_virqfd\n"),
    ("/etc/udev/rules.d/90-vfio-pci.rules", "KERNELS==\"0000:02:00.0\", DRIVERS==\"*\"\n"),
    (
        "/etc/systemd/system/nvidia-vgpud.service.d/vgpu_unlock.conf",
        "[Service]\nEnvironment=LD_PRELOAD=/opt/vgpu_unlock-rs/gone.so\n",
    ),
    (
        "/etc/systemd/system/nvidia-vgpu-mgr.service.d/vgpu_unlock.conf",
        "[Service]\nEnvironment=LD_PRELOAD=/opt/vgpu_unlock-rs/gone.so\n",
    ),
    (
        "/etc/dkms/framework.conf.d/nvidia-vgpu.conf",
        "mok_signing_key=\"/root/proxmox-vgpu-installer/secure-boot/module-signing.key\"\n",
    ),
    ("/root/proxmox-vgpu-installer/gpu_info.db", "SQLite format 3\0"),
];

#[test]
fn a_host_of_the_script_is_taken_over_and_given_back() {
    with_own_mounts("modes::takeover::a_host_of_the_script_is_taken_over_and_given_back", || {
        let Some(roots) = Roots::open() else { return };
        let mut kit = Kit::new();
        let Some(mut stage) = equipped(&roots, &kit) else { return };
        stage.begin("takeover");
        for (path, text) in LEFT {
            stage.root().write(path, text);
        }
        stage.remember();
        somebodys_driver(&stage, &kit);
        stage.site.insert(&content(Vec::new(), &[NEW]).bundle(&mut kit, 1));

        // A foreign driver is reported, and nothing is changed.
        let said = stage.apply(&[], 1).err;
        assert!(
            said.contains(&format!("the driver {OLD} is installed, but not by vgpu-installer")),
            "{said}"
        );
        assert!(said.contains("`nvidia-uninstall`"), "{said}");
        assert!(!stage.root().at("/usr/local/sbin/vgpu-installer").exists());
        assert!(stage.root().at(LEFT[1].0).exists());
        assert!(said.contains("`--foreign-driver remove`"), "{said}");

        let said = stage.apply(&["--foreign-driver", "remove"], 10).err;
        assert!(said.contains(&format!("instead of {OLD} (installed")), "{said}");
        assert!(said.contains("remove leftovers of an earlier installation"), "{said}");
        for (path, _) in &LEFT[1..5] {
            assert!(!stage.root().at(path).exists(), "{path}");
        }
        let modules = fs::read_to_string(stage.root().at("/etc/modules")).unwrap();
        assert_eq!(modules, "vfio\nvfio_iommu_type1\nvfio_pci\n");
        stage.reboot(0);
        is_built(&stage, NEW);
        stage.run(&["status"], 0);
        let said = stage.run(&["revert", "--yes"], 10).err;
        assert!(said.contains(&format!("kept: driver {OLD}: not reinstalled")), "{said}");
        stage.run(&["forget", "--yes"], 0);
        stage.is_as_before();
    });
}

/// Installs a driver with its own installer, as the script does.
fn somebodys_driver(stage: &Stage, kit: &Kit) {
    let stand_in = StandIn::host(OLD);
    let file = kit.path(&stand_in.file_name());
    stand_in.write(&file).unwrap();
    let root = stage.root();
    root.write("/tmp/driver.run", fs::read(&file).unwrap());
    let words = ["sh", "/tmp/driver.run", "-x", "--target", "/tmp/driver"];
    expect(root.command(&words), 0);
    let kernel = format!("--kernel-name={}", stage.kernel);
    let words = ["env", "--chdir=/tmp/driver", "./nvidia-installer", "--dkms", "-s", &kernel];
    expect(root.command(&words), 0);
}
