mod cuts;
mod foreign;
mod kernels;
mod licensing;
mod modes;
mod packages;
mod phases;
pub(crate) mod planner;
mod properties;
mod rebuilds;
mod removal;
mod whole;

use vgpu_manifest::Digest;

use super::*;
use crate::component::Component;
use crate::host::testing::MemHost;
use crate::host::{Content, Meta, Mode, Node, Xattrs};
use crate::journal::{BootId, run_transient};
use crate::power_cut::World;
use crate::settle::Derived;
use crate::state::{self, fixed};
use crate::step::{
    InstallSelf, InstallUnit, KernelCommandLine, LoadModules, ModprobeOptions, PlaceFile,
    PlaceItem, UnitDropIn,
};

use vgpu_manifest::driver::{DriverKind, DriverRecord, Variant};
use vgpu_manifest::platform::BootLoader;

const PROGRAM: &str = "the program\n";
const MODULE: &str = "a kernel module\n";
const UNIT: &str = "[Service]\nExecStart=/bin/true\n";

/// The record of a host driver without further details.
pub(crate) fn host_driver() -> DriverRecord {
    DriverRecord {
        version: "535.230.02".parse().unwrap(),
        kind: DriverKind::Host,
        variant: Variant::Original,
        config: None,
        gpus: Vec::new(),
        archive: None,
        package: None,
    }
}

/// Returns a host with nodes of every kind, on which all derived state is fresh.
pub(crate) fn host() -> MemHost {
    let mut host = MemHost::with_files(&[
        ("/etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"),
        ("/etc/kernel/cmdline", "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n"),
        ("/etc/modprobe.d/pve-blacklist.conf", "blacklist nvidiafb\n"),
        ("/etc/systemd/system/ssh.service", "[Service]\n"),
        ("/proc/sys/kernel/random/boot_id", "first\n"),
        ("/etc/done.conf", "done\n"),
    ]);
    let xattrs = Xattrs([("user.note".to_owned(), b"mine".to_vec())].into());
    let odd = Meta { mode: "4750".parse().unwrap(), uid: 7, gid: 8, xattrs };
    host.place_as("/usr/local/sbin/vgpu-installer", b"an older program\n", odd);
    host.place_node("/lib/modules/6.8.12-4-pve/updates", Node::dir("0700".parse().unwrap()), b"");
    for item in [PROGRAM, MODULE, UNIT] {
        let stored = state::stored(Content::of(item.as_bytes()).id);
        host.place(stored.as_path().as_str(), item);
    }
    rebuild(&mut host);
    host
}

/// Rebuilds all derived state, as after manual changes.
pub(super) fn rebuild(host: &mut MemHost) {
    let kernel = "6.8.12-4-pve".parse().unwrap();
    for derived in [
        Derived::Depmod(kernel),
        Derived::Initramfs,
        Derived::Grub,
        Derived::ProxmoxBoot,
        Derived::Systemd,
    ] {
        run_transient(host, &derived.command()).unwrap();
    }
    host.ran.clear();
    host.rebuilt.clear();
}

pub(super) fn place(at: &str, text: &str) -> Step {
    place_for(Component::Shared, at, text)
}

pub(super) fn place_for(component: Component, at: &str, text: &str) -> Step {
    let text = text.to_owned();
    Step::PlaceFile(PlaceFile { path: fixed(at), mode: Mode::FILE, text, component })
}

/// Returns one step of every kind, one of which is in sync.
pub(super) fn example() -> Plan {
    let content = |text: &str| Content::of(text.as_bytes());
    let unit = "vgpu.service".parse().unwrap();
    Plan::new(
        vec![
            Step::InstallSelf(InstallSelf { content: content(PROGRAM) }),
            place("/etc/done.conf", "done\n"),
            place("/etc/a/b/c.conf", "c\n"),
            Step::PlaceItem(PlaceItem {
                item: "driver/nvidia.ko".parse().unwrap(),
                content: content(MODULE),
                path: fixed("/lib/modules/6.8.12-4-pve/updates/nvidia.ko"),
                mode: Mode::FILE,
                component: Component::Driver,
            }),
            Step::LoadModules(LoadModules { modules: vec!["vfio_pci".parse().unwrap()] }),
            Step::ModprobeOptions(ModprobeOptions {
                lines: vec!["blacklist nouveau".parse().unwrap()],
            }),
            Step::InstallUnit(InstallUnit {
                unit,
                item: "units/vgpu.service".parse().unwrap(),
                content: content(UNIT),
                wanted_by: Some("multi-user.target".parse().unwrap()),
            }),
            Step::UnitDropIn(UnitDropIn {
                unit: "ssh.service".parse().unwrap(),
                name: "vgpu.conf".parse().unwrap(),
                item: "units/vgpu.service".parse().unwrap(),
                content: content(UNIT),
            }),
            Step::KernelCommandLine(KernelCommandLine {
                words: ["intel_iommu=on", "iommu=pt"].map(|w| w.parse().unwrap()).to_vec(),
                loaders: vec![BootLoader::Grub, BootLoader::SystemdBoot],
            }),
        ],
        Vec::new(),
    )
}

pub(super) fn origin() -> Origin {
    Origin { bundle: Digest::of(b"a bundle"), boot: BootId("first".to_owned()) }
}

/// Applies `plan` in `world`.
pub(super) fn carry_out(world: &mut World, plan: &Plan) -> Result<Applied, ApplyError> {
    apply(&mut world.host, &mut world.log, &origin(), plan, &mut |_| {})
}
