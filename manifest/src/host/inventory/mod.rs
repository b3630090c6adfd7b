//! The inventory of a node, which the installer writes and the bundler reads.
//!
//! It is a JSON document from sysfs, procfs, dpkg's status and EFI variables. The bundler decides
//! from it which drivers and kernels fit the node. It contains no host name, serial number or
//! secret unless the operator requested an [`Identity`]. Two inventories of an unchanged node are
//! equal: lists are sorted, and there is no time stamp.

mod boot;
mod document;
mod gpu;
mod leftover;
mod machine;
mod packages;

pub use self::boot::{
    Boot, BootReason, BootsNext, EnrolledKey, Kernel, KernelPart, Kernels, KeyStore, LoadedModule,
    LoaderEvidence, LoaderSign, Lockdown,
};
pub use self::document::{InventoryError, MAX_DOCUMENT, MAX_LIST, SCHEMA};
pub use self::gpu::{
    Bar, BarKind, Function, Gpu, GroupMember, IommuGroup, PciClass, SrIov, VgpuInterface,
    VirtualFunction,
};
pub use self::leftover::{Among, Certainty, Leftover, LeftoverKind, LeftoverLine};
pub use self::machine::{
    Cpu, FreeSpace, Identity, IommuState, Machine, Os, RootFileSystem, RootPool, Subscription,
};
pub use self::packages::{
    AptSource, AptUri, Mark, Package, PackageName, PackageState, SignedBy, SourceKind, SourceState,
    Want,
};
pub use crate::types::PackageVersion;

use serde::{Deserialize, Serialize};

use crate::types::is_word;
use crate::{HostPath, text};

/// The inventory of a node.
///
/// [`Inventory::from_json`] and [`Inventory::to_json`] check limits and order, which serde does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Inventory {
    /// The version of the document: [`SCHEMA`].
    pub schema: u32,
    /// The operating system.
    pub os: Os,
    /// The CPU.
    pub cpu: Cpu,
    /// The state of the IOMMU.
    pub iommu: IommuState,
    /// The boot configuration.
    pub boot: Boot,
    /// The running kernel, the installed ones and the loaded modules.
    pub kernels: Kernels,
    /// The root file system.
    pub root: RootFileSystem,
    /// Every display device. Virtual functions are listed with their physical function.
    pub gpus: Vec<Gpu>,
    /// The IOMMU groups of the GPUs and virtual functions.
    pub iommu_groups: Vec<IommuGroup>,
    /// The package sources of apt.
    pub apt_sources: Vec<AptSource>,
    /// The subscription for Proxmox's enterprise repository.
    pub subscription: Subscription,
    /// The packages that dpkg lists.
    pub packages: Vec<Package>,
    /// Leftovers of an earlier installation by the Bash script or by its guide, or of passthrough.
    pub leftovers: Vec<Leftover>,
    /// Files that could not be read or parsed. A fact that depends on one of them is unknown, not
    /// "no".
    pub unread: Vec<Unread>,
    /// The identity of the node, if the operator requested it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// A file that could not be read or parsed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Unread {
    /// The path.
    pub path: HostPath,
    /// The reason.
    pub why: Label,
}

text! {
    /// A short text from outside that is safe on a terminal: printable ASCII.
    Label,
    "a label",
    "printable ASCII without blanks at either end, at most 200 bytes",
    |text| {
        let printable = |b: u8| b.is_ascii_graphic() || b == b' ';
        is_word(text, 200, |b| b.is_ascii_graphic(), printable) && !text.ends_with(' ')
    }
}

text! {
    /// A name in the kernel or in a configuration file: of a driver, a module, a pool, a feature, a
    /// suite.
    Name,
    "a name",
    "letters, digits and `._:@/+~-`, at most 128 bytes",
    |text| {
        let rest = |b: u8| b.is_ascii_alphanumeric() || b"._:@/+~-".contains(&b);
        is_word(text, 128, rest, rest)
    }
}

impl Label {
    /// Converts any text: other characters become `?`, and the text is truncated.
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        let printable = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let clean: String = text.trim().chars().map(printable).take(200).collect();
        clean.trim().parse().unwrap_or_else(|_| Self("?".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_label_has_no_control_characters() {
        for good in ["a", "GRUB 2.12", "it is larger than 1 MiB", "`/etc/x`: no"] {
            assert!(good.parse::<Label>().is_ok(), "{good}");
            assert_eq!(Label::lossy(good).as_str(), good);
        }
        for bad in ["", " a", "a ", "a\nb", "\u{1b}[2J", "a\tb", "\u{202e}", "é", "\0"] {
            assert!(bad.parse::<Label>().is_err(), "{bad:?}");
        }
        assert_eq!(Label::lossy(" a\u{1b}[2Jé\n").as_str(), "a?[2J?");
        assert_eq!(Label::lossy("\n").as_str(), "?");
    }

    #[test]
    fn a_name_needs_no_quoting() {
        for good in
            ["vfio-pci", "com.delphix:hole_birth", "rpool/ROOT/pve-1", "bookworm-security/updates"]
        {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\n", "$x", "a;b", "a'", "é"] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_has_a_closest_label(text in any::<String>()) {
            let label = Label::lossy(&text);
            prop_assert_eq!(label.as_str().parse::<Label>(), Ok(label.clone()));
        }
    }
}
