//! The simulated machines.

use std::io;

use super::debian::{self, Release};
use super::pci::{AUDIO, BRIDGE, Device, Functions, GPU_3D, NETWORK, UCSI, USB, VGA, Window};
use super::{Node, Root, efi, kernels, script};

const PVE_8_KERNEL: &str = "6.8.12-43-pve";
const PVE_9_KERNEL: &str = "7.0.14-14-pve";

/// The BARs of a GPU with a small and with a large frame buffer BAR.
const SMALL: &[Window] = &[Window::Low(16), Window::High(256), Window::High(32)];
const RESIZABLE: &[Window] = &[Window::Low(16), Window::Resizable(256, 16 << 10), Window::High(32)];
const LARGE: &[Window] = &[Window::Low(16), Window::High(64 << 10), Window::High(32)];

pub(super) fn write(node: Node, root: &mut Root) -> io::Result<()> {
    match node {
        Node::TeslaT4 => tesla_t4(root),
        Node::TeslaP4 => tesla_p4(root),
        Node::TwoP40 => two_p40(root),
        Node::A40 => a40(root),
        Node::Rtx2080Ti => rtx_2080_ti(root),
        Node::Gtx1080WithIgpu => gtx_1080_with_igpu(root),
        Node::L40s => l40s(root),
        Node::H200InVm => h200_in_vm(root),
        Node::A2AndGt710 => a2_and_gt_710(root),
        Node::NoGpu => no_gpu(root),
        Node::ScriptLeftovers => script_leftovers(root),
    }
}

fn tesla_t4(root: &mut Root) -> io::Result<()> {
    pve_8(root, Cpu::Intel)?;
    let gpu = Device::new("0000:01:00.0", "10de:1eb8", GPU_3D).board("10de:12a2");
    all(
        root,
        &[
            igpu(),
            port("0000:00:01.0", 1),
            gpu.behind("0000:00:01.0").group(1).windows(SMALL),
            Device::new("0000:00:1f.6", "8086:15b8", NETWORK).driver("e1000e").group(9),
        ],
    )
}

fn tesla_p4(root: &mut Root) -> io::Result<()> {
    pve_8(root, Cpu::Amd)?;
    let gpu = Device::new("0000:41:00.0", "10de:1bb3", GPU_3D).driver("nouveau");
    let bridge = Device::new("0000:40:01.1", "1022:1483", BRIDGE).driver("pcieport").group(30);
    all(
        root,
        &[management_display(), bridge, gpu.behind("0000:40:01.1").group(31).windows(RESIZABLE)],
    )
}

fn two_p40(root: &mut Root) -> io::Result<()> {
    let kernel = "5.15.158-2-pve";
    debian::write(root, Release::Pve7)?;
    cpu(root, Cpu::Intel, "fpu vmx")?;
    kernels::installed(root, kernel)?;
    kernels::headers(root, kernel)?;
    kernels::running(root, kernel, "quiet")?;
    kernels::grub(root, kernel, "quiet")?;
    let card =
        |address, bridge| Device::new(address, "10de:1b38", GPU_3D).behind(bridge).windows(LARGE);
    let bridge = |address, id| Device::new(address, id, BRIDGE).driver("pcieport");
    all(
        root,
        &[
            Device::new("0000:0a:00.0", "1a03:2000", VGA).driver("ast").boot_display(),
            bridge("0000:00:02.0", "8086:2f04"),
            card("0000:03:00.0", "0000:00:02.0"),
            bridge("0000:80:02.0", "8086:2f04"),
            card("0000:82:00.0", "0000:80:02.0"),
        ],
    )
}

