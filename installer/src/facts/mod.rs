//! What this machine is, read once, from files only.
//!
//! sysfs, procfs, dpkg's status and EFI variables say everything; no command is run and nothing is
//! changed, so a look works on a folder that stands for a machine as well, and takes milliseconds.
//! Each file format has a pure parser of its own; [`Eyes`] does the reading, and keeps what could
//! not be read, so that "unknown" is never taken for "no".
//!
//! The result is the [`Inventory`]: the document that `inventory` prints is what the planner plans
//! with.

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
mod mounts;
mod one_line;
mod pci;
mod signing;
mod subscription;

pub(crate) use self::dpkg::installed as installed_packages;
pub use self::identity::Serials;
pub(crate) use self::signing::{CERTIFICATE, PRIVATE_KEY, REQUEST, SigningKey, signing_key};

use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Gpu, Inventory, Kernels, Name, SCHEMA};
use vgpu_manifest::platform::{KernelRelease, PveRelease, SecureBoot};

use self::eyes::Eyes;
use crate::host::Look;

/// The GPUs, of any maker.
pub(crate) fn gpus(look: &dyn Look) -> Vec<Gpu> {
    pci::look(&Eyes::new(look)).gpus
}

/// The kernels, running and installed.
pub(crate) fn kernels(look: &dyn Look) -> Kernels {
    kernels::look(&Eyes::new(look))
}

/// The module of NVIDIA's driver for a kernel, wherever it lies.
pub(crate) fn module_file(look: &dyn Look, kernel: &KernelRelease) -> Option<HostPath> {
    kernels::module_file(&Eyes::new(look), kernel.as_str())
}

/// The ZFS pool that the host boots from, if it is one.
pub(crate) fn root_pool(look: &dyn Look) -> Option<Name> {
    mounts::root(&Eyes::new(look)).pool.map(|pool| pool.name)
}

/// The release of Proxmox VE.
pub(crate) fn pve_release(look: &dyn Look) -> Option<PveRelease> {
    let eyes = Eyes::new(look);
    base::os(&eyes, &dpkg::packages(&eyes)).pve
}

/// Whether the kernel loads only what is signed.
pub(crate) fn secure_boot(look: &dyn Look) -> SecureBoot {
    boot::secure_boot(&Eyes::new(look))
}

/// Look at the machine.
///
/// It always succeeds: what could not be read or understood is listed in the inventory itself.
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
