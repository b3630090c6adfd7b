//! The vGPU types that the host offers, through either interface.
//!
//! Mediated devices have a folder for each type. NVIDIA's own interface has one file on each
//! virtual function with the types that can be created there now. Versions do not tell which
//! interface exists, so both are read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Gpu, VgpuInterface};
use vgpu_manifest::platform::{PciAddress, PciId};

use super::Finding;
use crate::host::Look;

/// A vGPU type of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) struct OfferedType {
    pub(crate) gpu: PciAddress,
    /// The interface.
    pub(crate) interface: VgpuInterface,
    /// NVIDIA's type number, the N of `nvidia-N`.
    pub(crate) id: u32,
    /// The name.
    pub(crate) name: String,
    /// The driver's description, if any, such as `framebuffer=8192M`.
    pub(crate) description: Option<String>,
    /// The framebuffer size, such as `8192M`, from the driver, or else from the `vgpuConfig.xml`
    /// of the bundle's driver.
    pub(crate) framebuffer: Option<String>,
    /// The number of available instances: for mediated devices as the driver reports it; for the
    /// other interface, the number of virtual functions on which the type can be created now.
    pub(crate) available: u32,
}

/// Returns the framebuffer size in the driver's description.
fn framebuffer(description: &str) -> Option<String> {
    let mut fields = description.split(',').map(str::trim);
    fields.find_map(|field| field.strip_prefix("framebuffer=")).map(str::to_owned)
}

/// The offered vGPU types.
#[derive(Default)]
struct Offer {
    types: BTreeMap<(PciAddress, u32), OfferedType>,
    /// The number of existing vGPUs.
    in_use: BTreeMap<PciAddress, u32>,
    /// Whether an interface exists.
    asked: usize,
}

/// Reads the types and checks them.
///
/// Unreadable entries are omitted: a half-initialized driver refuses reads.
pub(super) fn check(
    look: &dyn Look,
    gpus: &[Gpu],
    expected: &BTreeSet<PciAddress>,
) -> (Vec<OfferedType>, Finding) {
    let mut offer = Offer::default();
    for gpu in gpus.iter().filter(|gpu| is_ours(gpu)) {
        let functions = gpu.sr_iov.iter().flat_map(|sr_iov| &sr_iov.functions);
        let own = gpu.vgpu.map(|interface| (gpu.address, interface));
        let theirs = functions.filter_map(|it| it.vgpu.map(|interface| (it.address, interface)));
        for (device, interface) in own.into_iter().chain(theirs) {
            offer.asked += 1;
            match interface {
                VgpuInterface::Mdev => offer.mdev(look, gpu.address, device),
                VgpuInterface::Vendor => offer.vendor(look, gpu.address, device),
            }
        }
    }
    let finding = offer.finding(expected);
    (offer.types.into_values().collect(), finding)
}

/// Checks whether a GPU is from NVIDIA and not passed through.
fn is_ours(gpu: &Gpu) -> bool {
    let for_guests = gpu.driver.as_ref().is_some_and(|driver| driver.as_str() == "vfio-pci");
    gpu.id.vendor() == PciId::NVIDIA && !for_guests
}

impl Offer {
    fn mdev(&mut self, look: &dyn Look, gpu: PciAddress, device: PciAddress) {
        let folder = format!("/sys/bus/pci/devices/{device}/mdev_supported_types");
        for entry in names(look, &folder) {
            let id = entry.strip_prefix("nvidia-").and_then(|id| id.parse().ok());
            let Some(id) = id else { continue };
            let folder = format!("{folder}/{entry}");
            let instances = names(look, &format!("{folder}/devices")).len();
            self.use_more(gpu, u32::try_from(instances).unwrap_or_default());
            let available = text(look, &format!("{folder}/available_instances"));
            let description = text(look, &format!("{folder}/description"));
            self.add(OfferedType {
                gpu,
                interface: VgpuInterface::Mdev,
                id,
                name: text(look, &format!("{folder}/name")).unwrap_or(entry),
                framebuffer: description.as_deref().and_then(framebuffer),
                description,
                available: available.and_then(|text| text.parse().ok()).unwrap_or_default(),
            });
        }
    }