fn a40(root: &mut Root) -> io::Result<()> {
    pve_9(root, "amd_iommu=on iommu=pt")?;
    zfs(
        root,
        &["com.delphix:async_destroy", "com.truenas:block_cloning_endian", "org.openzfs:blake3"],
    )?;
    efi::write(root, "\\EFI\\systemd\\systemd-bootx64.efi")?;
    efi::loader_info(root, "systemd-boot 257.8-1~deb13u2")?;
    kernels::module(root, "nvidia", "595.58.02")?;
    kernels::module(root, "nvidia_vgpu_vfio", "595.58.02")?;
    let ko = format!("/usr/lib/modules/{PVE_9_KERNEL}/updates/dkms/nvidia.ko");
    root.file(&ko, "module\n")?;
    let information =
        "Model: \t\t NVIDIA A40\nGPU UUID: \t GPU-00000000-0000-0000-0000-000000000001\n";
    root.file("/proc/driver/nvidia/gpus/0000:81:00.0/information", information)?;
    let gpu = Device::new("0000:81:00.0", "10de:2235", GPU_3D).board("10de:145a").driver("nvidia");
    let functions = Functions { total: 32, current: 16, first_group: 100 };
    all(
        root,
        &[
            management_display(),
            Device::new("0000:80:01.1", "1022:1483", BRIDGE).driver("pcieport").group(50),
            gpu.behind("0000:80:01.1").group(51).windows(LARGE).functions(functions),
        ],
    )
}

fn rtx_2080_ti(root: &mut Root) -> io::Result<()> {
    pve_8(root, Cpu::Intel)?;
    kernels::headers(root, PVE_8_KERNEL)?;
    root.file("/etc/subscription", subscription())?;
    let part = |address, id, class| {
        Device::new(address, id, class).board("1462:3715").behind("0000:00:01.0").group(1)
    };
    all(
        root,
        &[
            port("0000:00:01.0", 1),
            part("0000:01:00.0", "10de:1e07", VGA).windows(SMALL).boot_display(),
            part("0000:01:00.1", "10de:10f7", AUDIO).driver("snd_hda_intel"),
            part("0000:01:00.2", "10de:1ad6", USB).driver("xhci_hcd"),
            part("0000:01:00.3", "10de:1ad7", UCSI).driver("nvidia-gpu"),
        ],
    )
}

fn gtx_1080_with_igpu(root: &mut Root) -> io::Result<()> {
    pve_8(root, Cpu::Intel)?;
    kernels::module(root, "nouveau", "")?;
    let part = |address, id, class| Device::new(address, id, class).behind("0000:00:01.0").group(1);
    all(
        root,
        &[
            igpu().boot_display(),
            port("0000:00:01.0", 1),
            part("0000:01:00.0", "10de:1b80", VGA).driver("nouveau").windows(SMALL),
            part("0000:01:00.1", "10de:10f0", AUDIO).driver("snd_hda_intel"),
        ],
    )
}

fn l40s(root: &mut Root) -> io::Result<()> {
    pve_9(root, "")?;
    kernels::grub(root, PVE_9_KERNEL, "quiet")?;
    efi::write(root, "\\EFI\\proxmox\\shimx64.efi")?;
    efi::loader_info(root, "GRUB 2.12")?;
    efi::secure_boot(root, 1)?;
    efi::keys(root, b"certificate of dkms")?;
    root.file("/var/lib/dkms/mok.pub", "certificate of dkms")?;
    root.file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")?;
    root.file("/boot/efi/EFI/proxmox/shimx64.efi", "")?;
    root.file("/boot/efi/EFI/proxmox/grubx64.efi", "")?;
    let gpu = Device::new("0000:c1:00.0", "10de:26b9", GPU_3D).behind("0000:c0:01.1").group(60);
    let functions = Functions { total: 32, current: 0, first_group: 0 };
    all(
        root,
        &[
            management_display(),
            Device::new("0000:c0:01.1", "1022:1483", BRIDGE).driver("pcieport").group(59),
            gpu.windows(LARGE).functions(functions),
        ],
    )
}

