//! From a stock node to a plan, as an operator goes there: with the page on the stick.

use vgpu_tests::roots::{Release, with_own_mounts};

use super::laptop::Laptop;
use super::rig::{Rig, record};

#[test]
fn the_page_on_the_stick_leads_from_a_stock_node_to_a_plan_for_its_gpu() {
    with_own_mounts(
        "vm::story::the_page_on_the_stick_leads_from_a_stock_node_to_a_plan_for_its_gpu",
        || {
            let Some(rig) = Rig::open(Release::Debian12) else { return };
            follow(&rig);
        },
    );
}

/// Takes the inventory of a stock node, builds the bundle, and follows the page on the stick up to the
/// plan.
fn follow(rig: &Rig) {
    let laptop = Laptop::new();
    let disk = rig.disk();
    let mut node = rig.boot(&disk);
    let first = laptop.first_stick();
    node.plug(&first);
    node.expect("/mnt/vgpu-installer inventory --output /mnt/node.json", 0);
    node.unplug();
    let stick = laptop.second_stick(&rig.roots, rig.suites(), &first);
    node.plug(&stick);
    let page = laptop.page();
    let (before, rest) = page.split_once("./vgpu-installer apply").unwrap();
    let plan = node.expect(&format!("set -e\n{before}"), 0).out;
    for line in [
        "native, unverified: A40 (10de:2235, ampere)",
        "configure kernel parameters `intel_iommu=on iommu=pt` in /etc/default/grub.d",
        "enable SR-IOV virtual functions, now and at boot (pve-nvidia-sriov@0000:01:00.0.service)",
    ] {
        assert!(plan.contains(line), "{line}: {plan}");
    }
    // The other half of the page: the same with stock tools.
    let (_, by_hand) = rest.split_once('\n').unwrap();
    let set: Vec<_> = before.lines().filter(|line| line.contains('=')).take(2).collect();
    let proven = node.expect(&format!("set -e\ncd /root\n{}\n{by_hand}", set.join("\n")), 0);
    assert!(proven.out.contains("\nproven: "), "{}", proven.out);
    node.unplug();
    record("plan", &[node.power_off()]);
    // Nothing has changed but the trust, its record, and the operator's copies.
    rig.same(&rig.disk(), &disk, &["etc/vgpu-offline", "var/lib/vgpu-offline"]);
}
