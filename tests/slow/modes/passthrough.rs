//! A passthrough GPU, next to one that serves vGPUs or alone.

use std::fs;

use vgpu_tests::roots::{Release, with_own_mounts};

use super::bundle::{Content, Patched, wants};
use super::machine::{A40, Loader, Machine, PVE1, SECOND};
use super::stage::each;

#[test]
fn from_stock_to_a_card_for_a_guest_to_a_newer_bundle_and_back() {
    with_own_mounts(
        "modes::passthrough::from_stock_to_a_card_for_a_guest_to_a_newer_bundle_and_back",
        || {
            let machine =
                |_| Machine { cards: &[SECOND, A40], loader: Loader::Grub, identity: PVE1 };
            each(&[Release::Debian12, Release::Debian13], machine, |release, _, stage, kit| {
                stage.begin(&format!("passthrough-debian{}", release.number()));
                let content = Content {
                    release,
                    drivers: Vec::new(),
                    patched: Patched::No,
                    packages: Vec::new(),
                    unlock: Vec::new(),
                    wants: wants(),
                };
                stage.site.insert(&content.bundle(kit, 1));
                let choice = ["--passthrough", SECOND.address];
                let said = stage.apply(&choice, 10).err;
                assert!(said.contains("bind 0000:41:00.0 to vfio-pci for passthrough"), "{said}");
                let image = format!("/boot/initrd.img-{}", stage.kernel);
                let image = stage.root().run(&["lsinitramfs", &image]).out;
                for part in ["etc/udev/rules.d/62-vgpu-offline.rules", "/vfio-pci.ko"] {
                    assert!(image.contains(part), "{part}: {image}");
                }
                let said = stage.reboot(0);
                assert!(
                    said.contains("check that vfio-pci is bound to") || said.contains("done"),
                    "{said}"
                );
                for address in ["0000:41:00.0", "0000:41:00.1"] {
                    assert_eq!(driver(stage, address).as_deref(), Some("vfio-pci"));
                }
                assert_eq!(driver(stage, "0000:81:00.0"), None);
                stage.run(&["status"], 0);

                let mut wants = wants();
                wants["modules"] = serde_json::json!(["vhost_net"]);
                let newer = Content { wants, ..content };
                stage.site.insert(&newer.bundle(kit, 2));
                stage.apply(&choice, 10);
                stage.reboot(0);
                assert!(stage.root().at("/sys/module/vhost_net").is_dir());
                stage.run(&["status"], 0);

                stage.run(&["revert", "--all", "--yes"], 10);
                stage.reboot(0);
                assert_eq!(driver(stage, "0000:41:00.0"), None);
                stage.run(&["forget", "--yes"], 0);
                stage.is_as_before();
            });
        },
    );
}

/// Returns the driver that a device is bound to.
fn driver(stage: &super::stage::Stage, address: &str) -> Option<String> {
    let link = stage.root().at(&format!("/sys/bus/pci/devices/{address}/driver"));
    let target = fs::read_link(link).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}
