use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Kernel, KernelPart, Kernels, Label, LoadedModule, Name};
use vgpu_manifest::platform::KernelRelease;

use super::next_boot;
use super::reader::Reader;
use crate::kernel::pin::{PIN, PIN_NEXT};

const BOOT: &str = "/boot";
const MODULES: &str = "/lib/modules";

/// The modules that are relevant for vGPU hosts, in order.
const OF_INTEREST: [&str; 18] = [
    "kvm_amd",
    "kvm_intel",
    "mdev",
    "nouveau",
    "nova_core",
    "nvidia",
    "nvidia_drm",
    "nvidia_modeset",
    "nvidia_uvm",
    "nvidia_vgpu_vfio",
    "nvidiafb",
    "vfio",
    "vfio_iommu_type1",
    "vfio_mdev",
    "vfio_pci",
    "vfio_pci_core",
    "vfio_virqfd",
    "zfs",
];

/// The paths of the module below a kernel's folder, as installed by DKMS and NVIDIA's installer.
/// Some releases of DKMS compress it.
const NVIDIA: [&str; 4] = [
    "updates/dkms/nvidia.ko",
    "updates/dkms/nvidia.ko.xz",
    "updates/dkms/nvidia.ko.zst",
    "kernel/drivers/video/nvidia.ko",
];

/// Returns the running and the installed kernels.
pub(super) fn look(reader: &Reader<'_>) -> Kernels {
    let mut kernels = Kernels {
        running: reader.value("/proc/sys/kernel/osrelease"),
        pinned: reader.value(PIN),
        pinned_next: reader.value(PIN_NEXT),
        boots: None,
        installed: installed(reader),
        modules: loaded(reader),
    };
    kernels.boots = next_boot::look(reader, &kernels);
    kernels
}

fn installed(reader: &Reader<'_>) -> Vec<Kernel> {
    let mut kernels: BTreeMap<KernelRelease, BTreeSet<KernelPart>> = BTreeMap::new();
    for name in reader.names(BOOT) {
        let release = name.strip_prefix("vmlinuz-").map(str::parse);
        if let Some(release) = release.and_then(|release| reader.understood(BOOT, release)) {
            kernels.entry(release).or_default().insert(KernelPart::Image);
        }
    }
    for name in reader.names(MODULES) {
        if let Some(release) = reader.understood(MODULES, name.parse()) {
            let parts = parts(reader, &name);
            kernels.entry(release).or_default().extend(parts);
        }
    }
    // A removed kernel may leave its folder behind.
    kernels.retain(|_, has| !has.is_empty());
    kernels.into_iter().map(|(release, has)| Kernel { release, has }).collect()
}

fn parts(reader: &Reader<'_>, release: &str) -> Vec<KernelPart> {
    let has = |file: &str| reader.exists(&format!("{MODULES}/{release}/{file}"));
    let mut parts = Vec::new();
    if has("kernel") {
        parts.push(KernelPart::Modules);
    }
    if has("build/Makefile") {
        parts.push(KernelPart::Headers);
    }
    if module_file(reader, release).is_some() {
        parts.push(KernelPart::NvidiaModule);
    }
    parts
}

/// Returns the path of the `nvidia` module for a kernel, if it has one.
pub(super) fn module_file(reader: &Reader<'_>, release: &str) -> Option<HostPath> {
    let paths = NVIDIA.into_iter().map(|file| format!("{MODULES}/{release}/{file}"));
    paths.into_iter().find(|path| reader.exists(path)).and_then(|path| HostPath::new(path).ok())
}

fn loaded(reader: &Reader<'_>) -> Vec<LoadedModule> {
    let module = |name: &str| {
        let folder = format!("/sys/module/{name}");
        if !reader.is_dir(&folder) {
            return None;
        }
        let version = reader.text(&format!("{folder}/version")).map(|text| Label::lossy(&text));
        Some(LoadedModule { name: name.parse::<Name>().ok()?, version })
    };
    OF_INTEREST.into_iter().filter_map(module).collect()
}
