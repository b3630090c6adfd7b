//! The devices of this node for the cluster's resource mappings, and the commands that assign a vGPU to
//! a guest.

use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::mapping::{Map, Mapping, NodeMapping};
use vgpu_manifest::platform::{PciAddress, PveRelease};

use super::OfferedType;
use crate::facts::{gpus, pve_release};
use crate::host::{HostError, Look};
use crate::state::fixed;

/// The first Proxmox VE release with resource mappings.
const WITH_MAPPINGS: PveRelease = PveRelease::new(8, 0);

/// The first release whose mappings state whether guests may migrate while they run
/// (pve-guest-common 5.1.7), without which `qm migrate --online` refuses.
const WITH_MIGRATION: PveRelease = PveRelease::new(8, 4);

/// The list of mappings, which all nodes of a cluster share.
const LIST: &str = "/etc/pve/mapping/pci.cfg";

/// The use of this node's vGPUs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The devices of each GPU, by the name of their mapping.
    pub(crate) mappings: Vec<NodeMapping>,
    /// The commands that map each GPU in the cluster and assign its first available type to a guest.
    /// `VMID` stands for the guest's number.
    pub(crate) lines: Vec<String>,
}

/// Returns the use of each GPU that offers vGPU types.
pub(crate) fn assignment(look: &dyn Look, types: &[OfferedType]) -> Result<Assignment, HostError> {
    let name = look.text(&fixed("/proc/sys/kernel/hostname"))?.unwrap_or_default();
    // Proxmox VE uses the host name without the domain.
    let node = name.split('.').next().unwrap_or_default();
    let release = pve_release(look);
    let has_mappings = release.is_none_or(|release| release >= WITH_MAPPINGS) && is_plain(node);
    let list = look.text(&fixed(LIST))?.unwrap_or_default();
    let mut found = Assignment::default();
    for gpu in gpus(look) {
        let own = types.iter().filter(|offered| offered.gpu == gpu.address);
        let Some(first) = own.clone().find(|it| it.available > 0).or(own.clone().next()) else {
            continue;
        };
        let devices = devices(&gpu);
        let Some(device) = devices.first() else { continue };
        let kind = format!("mdev=nvidia-{}", first.id);
        let name = format!("vgpu-{}", gpu.address.to_string().replace([':', '.'], "-"));
        let Some(name) = name.parse().ok().filter(|_| has_mappings) else {
            found.lines.push(format!("qm set VMID --hostpci0 {device},{kind}"));
            continue;
        };
        // Mappings belong to the cluster: another node with a GPU at the same address has the same
        // one.
        let cluster = Mapping::in_list(&list, &format!("{name}"));
        let maps = devices.iter().map(|device| map(look, node, *device));
        let maps = maps.collect::<Result<Vec<Option<Map>>, _>>()?.into_iter().flatten().collect();
        let knows_migration = release.is_some_and(|it| it >= WITH_MIGRATION);
        let mapping = NodeMapping { name, maps, cluster, knows_migration };
        found.lines.extend(mapping.commands());
        found.lines.push(format!("qm set VMID --hostpci0 mapping={},{kind}", mapping.name));
        found.mappings.push(mapping);
    }
    Ok(found)
}

/// Checks whether a name needs no quotes and is valid in Proxmox VE.
fn is_plain(node: &str) -> bool {
    !node.is_empty() && node.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Returns the devices with vGPUs: the virtual functions that offer types, or the GPU itself.
fn devices(gpu: &Gpu) -> Vec<PciAddress> {
    let functions = gpu.sr_iov.iter().flat_map(|sr_iov| &sr_iov.functions);
    let offering: Vec<_> =
        functions.filter(|it| it.vgpu.is_some()).map(|function| function.address).collect();
    if offering.is_empty() { vec![gpu.address] } else { offering }
}

/// The properties that Proxmox VE compares when a guest starts.
fn map(look: &dyn Look, node: &str, device: PciAddress) -> Result<Option<Map>, HostError> {
    let folder = format!("/sys/bus/pci/devices/{device}");
    let number = |file: &str| -> Result<Option<String>, HostError> {
        let text = look.text(&fixed(&format!("{folder}/{file}")))?.unwrap_or_default();
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 4);
        let plain = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        Ok(plain.map(str::to_owned))
    };
    let pair = |vendor, device| -> Result<Option<String>, HostError> {
        Ok(number(vendor)?
            .zip(number(device)?)
            .map(|(vendor, device)| format!("{vendor}:{device}")))
    };
    let group = look.link(&fixed(&format!("{folder}/iommu_group")))?.unwrap_or_default();
    let group = group.rsplit('/').next().and_then(|group| group.parse::<u32>().ok());
    let parts = [
        pair("vendor", "device")?.map(|id| format!("id={id}")),
        pair("subsystem_vendor", "subsystem_device")?.map(|id| format!("subsystem-id={id}")),
        group.map(|group| format!("iommugroup={group}")),
    ];
    let whole = [format!("node={node}"), format!("path={device}")].into_iter();
    let text = whole.chain(parts.into_iter().flatten()).collect::<Vec<_>>().join(",");
    Ok(text.try_into().ok())
}
