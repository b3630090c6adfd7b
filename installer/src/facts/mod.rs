//! The facts of this machine, read once, from files only.
//!
//! sysfs, procfs, dpkg's status and EFI variables are sufficient. No command runs and nothing
//! changes, so it also works on the folder of a simulated machine, and takes milliseconds. Each
//! file format has a pure parser; [`Eyes`] reads the files and records those it could not read, so
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
mod eyes;
mod identity;
mod kernels;
mod leftovers;
mod mappings;
mod mounts;
mod one_line;
mod pci;
mod signing;
mod storage;
mod subscription;

pub(crate) use self::dpkg::installed as installed_packages;
pub use self::identity::Serials;
pub(crate) use self::mappings::{Map, mapping};
pub(crate) use self::signing::{CERTIFICATE, PRIVATE_KEY, REQUEST, SigningKey, signing_key};
pub(crate) use self::storage::FileStorage;

use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Gpu, Inventory, Kernels, Name, SCHEMA};
use vgpu_manifest::platform::{KernelRelease, PveRelease, SecureBoot};

use self::eyes::Eyes;
use crate::host::Look;

/// Returns the GPUs, of any vendor.
pub(crate) fn gpus(look: &dyn Look) -> Vec<Gpu> {
    pci::look(&Eyes::new(look)).gpus
}

/// Returns the running and the installed kernels.
pub(crate) fn kernels(look: &dyn Look) -> Kernels {
    kernels::look(&Eyes::new(look))
}

/// Returns the `nvidia` module for a kernel, in any of its possible paths.
pub(crate) fn module_file(look: &dyn Look, kernel: &KernelRelease) -> Option<HostPath> {
    kernels::module_file(&Eyes::new(look), kernel.as_str())
}

/// Returns the ZFS pool that the host boots from, if any.
pub(crate) fn root_pool(look: &dyn Look) -> Option<Name> {
    mounts::root(&Eyes::new(look)).pool.map(|pool| pool.name)
}

/// Returns the release of Proxmox VE.
pub(crate) fn pve_release(look: &dyn Look) -> Option<PveRelease> {
    let eyes = Eyes::new(look);
    base::os(&eyes, &dpkg::packages(&eyes)).pve
}

/// Checks whether the kernel loads only signed modules.
pub(crate) fn secure_boot(look: &dyn Look) -> SecureBoot {
    boot::secure_boot(&Eyes::new(look))
}

/// Reads the facts of the machine.
///
/// Always succeeds: the inventory itself lists what could not be read or parsed.
#[must_use]
pub fn inventory(look: &dyn Look, serials: Serials) -> Inventory {
    let eyes = Eyes::new(look);
    let packages = dpkg::packages(&eyes);
    let devices = pci::look(&eyes);
    Inventory {
        schema: SCHEMA,
        os: base::os(&eyes, &packages),
        cpu: base::cpu(&eyes),
        iommu: pci::iommu(&eyes),
        boot: boot::look(&eyes),
        kernels: kernels::look(&eyes),
        root: mounts::root(&eyes),
        gpus: devices.gpus,
        iommu_groups: devices.groups,
        apt_sources: apt::sources(&eyes),
        subscription: subscription::look(&eyes),
        packages,
        leftovers: leftovers::look(&eyes),
        identity: identity::look(&eyes, serials),
        unread: eyes.unread(),
    }
}
