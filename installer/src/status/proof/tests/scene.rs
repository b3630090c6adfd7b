//! Two healthy hosts.

use vgpu_manifest::Digest;

use super::*;
use crate::facts::{CERTIFICATE, PRIVATE_KEY};
use crate::host::testing::{MemHost, Program};
use crate::host::{Content, Kind, Meta, Mode, Node};
use crate::step::{EnableSriov, InstallDriver, LIBRARY, PlaceItem, SriovBy, StartServices, Step};
use crate::ui::Tone;

/// The folder with the programs' outputs.
const SAYS: &str = "/run/says";

/// Every program prints its file, and fails without one.
fn says(host: &mut MemHost, name: &str) -> i32 {
    let Some(text) = host.text_of(&format!("{SAYS}/{name}")) else { return 1 };
    host.stdout.push_str(&text);
    0
}

const PROGRAMS: [(&str, Program); 5] = [
    ("dkms", |host, args| {
        assert_eq!(args, ["status", "-m", "nvidia"]);
        Ok(says(host, "dkms"))
    }),
    ("modinfo", |host, args| {
        assert!(matches!(args, ["-F", "signer", file] if file.ends_with("nvidia.ko")), "{args:?}");
        Ok(says(host, "modinfo"))
    }),
    ("nvidia-smi", |host, args| {
        assert_eq!(args, ["vgpu"]);
        Ok(says(host, "nvidia-smi"))
    }),
    ("systemctl", |host, args| {
        assert_eq!(args[0], "show");
        assert_eq!(args[2..], ["nvidia-vgpud.service", "nvidia-vgpu-mgr.service"]);
        Ok(says(host, "systemctl"))
    }),
    ("journalctl", |host, args| {
        assert_eq!(args[3..], ["_SYSTEMD_INVOCATION_ID=aa01", "_SYSTEMD_INVOCATION_ID=bb02"]);
        Ok(says(host, "journalctl"))
    }),
];

/// A host and the purpose of its plan.
pub(super) struct Scene {
    pub(super) host: MemHost,
    pub(super) expected: Expected,
}

impl Scene {
    /// An unlocked Turing GPU on Proxmox VE 8 with Linux 6.5: mediated devices and DKMS 2 output.
    pub(super) fn unlocked() -> Self {
        let mut host = kernel("6.5.13-6-pve", "535.230.02");
        host.place(
            &format!("{SAYS}/dkms"),
            "nvidia, 535.230.02, 6.5.13-6-pve, x86_64: installed\n",
        );
        host.place(&format!("{SAYS}/nvidia-smi"), "No supported devices in vGPU mode\n");
        services(&mut host, &format!("LD_PRELOAD={LIBRARY}"));
        host.place(LIBRARY, "a library");
        host.place(&format!("{SAYS}/journalctl"), "read the vGPU types\n");
        host.place("/proc/812/maps", &format!("7f00-7f01 r-xp 0 08:01 77 {LIBRARY}\n"));
        gpu(&mut host, "0000:81:00.0", "0x1e07");
        for (id, name, framebuffer, available) in
            [(256, "GRID RTX6000-1Q", 1024, "24"), (259, "GRID RTX6000-4Q", 4096, "5")]
        {
            let folder = format!("{}/mdev_supported_types/nvidia-{id}", device("0000:81:00.0"));
            let description = format!(
                "num_heads=4, frl_config=60, framebuffer={framebuffer}M, max_resolution=5120x2880, max_instance=24"
            );
            for (file, text) in
                [("name", name), ("description", &description), ("available_instances", available)]
            {
                host.place(&format!("{folder}/{file}"), &format!("{text}\n"));
            }
        }
        let library = Step::PlaceItem(PlaceItem {
            item: "unlock/lib.so".parse().unwrap(),
            content: Content::of(b"a library"),
            path: crate::state::fixed(LIBRARY),
            component: crate::component::Component::Unlock,
            mode: Mode::FILE,
        });
        Self { host, expected: expected("535.230.02", &["unlock"], vec![library]) }
    }

