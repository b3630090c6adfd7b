//! A natively supported GPU.

use std::fs;

use vgpu_tests::roots::{Release, with_own_mounts};

use super::bundle::{Content, Patched, packages, wants};
use super::machine::{A40, Loader, Machine, PVE1, T4};
use super::stage::{Stage, each, toolchain};

#[test]
fn from_stock_to_vgpus_to_a_newer_driver_and_back() {
    with_own_mounts("modes::native::from_stock_to_vgpus_to_a_newer_driver_and_back", || {
        let machine = |release| {
            // No driver for the kernels of Proxmox VE 7 has the newer interface.
            let cards: &[_] = if release == Release::Debian11 { &[T4] } else { &[A40] };
            Machine { cards, loader: Loader::Grub, identity: PVE1 }
        };
        each(&Release::ALL, machine, |release, roots, stage, kit| {
            let [old, new] = drivers(release);
            stage.begin(&format!("native-debian{}", release.number()));
            let packages = packages(kit, &toolchain(roots, release));
            let content = Content {
                release,
                drivers: vec![old],
                packages,
                patched: Patched::No,
                unlock: Vec::new(),
                wants: wants(),
            };
            stage.site.insert(&content.bundle(kit, 1));
            let bundle = stage.site.bundle();
            stage.run(&["plan", bundle.as_str()], 0);
            let said = stage.apply(&[], 10).err;
            assert!(said.contains("phase 1 is done"), "{said}");
            assert!(!stage.root().at("/usr/bin/nvidia-smi").exists());

            let said = stage.reboot(0);
            assert!(said.contains(&format!("install the driver {old}:")), "{said}");
            is_built(stage, old);
            stage.run(&["status"], 0);

            let newer = Content { drivers: vec![new], ..content };
            stage.site.insert(&newer.bundle(kit, 2));
            let said = stage.apply(&[], 10).err;
            assert!(said.contains(&format!("instead of {old}")), "{said}");
            is_built(stage, new);
            stage.reboot(0);
            stage.run(&["status"], 0);

            stage.run(&["revert", "--all", "--yes"], 10);
            stage.reboot(0);
            stage.run(&["status"], 0);
            stage.run(&["forget", "--yes"], 0);
            stage.is_as_before();
        });
    });
}

/// Returns two drivers whose modules build for the kernel of a release, or are not recorded as
/// failing.
fn drivers(release: Release) -> [&'static str; 2] {
    match release {
        Release::Debian11 | Release::Debian12 => ["550.144.02", "550.163.02"],
        Release::Debian13 => ["570.172.07", "570.195.02"],
    }
}

/// Checks that DKMS built this version for the kernel, and that the kernel finds it.
pub(super) fn is_built(stage: &Stage, version: &str) {
    let (root, kernel) = (stage.root(), &stage.kernel);
    let found = root.run(&["modinfo", "-k", kernel, "-F", "version", "nvidia"]);
    assert_eq!(found.out.trim(), version, "{}", found.err);
    let status = root.run(&["dkms", "status"]).out;
    assert!(status.contains(version) && status.contains("installed"), "{status}");
    assert_eq!(status.lines().count(), 1, "{status}");
    let loaded = fs::read_to_string(root.at("/sys/module/nvidia/version")).unwrap();
    assert_eq!(loaded.trim(), version);
}
