//! GPUs and their IOMMU groups.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Name;
use crate::ParseTextError;
use crate::platform::{PciAddress, PciId};

/// A display device: a GPU of any vendor, or that of a server's management controller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Gpu {
    /// Its PCI address.
    pub address: PciAddress,
    /// Its PCI id, with the subsystem if the kernel reports one.
    pub id: PciId,
    /// Its PCI class.
    pub class: PciClass,
    /// The driver that is bound to it.
    pub driver: Option<Name>,
    /// Its IOMMU group, as in the inventory's list of groups.
    pub iommu_group: Option<u32>,
    /// Whether the firmware uses the device as its display.
    pub boot_display: bool,
    /// Its base address registers, by index.
    pub bars: Vec<Bar>,
    /// Its SR-IOV capability, if it has one.
    pub sr_iov: Option<SrIov>,
    /// The interface by which the loaded driver provides vGPUs of the device itself.
    pub vgpu: Option<VgpuInterface>,
}

/// The SR-IOV state of a physical function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SrIov {
    /// The largest number of virtual functions.
    pub total: u32,
    /// The number of enabled virtual functions.
    pub current: u32,
    /// The existing virtual functions, by address.
    pub functions: Vec<VirtualFunction>,
}

/// A virtual function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VirtualFunction {
    /// Its PCI address.
    pub address: PciAddress,
    /// The driver that is bound to it.
    pub driver: Option<Name>,
    /// Its IOMMU group, as in the inventory's list of groups.
    pub iommu_group: Option<u32>,
    /// The interface by which the loaded driver provides vGPUs of it.
    pub vgpu: Option<VgpuInterface>,
}

/// The interface by which a driver provides vGPUs to the hypervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum VgpuInterface {
    /// Mediated devices: `mdev_supported_types`.
    Mdev,
    /// The vendor's VFIO driver: `nvidia/creatable_vgpu_types`.
    Vendor,
}

/// A base address register.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bar {
    /// Its number, 0 to 5.
    pub index: u8,
    /// Its address space.
    pub kind: BarKind,
    /// Its size in bytes.
    pub size: u64,
    /// The sizes in bytes that it can be resized to. Empty if it cannot be resized, or if only the
    /// first 256 bytes of the configuration space are readable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resizable_to: Vec<u64>,
}

/// The address space of a base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32,
    /// Memory with 64-bit addresses.
    Memory64,
}

/// Devices that the IOMMU cannot isolate from each other, so that they can only be passed through
/// together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct IommuGroup {
    /// The kernel's number of the group, valid until the next boot.
    pub number: u32,
    /// Its devices, by address.
    pub members: Vec<GroupMember>,
}

/// A device in an IOMMU group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GroupMember {
    /// Its PCI address.
    pub address: PciAddress,
    /// Its PCI id.
    pub id: PciId,
    /// Its PCI class.
    pub class: PciClass,
    /// The driver that is bound to it.
    pub driver: Option<Name>,
}

/// A PCI class: base class, subclass and programming interface, `030200`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[0-9a-f]{6}$"))
)]
pub struct PciClass(u32);

/// The kind of device that a PCI class stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// A display device that can show a text console.
    Vga,
    /// A display device without a text console.
    Gpu3d,
    /// Any other display device.
    OtherDisplay,
    /// A bridge, which cannot be passed through and does not prevent passthrough.
    Bridge,
    /// A storage controller.
    Storage,
    /// A network card.
    Network,
    /// A USB controller.
    Usb,
    /// Anything else.
    Other,
}

impl PciClass {
    /// Returns the class with the lower 24 bits of `bits`.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0x00ff_ffff)
    }

    /// Returns the kind of device.
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

    /// Checks whether it is a display device.
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

crate::serde_as_text!(PciClass);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_determines_the_kind_of_device() {
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