fn h200_in_vm(root: &mut Root) -> io::Result<()> {
    let kernel = "6.1.0-18-amd64";
    debian::write(root, Release::Debian12)?;
    cpu(root, Cpu::Intel, "fpu vmx hypervisor")?;
    kernels::installed(root, kernel)?;
    kernels::running(root, kernel, "console=ttyS0")?;
    kernels::grub(root, kernel, "console=ttyS0")?;
    root.file("/proc/mounts", "/dev/vda1 / xfs rw,relatime 0 0\n")?;
    let windows = &[Window::High(16), Window::High(256 << 10), Window::High(32)];
    all(
        root,
        &[
            Device::new("0000:00:01.0", "1b36:0100", VGA).driver("qxl").boot_display(),
            Device::new("0000:00:03.0", "1af4:1041", NETWORK).driver("virtio-pci"),
            Device::new("0000:06:00.0", "10de:2335", GPU_3D)
                .behind("0000:00:02.0")
                .windows(windows),
        ],
    )
}

fn a2_and_gt_710(root: &mut Root) -> io::Result<()> {
    pve_8(root, Cpu::Intel)?;
    zfs(root, &["com.delphix:async_destroy", "com.fudosecurity:block_cloning"])?;
    efi::write(root, "\\EFI\\systemd\\systemd-bootx64.efi")?;
    std::fs::remove_dir_all(root.at("/boot/grub"))?;
    let console = |address, id, class| {
        Device::new(address, id, class).board("1043:8770").behind("0000:00:1c.0").group(12)
    };
    all(
        root,
        &[
            port("0000:00:01.0", 1),
            Device::new("0000:01:00.0", "10de:25b6", GPU_3D)
                .behind("0000:00:01.0")
                .group(2)
                .windows(LARGE)
                .functions(Functions { total: 16, current: 0, first_group: 0 }),
            port("0000:00:1c.0", 11),
            console("0000:03:00.0", "10de:128b", VGA)
                .driver("nouveau")
                .boot_display()
                .windows(SMALL),
            console("0000:03:00.1", "10de:0e0f", AUDIO).driver("snd_hda_intel"),
        ],
    )
}

fn no_gpu(root: &mut Root) -> io::Result<()> {
    pve_8(root, Cpu::Amd)?;
    all(root, &[management_display()])
}

fn script_leftovers(root: &mut Root) -> io::Result<()> {
    let (kernel, words) = ("6.5.13-6-pve", "quiet intel_iommu=on iommu=pt");
    pve_8(root, Cpu::Intel)?;
    kernels::installed(root, kernel)?;
    kernels::headers(root, kernel)?;
    kernels::running(root, kernel, words)?;
    kernels::grub(root, kernel, words)?;
    debian::packages(
        root,
        Release::Pve8,
        &[
            ("dkms", "all", "3.0.10-8+deb12u1", false),
            ("proxmox-headers-6.5.13-6-pve", "amd64", "6.5.13-6", false),
            ("proxmox-kernel-6.5.13-6-pve-signed", "amd64", "6.5.13-6", false),
        ],
    )?;
    kernels::module(root, "nvidia", "535.161.05")?;
    kernels::module(root, "nvidia_vgpu_vfio", "")?;
    root.file(&format!("/usr/lib/modules/{kernel}/updates/dkms/nvidia.ko"), "module\n")?;
    script::write(root)?;
    let gpu = Device::new("0000:01:00.0", "10de:1e81", VGA).driver("nvidia").boot_display();
    let types = "mdev_supported_types/nvidia-256/available_instances";
    all(
        root,
        &[
            port("0000:00:01.0", 1),
            gpu.behind("0000:00:01.0").group(1).windows(SMALL).file(types, "24\n"),
            Device::new("0000:01:00.1", "10de:10f8", AUDIO).behind("0000:00:01.0").group(1),
        ],
    )
}

/// The CPU vendor.
#[derive(Debug, Clone, Copy)]
enum Cpu {
    Intel,
    Amd,
}

