//! Whether a GPU can be taken from the host without taking anything else that it needs.

use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Function, GroupMember, Inventory, Name};
use vgpu_manifest::platform::PciAddress;

use super::GpuChoice;

/// A slot of the PCI bus: the device with all its functions. A GPU has one for sound, and often
/// others for USB-C, and all of them go to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(PciAddress);

impl Slot {
    /// The slot of a function.
    #[must_use]
    pub const fn of(address: PciAddress) -> Self {
        Self(address)
    }

    /// The function that was named: the GPU itself.
    #[must_use]
    pub const fn gpu(self) -> PciAddress {
        self.0
    }

    /// Whether another function is of the same slot.
    #[must_use]
    pub fn has(self, other: PciAddress) -> bool {
        let place = |a: PciAddress| (a.domain(), a.bus(), a.device());
        place(self.0) == place(other)
    }
}

/// `0000:41:00`, without a function.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, bus, device) = (self.0.domain(), self.0.bus(), self.0.device());
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}")
    }
}

/// A GPU cannot be had in the way that the operator has asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// There is no such GPU.
    #[error("there is no GPU at {address}; this host has {}", list(.there))]
    NotThere {
        /// The address that was named.
        address: PciAddress,
        /// Those that there are.
        there: Vec<PciAddress>,
    },
    /// It is a part of one.
    #[error("{function} is a virtual function; name its GPU, {gpu}")]
    Virtual {
        /// The address that was named.
        function: PciAddress,
        /// The GPU that it belongs to.
        gpu: PciAddress,
    },
    /// It cannot be both.
    #[error("{0} cannot be used for both vGPUs and passthrough")]
    Both(PciAddress),
    /// The host shows its messages on it.
    #[error(
        "{0} displays the host's console; select another display in the firmware settings, or pass `--give-up {0}` to lose the console"
    )]
    Console(PciAddress),
    /// The host would lose something that it needs.
    #[error(
        "{gpu} cannot be passed through alone: its IOMMU group {group} also contains {}; move the GPU to another slot, or pass `--give-up ADDRESS` for each device that the host does not need",
        members(.needed)
    )]
    Shared {
        /// The GPU.
        gpu: PciAddress,
        /// The number of its group.
        group: u32,
        /// Those members that the host uses.
        needed: Vec<GroupMember>,
    },
}

fn list(addresses: &[PciAddress]) -> String {
    if addresses.is_empty() {
        return "none".to_owned();
    }
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn members(members: &[GroupMember]) -> String {
    let member = |member: &GroupMember| {
        let driver = member.driver.as_ref().map_or("no driver", Name::as_str);
        let GroupMember { address, id, .. } = member;
        format!("{} {address} ({id}, {driver})", word(member.class.function()))
    };
    members.iter().map(member).collect::<Vec<_>>().join(", ")
}

/// What the host would miss.
fn word(function: Function) -> &'static str {
    match function {
        Function::Storage => "the disk controller",
        Function::Network => "the network card",
        Function::Usb => "the USB controller",
        Function::Vga | Function::Gpu3d | Function::OtherDisplay => "the display",
        Function::Bridge | Function::Other => "the device",
    }
}

/// The slots that are to be taken from the host, if nothing speaks against it.
///
/// Before the IOMMU is on there are no groups to look at. Then only the console can be judged, and
/// the groups are looked at again after the reboot, before anything depends on it.
pub fn isolate(facts: &Inventory, choice: &GpuChoice) -> Result<Vec<Slot>, Unavailable> {
    let given_away = choice.given_away(&facts.gpus);
    for address in choice.vgpu.iter().chain(&given_away) {
        check_there(facts, *address)?;
    }
    if let Some(both) = choice.vgpu.iter().find(|address| given_away.contains(address)) {
        return Err(Unavailable::Both(*both));
    }
    for gpu in facts.gpus.iter().filter(|gpu| given_away.contains(&gpu.address)) {
        if gpu.boot_display && !choice.give_up.contains(&gpu.address) {
            return Err(Unavailable::Console(gpu.address));
        }
        check_group(facts, choice, Slot(gpu.address), gpu.iommu_group)?;
    }
    Ok(given_away.into_iter().map(Slot).collect())
}

fn check_there(facts: &Inventory, address: PciAddress) -> Result<(), Unavailable> {
    if facts.gpus.iter().any(|gpu| gpu.address == address) {
        return Ok(());
    }
    for gpu in &facts.gpus {
        let functions = gpu.sr_iov.iter().flat_map(|sr_iov| &sr_iov.functions);
        if functions.into_iter().any(|function| function.address == address) {
            return Err(Unavailable::Virtual { function: address, gpu: gpu.address });
        }
    }
    let there = facts.gpus.iter().map(|gpu| gpu.address).collect();
    Err(Unavailable::NotThere { address, there })
}

fn check_group(
    facts: &Inventory,
    choice: &GpuChoice,
    slot: Slot,
    number: Option<u32>,
) -> Result<(), Unavailable> {
    let Some(group) = facts.iommu_groups.iter().find(|group| Some(group.number) == number) else {
        return Ok(());
    };
    let is_needed = |member: &&GroupMember| {
        !slot.has(member.address) && is_in_use(member) && !choice.give_up.contains(&member.address)
    };
    let needed: Vec<_> = group.members.iter().filter(is_needed).cloned().collect();
    if needed.is_empty() {
        return Ok(());
    }
    Err(Unavailable::Shared { gpu: slot.gpu(), group: group.number, needed })
}

/// Whether a driver of the host works with it. Bridges are never handed on, and what waits for a
/// guest already is in nobody's use.
fn is_in_use(member: &GroupMember) -> bool {
    let driver = member.driver.as_ref().map(Name::as_str);
    member.class.function() != Function::Bridge && driver.is_some_and(|name| name != "vfio-pci")
}

#[cfg(test)]
mod tests;