    /// A natively supported SR-IOV GPU on Proxmox VE 9 with Linux 6.14 and Secure Boot: NVIDIA's
    /// own interface and DKMS 3 output.
    pub(super) fn native() -> Self {
        let mut host = kernel("6.14.11-2-pve", "580.105.06");
        host.place(
            &format!("{SAYS}/dkms"),
            "nvidia/580.105.06, 6.14.11-2-pve, x86_64: installed\n",
        );
        host.place(&format!("{SAYS}/modinfo"), "vgpu-offline module signing key\n");
        host.place(&format!("{SAYS}/nvidia-smi"), include_str!("nvidia-smi.txt"));
        services(&mut host, "");
        secure_boot(&mut host);
        gpu(&mut host, "0000:c1:00.0", "0x2235");
        host.place(&format!("{}/sriov_totalvfs", device("0000:c1:00.0")), "2\n");
        host.place(&format!("{}/sriov_numvfs", device("0000:c1:00.0")), "2\n");
        for (n, address) in ["0000:c1:00.4", "0000:c1:00.5"].into_iter().enumerate() {
            gpu(&mut host, address, "0x2235");
            let folder = device(address);
            link(&mut host, &format!("{folder}/physfn"), "../0000:c1:00.0");
            link(&mut host, &format!("{folder}/iommu_group"), &format!("../../groups/{}", 70 + n));
            host.place(&format!("{folder}/nvidia/current_vgpu_type"), "0\n");
            let types = "ID    : vGPU Name\n557  : NVIDIA A40-1Q\n560  : NVIDIA A40-8Q\n";
            host.place(&format!("{folder}/nvidia/creatable_vgpu_types"), types);
        }
        let functions = Step::EnableSriov(EnableSriov {
            by: SriovBy::Ourselves,
            gpus: ["0000:c1:00.0".parse().unwrap()].into(),
        });
        Self { host, expected: expected("580.105.06", &[], vec![functions]) }
    }

    /// Another kernel, without its headers.
    pub(super) fn install_kernel(&mut self, release: &str) {
        self.host.place(&format!("/boot/vmlinuz-{release}"), "");
        self.host.place(&format!("/lib/modules/{release}/kernel/fs/xfs.ko"), "");
    }

    /// The headers of a kernel.
    pub(super) fn install_headers(&mut self, release: &str) {
        self.host.place(&format!("/lib/modules/{release}/build/Makefile"), "");
    }

    pub(super) fn say(&mut self, program: &str, text: &str) {
        self.host.place(&format!("{SAYS}/{program}"), text);
    }

    pub(super) fn without(&mut self, path: &str) {
        let inside = |at: &vgpu_manifest::HostPath| at.as_path().starts_with(path);
        let before = self.host.nodes.len();
        self.host.nodes.retain(|at, _| !inside(at));
        assert_ne!(self.host.nodes.len(), before, "{path} was not there anyway");
    }

    pub(super) fn prove(&self) -> Proof {
        prove(&self.host, &self.expected).unwrap()
    }

    /// The complete text output.
    pub(super) fn transcript(&self) -> String {
        let proof = self.prove();
        let commands = assignment(&self.host, &proof.types).unwrap().lines;
        let plain = |_: Tone, text: &str| text.to_owned();
        table(&proof, &commands, &plain).into_iter().map(|line| line + "\n").collect()
    }
}

