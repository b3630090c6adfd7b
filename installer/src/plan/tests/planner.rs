use vgpu_manifest::inventory::{
    Gpu, Inventory, Leftover, LeftoverKind, LoaderEvidence, LoaderSign,
};
use vgpu_manifest::platform::CpuVendor;
use vgpu_manifest::{
    BundleName, FORMAT, Item, ItemFields, ItemMode, Kind, Manifest, Origin as From, ProgramVersion,
    Wants,
};

use super::*;
use crate::facts::{Serials, inventory};
use crate::gpus::{GpuChoice, Which};

pub(crate) fn item(name: &str) -> Item {
    item_of(name, Kind::Plain)
}

pub(crate) fn item_of(name: &str, kind: Kind) -> Item {
    let fields = ItemFields {
        name: name.parse().unwrap(),
        size: 3,
        mode: ItemMode::Plain,
        sha256: Digest::of(b"abc"),
        chunks: Vec::new(),
        kind,
        base: None,
        origin: From::File,
    };
    Item::new(fields).unwrap()
}

pub(crate) fn manifest(wants: &str) -> Manifest {
    let wants: Wants = serde_json::from_str(wants).unwrap();
    Manifest {
        proofs: Vec::new(),
        format: FORMAT,
        needs: ProgramVersion::current(),
        made_by: ProgramVersion::current(),
        name: "test".parse::<BundleName>().unwrap(),
        channel: "stable".parse().unwrap(),
        sequence: 1,
        created: 0,
        wants,
        archives: Vec::new(),
        purpose: None,
        items: vec![item("a"), item("b")],
    }
}

pub(crate) fn facts(vendor: CpuVendor, loader: Option<BootLoader>) -> Inventory {
    let mut facts = inventory(&host(), Serials::LeaveOut);
    facts.cpu.vendor = vendor;
    facts.boot.loader = loader;
    facts.boot.evidence.clear();
    facts
}

fn made(wants: &str, facts: &Inventory) -> Result<Vec<String>, String> {
    let plan = made_for(wants, facts, GpuChoice::default())?;
    assert_eq!(plan.after_reboot, []);
    Ok(plan.before_reboot.iter().map(Step::summary).collect())
}

fn made_for(wants: &str, facts: &Inventory, gpus: GpuChoice) -> Result<Plan, String> {
    let choices = Choices {
        program: Content::of(b"me"),
        gpus,
        license: None,
        guest_tools: GuestTools::LeftOut,
    };
    plan(&manifest(wants), facts, &choices).map_err(|error| error.to_string())
}

fn gpu(address: &str) -> Gpu {
    gpu_of("10de:1eb8", address)
}

pub(crate) fn gpu_of(id: &str, address: &str) -> Gpu {
    Gpu {
        address: address.parse().unwrap(),
        id: id.parse().unwrap(),
        class: "030200".parse().unwrap(),
        driver: None,
        iommu_group: None,
        boot_display: false,
        bars: Vec::new(),
        sr_iov: None,
        vgpu: None,
    }
}

#[test]
fn what_an_earlier_installation_left_goes_only_where_a_driver_comes() {
    let mut facts = facts(CpuVendor::Amd, Some(BootLoader::Grub));
    let path = fixed("/etc/systemd/system/nvidia-vgpud.service.d/vgpu_unlock.conf");
    facts.leftovers = vec![Leftover::at(LeftoverKind::UnlockDropIn, path)];
    assert_eq!(made("{}", &facts).unwrap().len(), 1);
    let mut with_driver = manifest("{}");
    with_driver.items.push(item_of("driver.run", Kind::Driver(host_driver())));
    let choices = Choices {
        program: Content::of(b"me"),
        gpus: GpuChoice::default(),
        license: None,
        guest_tools: GuestTools::LeftOut,
    };
    let plan = plan(&with_driver, &facts, &choices).unwrap();
    let summaries = plan.steps().map(Step::summary).collect::<Vec<_>>().join("\n");
    assert!(
        summaries
            .contains("leftovers of an earlier installation: /etc/systemd/system/nvidia-vgpud"),
        "{summaries}"
    );
}

