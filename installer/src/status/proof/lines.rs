//! The commands that assign a vGPU of this node to a guest.

use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::{PciAddress, PveRelease};

use super::OfferedType;
use crate::facts::{Map, gpus, mapping, pve_release};
use crate::host::{HostError, Look};
use crate::state::fixed;

/// The first Proxmox VE release with resource mappings.
const WITH_MAPPINGS: PveRelease = PveRelease::new(8, 0);

/// The first release whose mappings state whether guests may migrate while they run
/// (pve-guest-common 5.1.7), without which `qm migrate --online` refuses.
const WITH_MIGRATION: PveRelease = PveRelease::new(8, 4);

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
            let id = name_of(gpu.address);
            let maps = devices.iter().map(|it| Ok(Map::of(&map(look, node, *it)?)));
            let maps = maps.collect::<Result<Vec<_>, HostError>>()?;
            lines.extend(map_all(look, &id, &maps)?);
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

/// Returns the command that makes these devices available under a name, or a comment that they are
/// already there.
///
/// Mappings belong to the cluster: another node with a GPU at the same address has the same one.
/// `pvesh create` of an existing name dies, and `pvesh set` replaces the whole list of devices
/// (pve-manager 9.2.11, `API2/Cluster/Mapping/PCI.pm`), so the command repeats the others.
fn map_all(look: &dyn Look, id: &str, ours: &[Map]) -> Result<Vec<String>, HostError> {
    let here = mapping(look, id)?;
    let known = here.clone().unwrap_or_default();
    let has = |map: &Map| known.maps.iter().any(|old| old.serves_as(map));
    let is_there = known.mdev && ours.iter().all(has);
    // Another map of a device is out of date if the device is not what it says.
    let is_stale = |old: &&Map| ours.iter().any(|map| old.is_device_of(map) && !old.serves_as(map));
    let old = known.maps.iter().filter(|old| !is_stale(old));
    let all = old.chain(ours.iter().filter(|map| !has(map)));
    let maps: Vec<_> = all.map(|map| format!("--map {}", quoted(&map.text))).collect();
    let maps = maps.join(" ");
    let set = format!("pvesh set /cluster/mapping/pci/{id} --mdev 1 {maps}");
    let migration = "--live-migration-capable 1";
    let may_migrate = pve_release(look).is_some_and(|it| it >= WITH_MIGRATION) && !known.migrates;
    let mut lines = Vec::new();
    let note = if is_there {
        lines.push(format!("# already there: the mapping {id} with the devices of this node"));
        format!("# for live migration: {set} {migration}")
    } else {
        let create = || format!("pvesh create /cluster/mapping/pci --id {id} --mdev 1 {maps}");
        lines.push(here.map_or_else(create, |_| set));
        format!("# for live migration between nodes, add: {migration}")
    };
    lines.extend(may_migrate.then_some(note));
    Ok(lines)
}

/// Quotes a word for a shell where it needs it: a path can be a list with `;`.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:,=".contains(&b);
    if word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Returns a mapping's name; it must begin with a letter.
fn name_of(address: PciAddress) -> String {
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