/// The purpose of a plan with these steps, a driver and its daemons.
fn expected(version: &str, patches: &[&str], more: Vec<Step>) -> Expected {
    let patch = |item: &&str| serde_json::json!({ "item": item, "content": Content::of(b"p"), "files": [] });
    let patches: Vec<_> = patches.iter().map(patch).collect();
    let driver = serde_json::from_value(serde_json::json!({
        "item": "driver/x.run",
        "content": Content::of(b"x"),
        "version": version,
        "patches": patches,
        "args": ["--dkms"],
        "kernels": [],
    }));
    let install = InstallDriver::of(driver.unwrap());
    let units = ["nvidia-vgpud.service", "nvidia-vgpu-mgr.service"].map(|it| it.parse().unwrap());
    let mut steps = vec![Step::InstallDriver(Box::new(install))];
    steps.extend(more);
    steps.push(Step::StartServices(StartServices { units: units.into() }));
    Expected::of(&steps)
}

/// A host that runs its only kernel, with this module version built and loaded.
fn kernel(release: &str, version: &str) -> MemHost {
    let mut host = MemHost::with_files(&[
        ("/usr/sbin/proxmox-boot-tool", ""),
        ("/proc/sys/kernel/hostname", "pve1.example\n"),
        ("/proc/sys/kernel/osrelease", release),
        ("/proc/modules", "nvidia 56623104 2 nvidia_vgpu_vfio, Live 0xffffffffc0a00000 (POE)\n"),
        ("/sys/module/nvidia/version", version),
    ]);
    host.place(&format!("/boot/vmlinuz-{release}"), "");
    for file in ["kernel/fs/xfs.ko", "build/Makefile", "updates/dkms/nvidia.ko"] {
        host.place(&format!("/lib/modules/{release}/{file}"), "");
    }
    host.programs.extend(PROGRAMS);
    host
}

/// The daemons: the first has exited successfully, the second runs.
fn services(host: &mut MemHost, environment: &str) {
    let unit = |name: &str, active: &str, pid: u32, invocation: &str| {
        format!(
            "Id={name}\nLoadState=loaded\nActiveState={active}\nSubState=x\nResult=success\n\
             MainPID={pid}\nInvocationID={invocation}\nEnvironment={environment}\n\
             NeedDaemonReload=no\n"
        )
    };
    let text = unit("nvidia-vgpud.service", "inactive", 0, "aa01")
        + "\n"
        + &unit("nvidia-vgpu-mgr.service", "active", 812, "bb02");
    host.place(&format!("{SAYS}/systemctl"), &text);
}

pub(super) fn device(address: &str) -> String {
    format!("/sys/bus/pci/devices/{address}")
}

pub(super) fn gpu(host: &mut MemHost, address: &str, id: &str) {
    let folder = device(address);
    for (file, text) in [
        ("vendor", "0x10de\n"),
        ("device", id),
        ("subsystem_vendor", "0x10de\n"),
        ("subsystem_device", "0x145a\n"),
        ("class", "0x030200\n"),
    ] {
        host.place(&format!("{folder}/{file}"), text);
    }
    link(host, &format!("{folder}/driver"), "../../../bus/pci/drivers/nvidia");
    link(host, &format!("{folder}/iommu_group"), "../../../kernel/iommu_groups/42");
}

pub(super) fn link(host: &mut MemHost, path: &str, target: &str) {
    let node = Node::link(target);
    assert_eq!(node.kind(), Kind::Link);
    host.place_node(path, node, b"");
}

/// Secure Boot is on, and the DKMS signing key is enrolled.
fn secure_boot(host: &mut MemHost) {
    let efi = "/sys/firmware/efi/efivars";
    let global = "8be4df61-93ca-11d2-aa0d-00e098032b8c";
    let shim = "605dab50-e046-4300-abb6-3dd810dd8b23";
    let place = |host: &mut MemHost, name: String, bytes: &[u8]| {
        host.place_as(&name, bytes, Meta::root(Mode::FILE));
    };
    place(host, format!("{efi}/SecureBoot-{global}"), &[6, 0, 0, 0, 1]);
    host.place(PRIVATE_KEY, "private");
    host.place(CERTIFICATE, "certificate");
    place(host, format!("{efi}/MokListRT-{shim}"), &crate::step::test_variable("certificate"));
    assert_ne!(Digest::of(b"certificate"), Digest::of(b""));
}
