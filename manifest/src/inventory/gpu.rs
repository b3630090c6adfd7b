use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Name;
use crate::ParseTextError;
use crate::platform::{PciAddress, PciId};

/// A display device: a GPU of any maker, or the small one of a server's management controller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Gpu {
    /// Where it is.
    pub address: PciAddress,
    /// Which one it is, with its subsystem where the kernel shows one.
    pub id: PciId,
    /// What it calls itself.
    pub class: PciClass,
    /// The driver that has it.
    pub driver: Option<Name>,
    /// Its IOMMU group, whose members stand in the inventory's list.
    pub iommu_group: Option<u32>,
    /// Whether the firmware showed its messages here.
    pub boot_display: bool,
    /// Its windows into memory, by index.
    pub bars: Vec<Bar>,
    /// Whether it can be split into virtual functions.
    pub sr_iov: Option<SrIov>,
    /// How the loaded driver offers vGPUs of the device itself.
    pub vgpu: Option<VgpuInterface>,
}

/// What SR-IOV makes of a physical function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SrIov {
    /// How many virtual functions it can have.
    pub total: u32,
    /// How many are switched on.
    pub current: u32,
    /// Those that are there, by address.
    pub functions: Vec<VirtualFunction>,
}

/// A virtual function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VirtualFunction {
    /// Where it is.
    pub address: PciAddress,
    /// The driver that has it.
    pub driver: Option<Name>,
    /// Its IOMMU group, whose members stand in the inventory's list.
    pub iommu_group: Option<u32>,
    /// How the loaded driver offers vGPUs of it.
    pub vgpu: Option<VgpuInterface>,
}

/// How a driver offers vGPUs to the hypervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VgpuInterface {
    /// Mediated devices: `mdev_supported_types`.
    Mdev,
    /// NVIDIA's own files: `nvidia/creatable_vgpu_types`.
    Vendor,
}

/// A window into memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bar {
    /// Its number, 0 to 5.
    pub index: u8,
    /// How it is addressed.
    pub kind: BarKind,
    /// Its size in bytes.
    pub size: u64,
    /// The sizes in bytes that it can be given. Empty if it cannot be resized, or if the device
    /// shows only the first 256 bytes of its configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resizable_to: Vec<u64>,
}

/// How a window is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32,
    /// Memory anywhere.
    Memory64,
}

/// The devices that the IOMMU cannot tell apart. They go to a guest together or not at all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IommuGroup {
    /// The kernel's number for it, good until the next boot.
    pub number: u32,
    /// All devices in it, by address.
    pub members: Vec<GroupMember>,
}

/// A device in an IOMMU group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GroupMember {
    /// Where it is.
    pub address: PciAddress,
    /// Which one it is.
    pub id: PciId,
    /// What it calls itself.
    pub class: PciClass,
    /// The driver that has it.
    pub driver: Option<Name>,
}

/// What a PCI device calls itself: base class, subclass and programming interface, `030200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PciClass(u32);

/// What a class means here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// A display device that can show a text console.
    Vga,
    /// A display device that cannot.
    Gpu3d,
    /// Any other display device.
    OtherDisplay,
    /// A bridge, which belongs to no guest and hinders none.
    Bridge,
    /// A controller of disks.
    Storage,
    /// A network card.
    Network,
    /// A USB controller.
    Usb,
    /// Anything else.
    Other,
}

impl PciClass {
    /// The class with these 24 bits; higher ones are cut off.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0x00ff_ffff)
    }

    /// What it means here.
    #[must_use]
    pub const fn function(self) -> Function {
        match self.0 >> 8 {
            0x0300 => Function::Vga,
            0x0302 => Function::Gpu3d,
            0x0301 | 0x0303..=0x03ff => Function::OtherDisplay,
            0x0600..=0x06ff => Function::Bridge,
            0x0100..=0x01ff => Function::Storage,
            0x0200..=0x02ff => Function::Network,
            0x0c03 => Function::Usb,
            _ => Function::Other,
        }
    }

    /// Whether it is a display device.
    #[must_use]
    pub const fn is_display(self) -> bool {
        self.0 >> 16 == 0x03
    }
}

impl FromStr for PciClass {
    type Err = ParseTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = u32::from_str_radix(text, 16).ok().map(Self::new);
        parsed.filter(|class| class.to_string() == text).ok_or_else(|| {
            ParseTextError::new(text, "a PCI class", "six hexadecimal digits: `030200`")
        })
    }
}

impl fmt::Display for PciClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

crate::platform::words::serde_as_text!(PciClass);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_says_what_a_device_is() {
        let function = |text: &str| text.parse::<PciClass>().unwrap().function();
        assert_eq!(function("030000"), Function::Vga);
        assert_eq!(function("030200"), Function::Gpu3d);
        assert_eq!(function("038000"), Function::OtherDisplay);
        assert_eq!(function("060400"), Function::Bridge);
        assert_eq!(function("040300"), Function::Other);
        assert_eq!(function("010802"), Function::Storage);
        assert_eq!(function("020000"), Function::Network);
        assert_eq!(function("0c0330"), Function::Usb);
        for bad in ["", "0302", "0x030200", "03020g", "1030200", "+30200", "03020A"] {
            assert!(bad.parse::<PciClass>().is_err(), "{bad:?}");
        }
    }
}
