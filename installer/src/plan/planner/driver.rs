use std::collections::BTreeSet;

use vgpu_manifest::driver::{DriverKind, DriverRecord};
use vgpu_manifest::inventory::Inventory;
use vgpu_manifest::platform::{PciAddress, PciId};
use vgpu_manifest::verdict::Config;
use vgpu_manifest::{Item, Kind, Manifest, Mode, UnitName};

use super::{Choices, Surroundings, Unsuitable, unlock};
use crate::component::Component;
use crate::driver::{DriverPatch, DriverSpec};
use crate::gpus::vgpu::Vgpu;
use crate::state::fixed;
use crate::step::{
    EnableSriov, EnableUnit, InstallDriver, InstallSelf, MendPackages, OldConfig, PlaceFile,
    SriovBy, StartServices, Step,
};

/// NVIDIA's two daemons.
pub(super) const DAEMONS: [&str; 2] = ["nvidia-vgpud.service", "nvidia-vgpu-mgr.service"];

/// Plans everything from the driver to the running daemons, for a node with a GPU for it.
pub(super) fn steps(
    manifest: &Manifest,
    facts: &Inventory,
    choices: &Choices,
    around: &Surroundings,
) -> Result<Vec<Step>, Unsuitable> {
    let Some(vgpu) = &around.vgpu else { return Ok(Vec::new()) };
    let Some(found) = hosts(manifest).find(|(_, record)| record.version == vgpu.driver) else {
        let carried: Vec<_> = hosts(manifest).map(|(_, it)| it.version.to_string()).collect();
        return Err(Unsuitable::Reason(format!(
            "the bundle fits with driver {}, but has {}; it would install none",
            vgpu.driver,
            carried.join(" and ")
        )));
    };
    let mut driver = spec(manifest, found, vgpu);
    driver.kernels.clone_from(&around.course.build_for);
    let replaces = around.installed.clone().filter(|old| old.version != driver.version);
    let foreign = around.foreign.clone();
    let serves = choices.gpus.serving(&vgpu.gpus, &facts.gpus);
    let sriov = sriov(manifest, facts, vgpu, &serves);
    let install = InstallDriver { driver, replaces, foreign, serves };
    let mut steps = vec![Step::InstallDriver(Box::new(install))];
    if facts.packages.iter().any(MendPackages::is_for) {
        steps.push(Step::MendPackages(MendPackages {}));
    }
    if vgpu.unlock.as_ref().is_some_and(|unlock| unlock.config == Config::Branch16) {
        steps.push(old_config(manifest, found.0)?);
    }
    steps.extend(unlock::steps(manifest, facts, vgpu)?);
    let multi_user: UnitName = "multi-user.target".parse()?;
    let mut units = Vec::new();
    for daemon in DAEMONS {
        let unit: UnitName = daemon.parse()?;
        let file = fixed(&format!("/lib/systemd/system/{daemon}"));
        units.push(unit.clone());
        steps.push(Step::EnableUnit(EnableUnit {
            unit,
            file,
            wanted_by: multi_user.clone(),
            component: Component::Driver,
        }));
    }
    steps.push(Step::StartServices(StartServices { units }));
    steps.extend(sriov);
    steps.extend(hooks());
    Ok(steps)
}

fn hosts(manifest: &Manifest) -> impl Iterator<Item = (&Item, &DriverRecord)> {
    manifest.records(Kind::driver).filter(|(_, record)| record.kind == DriverKind::Host)
}

fn spec(manifest: &Manifest, (item, record): (&Item, &DriverRecord), vgpu: &Vgpu) -> DriverSpec {
    let patches = manifest.records(|kind| kind.patch_of(item.name()));
    let patches = patches.map(|(item, patch)| DriverPatch {
        item: item.name().clone(),
        content: item.into(),
        files: patch.files.clone(),
    });
    DriverSpec {
        item: item.name().clone(),
        content: item.into(),
        version: record.version.clone(),
        patches: patches.collect(),
        args: vgpu.args.clone(),
        kernels: Vec::new(),
    }
}

/// Returns the `vgpuConfig.xml` of the bundle's older host driver, which still lists the GPU.
fn old_config(manifest: &Manifest, driver: &Item) -> Result<Step, Unsuitable> {
    let mut others = hosts(manifest).filter(|(item, _)| item.name() != driver.name());
    let found = others.find_map(|(item, record)| Some((item, &record.version, record.config?)));
    let none =
        "the GPU needs the vgpuConfig.xml of a 16.x driver, but the bundle has no second driver";
    let (item, version, sha256) = found.ok_or_else(|| Unsuitable::Reason(none.to_owned()))?;
    Ok(Step::OldConfig(OldConfig {
        item: item.name().clone(),
        content: item.into(),
        version: version.clone(),
        sha256,
    }))
}

/// Plans dpkg hooks that keep the host on a kernel with the driver's module. By their names, they
/// run after DKMS's hooks and before those that write the boot loader configuration, and they never
/// fail a package operation.
fn hooks() -> [Step; 3] {
    let text = format!(
        "#!/bin/sh\n\
         # Keeps this host booting a kernel that has NVIDIA's module.\n\
         # Written by vgpu-installer; `vgpu-installer revert` restores the previous state.\n\
         test ! -x {program} || {program} guard || :\nexit 0\n",
        program = InstallSelf::path()
    );
    ["postinst.d", "header_postinst.d", "postrm.d"].map(|folder| {
        let path = fixed(&format!("/etc/kernel/{folder}/vgpu-offline"));
        let (mode, component) = (Mode::DIR, Component::Driver);
        Step::PlaceFile(PlaceFile { path, mode, text: text.clone(), component })
    })
}

/// Plans virtual functions, for natively supported GPUs that have them and serve vGPUs.
fn sriov(
    manifest: &Manifest,
    facts: &Inventory,
    vgpu: &Vgpu,
    serves: &BTreeSet<PciAddress>,
) -> Option<Step> {
    let nvidia = facts.gpus.iter().filter(|gpu| gpu.id.vendor() == PciId::NVIDIA);
    let serving = nvidia.filter(|gpu| serves.contains(&gpu.address));
    let with_functions =
        serving.filter(|gpu| gpu.sr_iov.as_ref().is_some_and(|sr_iov| sr_iov.total > 0));
    let gpus: BTreeSet<_> = with_functions.map(|gpu| gpu.address).collect();
    if !vgpu.native || gpus.is_empty() {
        return None;
    }
    let helper = "pve-nvidia-vgpu-helper";
    let ships = facts.packages.iter().any(|package| package.name.as_str() == helper)
        || manifest.has_package(helper);
    let by = if ships { SriovBy::Pve } else { SriovBy::Ourselves };
    Some(Step::EnableSriov(EnableSriov { by, gpus }))
}