/// Writes PVE 8 on ext4, booted by UEFI and GRUB.
fn pve_8(root: &mut Root, maker: Cpu) -> io::Result<()> {
    debian::write(root, Release::Pve8)?;
    cpu(root, maker, if matches!(maker, Cpu::Intel) { "fpu vmx" } else { "fpu svm" })?;
    iommu(root, maker)?;
    kernels::installed(root, PVE_8_KERNEL)?;
    kernels::running(root, PVE_8_KERNEL, "quiet")?;
    kernels::grub(root, PVE_8_KERNEL, "quiet")?;
    kernels::module(root, if matches!(maker, Cpu::Intel) { "kvm_intel" } else { "kvm_amd" }, "")?;
    efi::write(root, "\\EFI\\proxmox\\grubx64.efi")
}

/// Writes PVE 9 on AMD, with the headers of its kernel.
fn pve_9(root: &mut Root, words: &str) -> io::Result<()> {
    debian::write(root, Release::Pve9)?;
    cpu(root, Cpu::Amd, "fpu svm")?;
    iommu(root, Cpu::Amd)?;
    kernels::installed(root, PVE_9_KERNEL)?;
    kernels::headers(root, PVE_9_KERNEL)?;
    kernels::running(root, PVE_9_KERNEL, words)
}

fn cpu(root: &mut Root, maker: Cpu, flags: &str) -> io::Result<()> {
    let vendor = if matches!(maker, Cpu::Intel) { "GenuineIntel" } else { "AuthenticAMD" };
    let one = |n| format!("processor\t: {n}\nvendor_id\t: {vendor}\nflags\t\t: {flags}\n\n");
    root.file("/proc/cpuinfo", one(0) + &one(1))
}

fn iommu(root: &mut Root, maker: Cpu) -> io::Result<()> {
    let name = if matches!(maker, Cpu::Intel) { "dmar0" } else { "ivhd0" };
    root.file(&format!("/sys/devices/virtual/iommu/{name}/uevent"), "")?;
    root.relative_link(
        &format!("/sys/class/iommu/{name}"),
        &format!("/sys/devices/virtual/iommu/{name}"),
    )
}

/// Writes a ZFS root on ESPs managed by `proxmox-boot-tool`, with the features of the loaded ZFS
/// module.
fn zfs(root: &mut Root, features: &[&str]) -> io::Result<()> {
    root.file("/proc/mounts", "rpool/ROOT/pve-1 / zfs rw,relatime,xattr,noacl 0 0\n")?;
    root.file("/etc/kernel/proxmox-boot-uuids", "ABCD-0001\nABCD-0002\n")?;
    root.file("/etc/kernel/cmdline", "root=ZFS=rpool/ROOT/pve-1 boot=zfs\n")?;
    kernels::module(root, "zfs", "")?;
    for feature in features {
        root.file(
            &format!("/sys/module/zfs/features.pool/{feature}/guid"),
            format!("{feature}\n"),
        )?;
    }
    Ok(())
}

fn igpu() -> Device {
    Device::new("0000:00:02.0", "8086:3e92", VGA)
        .driver("i915")
        .group(0)
        .windows(&[Window::High(256)])
}

fn port(address: &'static str, group: u32) -> Device {
    Device::new(address, "8086:1901", BRIDGE).driver("pcieport").group(group)
}

fn management_display() -> Device {
    Device::new("0000:c6:00.0", "1a03:2000", VGA).driver("ast").group(80).boot_display()
}

/// Returns a subscription file: a secret key, and an answer with the status "active".
fn subscription() -> &'static str {
    // {"status":"active","key":"pve1c-0123456789"}
    "pve1c-0123456789\nAAAAAAAAAAAAAAAAAAAAAA\neyJzdGF0dXMiOiJhY3RpdmUiLCJrZXkiOiJwdmUxYy0wMTIzNDU2Nzg5In0=\n"
}

fn all<const N: usize>(root: &mut Root, devices: &[Device; N]) -> io::Result<()> {
    devices.iter().try_for_each(|device| device.write(root))
}
