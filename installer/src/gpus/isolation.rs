//! Checks whether a GPU can be passed through without taking other devices from the host.

use std::fmt;

use serde::{Deserialize, Serialize};
use vgpu_manifest::inventory::{Function, GroupMember, Inventory, Name};
use vgpu_manifest::platform::PciAddress;

use super::GpuChoice;

/// A slot of the PCI bus: a device with all its functions. A GPU also has an audio function, and
/// often USB-C functions; all of them are passed through together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub(crate) struct Slot(PciAddress);

impl Slot {
    /// Returns the slot of a function.
    #[cfg(test)]
    #[must_use]
    pub(crate) const fn of(address: PciAddress) -> Self {
        Self(address)
    }

    /// Returns the function that was named: the GPU itself.
    #[must_use]
    pub(crate) const fn gpu(self) -> PciAddress {
        self.0
    }

    /// Checks whether another function is in the same slot.
    #[must_use]
    pub(crate) fn has(self, other: PciAddress) -> bool {
        let place = |a: PciAddress| (a.domain(), a.bus(), a.device());
        place(self.0) == place(other)
    }
}

/// Formats it as `0000:41:00`, without a function.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (domain, bus, device) = (self.0.domain(), self.0.bus(), self.0.device());
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}")
    }
}

/// The reason why a GPU cannot be used as requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unavailable(String);

fn described(member: &GroupMember) -> String {
    let driver = member.driver.as_ref().map_or("no driver", Name::as_str);
    let GroupMember { address, id, .. } = member;
    format!("{} {address} ({id}, {driver})", word(member.class.function()))
}

/// Names a device that the host would lose.
fn word(function: Function) -> &'static str {
    match function {
        Function::Storage => "the disk controller",
        Function::Network => "the network card",
        Function::Usb => "the USB controller",
        Function::Vga | Function::Gpu3d | Function::OtherDisplay => "the display",
        Function::Bridge | Function::Other => "the device",
    }
}

/// Returns the slots to pass through, if the host can do without them.
///
/// Without an active IOMMU there are no groups to check, so only the console is checked. The groups
/// are checked again after the reboot, before anything depends on it.
pub(crate) fn isolate(facts: &Inventory, choice: &GpuChoice) -> Result<Vec<Slot>, Unavailable> {
    let given_away = choice.given_away(&facts.gpus);
    for address in choice.vgpu.iter().chain(&given_away) {
        check_there(facts, *address)?;
    }
    if let Some(both) = choice.vgpu.iter().find(|address| given_away.contains(address)) {
        return Err(Unavailable(format!("{both} cannot be used for both vGPUs and passthrough")));
    }
    for gpu in facts.gpus.iter().filter(|gpu| given_away.contains(&gpu.address)) {
        if gpu.boot_display && !choice.give_up.contains(&gpu.address) {
            return Err(Unavailable(format!(
                "{0} displays the host's console; select another display in the firmware \
                    settings, or pass `--give-up {0}` to lose the console",
                gpu.address
            )));
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
            return Err(Unavailable(format!(
                "{address} is a virtual function; name its GPU, {}",
                gpu.address
            )));
        }
    }
    let there: Vec<_> = facts.gpus.iter().map(|gpu| gpu.address.to_string()).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    Err(Unavailable(format!("there is no GPU at {address}; this host has {there}")))
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
    let needed: Vec<_> = group.members.iter().filter(is_needed).map(described).collect();
    if needed.is_empty() {
        return Ok(());
    }
    Err(Unavailable(format!(
        "{} cannot be passed through alone: its IOMMU group {} also contains {}; move the GPU to \
            another slot, or pass `--give-up ADDRESS` for each device that the host does not need",
        slot.gpu(),
        group.number,
        needed.join(", ")
    )))
}

/// Checks whether a driver of the host uses it. Bridges are never passed through, and a device
/// bound to `vfio-pci` is not in use by the host.
fn is_in_use(member: &GroupMember) -> bool {
    let driver = member.driver.as_ref().map(Name::as_str);
    member.class.function() != Function::Bridge && driver.is_some_and(|name| name != "vfio-pci")
}

#[cfg(test)]
mod tests;
