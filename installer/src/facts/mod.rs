//! The facts of this machine, read once, from files only.
//!
//! sysfs, procfs, dpkg's status and EFI variables are sufficient. No command runs and nothing
//! changes, so it also works on the folder of a simulated machine, and takes milliseconds. Each
//! file format has a pure parser; [`Reader`] reads the files and records those it could not read, so
//! that "unknown" is never taken for "no".
//!
//! The result is the [`Inventory`]: the document that `inventory` prints is the input of the
//! planner.

mod apt;
mod bars;
mod base;
mod boot;
mod boot_sign;
mod deb822;
mod dpkg;
mod efi;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod grub;
mod grub_menu;
mod headers;
mod identity;
mod kernels;
mod leftovers;
mod mounts;
mod next_boot;
mod one_line;
mod passthrough;
mod pci;
mod reader;
mod signing;
mod storage;
mod subscription;
mod systemd_boot;

pub(crate) use self::dpkg::installed as installed_packages;
pub use self::identity::Serials;
pub(crate) use self::signing::{CERTIFICATE, PRIVATE_KEY, REQUEST, SigningKey, signing_key};
pub(crate) use self::storage::FileStorage;

use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::HostPath;
use vgpu_manifest::headers::HeadersRecord;
use vgpu_manifest::inventory::{Gpu, Inventory, Kernels, Leftover, Name, SCHEMA};
use vgpu_manifest::platform::{KernelRelease, PciId, PveRelease, SecureBoot};

use self::reader::Reader;
use crate::host::Look;

/// Returns the GPUs, of any vendor.
pub(crate) fn gpus(look: &dyn Look) -> Vec<Gpu> {
    pci::look(&Reader::new(look)).gpus
}

/// Returns the GPUs of NVIDIA.
pub(crate) fn nvidia_gpus(look: &dyn Look) -> Vec<Gpu> {
    let mut gpus = gpus(look);
    gpus.retain(|gpu| gpu.id.vendor() == PciId::NVIDIA);
    gpus
}

/// Returns the names of these devices, as `lspci` shows them; those that the host does not know are
/// left out.
pub(crate) fn gpu_names(look: &dyn Look, ids: &BTreeSet<PciId>) -> BTreeMap<PciId, String> {
    pci::names(&Reader::new(look), ids)
}

/// Returns the running and the installed kernels.
pub(crate) fn kernels(look: &dyn Look) -> Kernels {
    kernels::look(&Reader::new(look))
}

/// Returns the value of `GRUB_DEFAULT` that selects a kernel; `None` if GRUB is not the boot loader or
/// lists no such kernel.
pub(crate) fn grub_entry(look: &dyn Look, kernel: &KernelRelease) -> Option<String> {
    next_boot::grub_entry(&Reader::new(look), kernel)
}

/// Returns what the installed headers of a kernel tell about it, if it has any.
///
/// Reads two files of together about 2 MiB, so an inventory has no such records.
pub(crate) fn headers(look: &dyn Look, kernel: &KernelRelease) -> Option<HeadersRecord> {
    headers::look(&Reader::new(look), kernel)
}

/// Returns the leftovers of an earlier passthrough.
pub(crate) fn passthrough_leftovers(look: &dyn Look, gpus: &[Gpu]) -> Vec<Leftover> {
    passthrough::look(&Reader::new(look), gpus)
}

/// Returns the `nvidia` module for a kernel, in any of its possible paths.
pub(crate) fn module_file(look: &dyn Look, kernel: &KernelRelease) -> Option<HostPath> {
    kernels::module_file(&Reader::new(look), kernel.as_str())
}

/// Returns the ZFS pool that the host boots from, if any.
pub(crate) fn root_pool(look: &dyn Look) -> Option<Name> {
    mounts::root(&Reader::new(look)).pool.map(|pool| pool.name)
}

/// Returns the release of Proxmox VE.
pub(crate) fn pve_release(look: &dyn Look) -> Option<PveRelease> {
    let reader = Reader::new(look);
    base::os(&reader, &dpkg::packages(&reader)).pve
}

/// Checks whether the kernel loads only signed modules.
pub(crate) fn secure_boot(look: &dyn Look) -> SecureBoot {
    boot::secure_boot(&Reader::new(look))
}

/// Reads the facts of the machine.
///
/// Always succeeds: the inventory itself lists what could not be read or parsed.
#[must_use]
pub fn inventory(look: &dyn Look, serials: Serials) -> Inventory {
    let reader = Reader::new(look);
    let packages = dpkg::packages(&reader);
    let devices = pci::look(&reader);
    let leftovers = leftovers::look(&reader, &devices.gpus);
    Inventory {
        schema: SCHEMA,
        os: base::os(&reader, &packages),
        cpu: base::cpu(&reader),
        iommu: pci::iommu(&reader),
        boot: boot::look(&reader),
        kernels: kernels::look(&reader),
        root: mounts::root(&reader),
        gpus: devices.gpus,
        iommu_groups: devices.groups,
        apt_sources: apt::sources(&reader),
        subscription: subscription::look(&reader),
        packages,
        leftovers,
        identity: identity::look(&reader, serials),
        unread: reader.unread(),
    }
}