    fn vendor(&mut self, look: &dyn Look, gpu: PciAddress, device: PciAddress) {
        let folder = format!("/sys/bus/pci/devices/{device}/nvidia");
        let current = text(look, &format!("{folder}/current_vgpu_type"));
        if current.is_some_and(|current| current != "0") {
            self.use_more(gpu, 1);
        }
        let lines = text(look, &format!("{folder}/creatable_vgpu_types")).unwrap_or_default();
        for (id, name) in creatable(&lines) {
            let (description, framebuffer, available) = (None, None, 1);
            let interface = VgpuInterface::Vendor;
            self.add(OfferedType { gpu, interface, id, name, description, framebuffer, available });
        }
    }

    fn add(&mut self, offered: OfferedType) {
        match self.types.get_mut(&(offered.gpu, offered.id)) {
            Some(known) => known.available = known.available.saturating_add(offered.available),
            None => {
                self.types.insert((offered.gpu, offered.id), offered);
            }
        }
    }

    fn use_more(&mut self, gpu: PciAddress, more: u32) {
        if more > 0 {
            *self.in_use.entry(gpu).or_default() += more;
        }
    }

    /// Returns the GPUs for vGPU that neither offer types nor have any in use.
    fn silent(&self, expected: &BTreeSet<PciAddress>) -> Vec<PciAddress> {
        let offers = |gpu: PciAddress| self.types.keys().any(|(other, _)| *other == gpu);
        let is_silent = |gpu: &PciAddress| !offers(*gpu) && !self.in_use.contains_key(gpu);
        expected.iter().copied().filter(is_silent).collect()
    }

    fn finding(&self, expected: &BTreeSet<PciAddress>) -> Finding {
        let (count, in_use) = (self.types.len(), self.in_use.values().sum::<u32>());
        let silent = self.silent(expected);
        if (count, in_use) != (0, 0) && !silent.is_empty() {
            let silent: Vec<_> = silent.iter().map(ToString::to_string).collect();
            return Finding::missing(
                format!("{count} offered, but none by {}", silent.join(" and ")),
                "check the services' log, `journalctl -u nvidia-vgpud -u nvidia-vgpu-mgr`, \
                    and the driver, `nvidia-smi vgpu`",
            );
        }
        match (count, in_use) {
            (0, 0) if self.asked == 0 => Finding::missing(
                "no GPU offers vGPUs: neither `mdev_supported_types` nor \
                    `nvidia/creatable_vgpu_types` exists",
                "check the services' log, `journalctl -u nvidia-vgpud -u nvidia-vgpu-mgr`, \
                    and whether `nvidia_vgpu_vfio` is loaded",
            ),
            (0, 0) => Finding::missing(
                "the vGPU interface exists but lists no type",
                "restart the service that announces them and check its log: `systemctl \
                    restart nvidia-vgpud`",
            ),
            (_, 0) => Finding::good(format!("{count} offered")),
            _ => Finding::good(format!("{count} offered; vGPUs in use: {in_use}")),
        }
    }
}

fn names(look: &dyn Look, folder: &str) -> Vec<String> {
    let names = HostPath::new(folder).ok().and_then(|folder| look.list(&folder).ok().flatten());
    names.unwrap_or_default()
}

fn text(look: &dyn Look, path: &str) -> Option<String> {
    let text = HostPath::new(path).ok().and_then(|path| look.text(&path).ok().flatten());
    text.filter(|text| !text.is_empty())
}

/// Parses `creatable_vgpu_types`: `1428 : NVIDIA H200X-141C`. Lines without a number, such as
/// headings, are skipped.
fn creatable(text: &str) -> Vec<(u32, String)> {
    let line = |line: &str| {
        let (id, name) = line.split_once(':')?;
        Some((id.trim().parse().ok()?, name.trim().to_owned()))
    };
    text.lines().filter_map(line).filter(|(_, name): &(u32, String)| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_have_a_number_and_a_name() {
        let text =
            "ID    : vGPU Name\n1428 : NVIDIA H200X-141C\n1414  : NVIDIA H200X-1-18C\n\n7 :\n";
        let types = creatable(text);
        assert_eq!(
            types,
            [(1428, "NVIDIA H200X-141C".to_owned()), (1414, "NVIDIA H200X-1-18C".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([0-9]{0,12} ?:? ?\\PC{0,9}\n){0,4}") {
            let _ = creatable(&text);
        }
    }
}
