//! The commands that assign a vGPU of this node to a guest.

use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::{PciAddress, PveRelease};

use super::OfferedType;
use crate::facts::{gpus, pve_release};
use crate::host::{HostError, Look};
use crate::state::fixed;

/// The first Proxmox VE release with resource mappings.
const WITH_MAPPINGS: PveRelease = PveRelease::new(8, 0);

/// Returns, for each GPU with vGPU types, the commands that map it in the cluster and assign its
/// first available type to a guest. `VMID` stands for the guest's number.
pub(crate) fn lines(look: &dyn Look, types: &[OfferedType]) -> Result<Vec<String>, HostError> {
    let name = look.text(&fixed("/proc/sys/kernel/hostname"))?.unwrap_or_default();
    // Proxmox VE uses the host name without the domain.
    let node = name.split('.').next().unwrap_or_default();
    let mappings = pve_release(look).is_none_or(|release| release >= WITH_MAPPINGS);
    let mut lines = Vec::new();
    for gpu in gpus(look) {
        let own = types.iter().filter(|offered| offered.gpu == gpu.address);
        let Some(first) = own.clone().find(|it| it.available > 0).or(own.clone().next()) else {
            continue;
        };
        let devices = devices(&gpu);
        let Some(device) = devices.first() else { continue };
        let kind = format!("mdev=nvidia-{}", first.id);
        if mappings && is_plain(node) {
            let id = mapping(gpu.address);
            let mut line = format!("pvesh create /cluster/mapping/pci --id {id} --mdev 1");
            for device in &devices {
                line.push_str(" --map ");
                line.push_str(&map(look, node, *device)?);
            }
            lines.push(line);
            lines.push(format!("qm set VMID --hostpci0 mapping={id},{kind}"));
        } else {
            lines.push(format!("qm set VMID --hostpci0 {device},{kind}"));
        }
    }
    Ok(lines)
}

/// Checks whether a name needs no quotes and is valid in Proxmox VE.
fn is_plain(node: &str) -> bool {
    !node.is_empty() && node.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Returns a mapping's name; it must begin with a letter.
fn mapping(address: PciAddress) -> String {
    format!("vgpu-{}", address.to_string().replace([':', '.'], "-"))
}

/// Returns the devices with vGPUs: the virtual functions that offer types, or the GPU itself.
fn devices(gpu: &Gpu) -> Vec<PciAddress> {
    let functions = gpu.sr_iov.iter().flat_map(|sr_iov| &sr_iov.functions);
    let offering: Vec<_> =
        functions.filter(|it| it.vgpu.is_some()).map(|function| function.address).collect();
    if offering.is_empty() { vec![gpu.address] } else { offering }
}

/// The properties that Proxmox VE compares when a guest starts.
fn map(look: &dyn Look, node: &str, device: PciAddress) -> Result<String, HostError> {
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
    Ok(whole.chain(parts.into_iter().flatten()).collect::<Vec<_>>().join(","))
}