#[test]
fn a_gpu_for_a_guest_is_taken_by_address_and_looked_at_after_the_reboot() {
    let mut facts = facts(CpuVendor::Amd, Some(BootLoader::Grub));
    facts.gpus = vec![gpu("0000:41:00.0"), gpu("0000:81:00.0")];
    let choice = GpuChoice {
        vgpu: vec!["0000:81:00.0".parse().unwrap()],
        passthrough: vec![Which::Others],
        give_up: Vec::new(),
        foreign_driver: None,
        allow_unsuitable: false,
    };
    for (kernel, modules) in [
        ("5.15.158-2-pve", "vfio, vfio_iommu_type1, vfio_pci, vfio_virqfd"),
        ("6.2.16-20-pve", "vfio, vfio_iommu_type1, vfio_pci"),
    ] {
        facts.kernels.running = Some(kernel.parse().unwrap());
        let plan = made_for("{}", &facts, choice.clone()).unwrap();
        let summaries = |steps: &[Step]| steps.iter().map(Step::summary).collect::<Vec<_>>();
        assert_eq!(
            summaries(&plan.before_reboot)[1..],
            [
                format!("load kernel modules at boot: {modules}"),
                "bind 0000:41:00.0 to vfio-pci for passthrough".to_owned()
            ]
        );
        assert_eq!(summaries(&plan.after_reboot), ["check that vfio-pci is bound to 0000:41:00.0"]);
    }
    let nowhere = GpuChoice { vgpu: vec!["0000:99:00.0".parse().unwrap()], ..GpuChoice::default() };
    assert!(made_for("{}", &facts, nowhere).unwrap_err().contains("there is no GPU at"));
}

#[test]
fn wants_become_steps_in_the_order_in_which_they_are_safe() {
    let wants = r#"{
        "iommu": "on",
        "kernel-words": ["quiet", "iommu=pt"],
        "modules": ["vfio_pci"],
        "modprobe": ["blacklist nouveau"],
        "file": [{"item": "a", "path": "/usr/share/a"}],
        "unit": [{"name": "v.service", "item": "b", "wanted-by": "multi-user.target"}],
        "drop-in": [{"unit": "ssh.service", "name": "v.conf", "item": "b"}]
    }"#;
    let steps = made(wants, &facts(CpuVendor::Intel, Some(BootLoader::Grub))).unwrap();
    assert_eq!(
        steps,
        [
            "install vgpu-installer as /usr/local/sbin/vgpu-installer",
            "write /usr/share/a from `a`",
            "load kernel modules at boot: vfio_pci",
            "configure kernel module options: blacklist nouveau",
            "install v.service and enable it for multi-user.target",
            "add drop-in v.conf to ssh.service",
            "configure kernel parameters `intel_iommu=on iommu=pt quiet` in /etc/default/grub.d/vgpu-offline.cfg",
        ]
    );
}

#[test]
fn the_words_for_the_kernel_depend_on_cpu_and_boot_loader() {
    let wants = r#"{"iommu": "on"}"#;
    let last = |facts: &Inventory| made(wants, facts).map(|steps| steps.last().unwrap().clone());
    let systemd = facts(CpuVendor::Amd, Some(BootLoader::SystemdBoot));
    assert_eq!(
        last(&systemd).unwrap(),
        "configure kernel parameters `iommu=pt` in /etc/kernel/cmdline"
    );

    let mut unsure = facts(CpuVendor::Amd, None);
    assert!(last(&unsure).unwrap_err().contains("no supported boot loader"));
    unsure.boot.evidence = [BootLoader::SystemdBoot, BootLoader::Grub]
        .map(|loader| LoaderEvidence { sign: LoaderSign::GrubConfig, loader })
        .to_vec();
    assert_eq!(
        last(&unsure).unwrap(),
        "configure kernel parameters `iommu=pt` in /etc/default/grub.d/vgpu-offline.cfg and /etc/kernel/cmdline"
    );
    let other = facts(CpuVendor::Other, Some(BootLoader::Grub));
    assert!(last(&other).unwrap_err().contains("neither from Intel nor from AMD"));
    assert_eq!(made("{}", &other).unwrap().len(), 1, "without words no loader is needed");
}
