//! PCI devices in sysfs: `/sys/bus/pci/devices` and `/sys/kernel/iommu_groups`.

use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::inventory::{
    Gpu, GroupMember, IommuGroup, IommuState, Name, PciClass, SrIov, VgpuInterface, VirtualFunction,
};
use vgpu_manifest::platform::{PciAddress, PciId};

use super::bars;
use super::reader::Reader;

const DEVICES: &str = "/sys/bus/pci/devices";
const GROUPS: &str = "/sys/kernel/iommu_groups";
const IOMMUS: &str = "/sys/class/iommu";
/// The list of Debian's package `pci.ids`, which `lspci` reads as well.
const NAMES: &str = "/usr/share/misc/pci.ids";

/// The list is larger than the reader's default: 1.4 MB in 2026.
const MAX_NAMES: u64 = 8 << 20;

/// The display devices of the machine.
pub(super) struct Devices {
    /// The physical ones, with their virtual functions.
    pub(super) gpus: Vec<Gpu>,
    /// The IOMMU groups of these devices and of their virtual functions.
    pub(super) groups: Vec<IommuGroup>,
}

/// Reads all display devices and the other members of their IOMMU groups.
pub(super) fn look(reader: &Reader<'_>) -> Devices {
    let (mut gpus, mut functions) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    for device in addresses(reader, DEVICES).into_iter().map(|address| Device { reader, address }) {
        if !device.class().is_some_and(PciClass::is_display) {
            continue;
        }
        match device.physical_function() {
            Some(physical) => functions.entry(physical).or_default().push(device.function()),
            None => gpus.extend(device.gpu()),
        }
    }
    for gpu in &mut gpus {
        if let Some(sr_iov) = &mut gpu.sr_iov {
            sr_iov.functions = functions.remove(&gpu.address).unwrap_or_default();
        }
    }
    for address in functions.into_keys() {
        reader.note(&format!("{DEVICES}/{address}"), "has virtual functions but is not a GPU");
    }
    let groups = groups(reader, &gpus);
    Devices { gpus, groups }
}

/// Checks whether the IOMMU translates addresses.
///
/// IOMMU groups alone do not prove it: VFIO also creates some on a machine without an IOMMU.
pub(super) fn iommu(reader: &Reader<'_>) -> IommuState {
    let any = |path| !reader.names(path).is_empty();
    if any(IOMMUS) && any(GROUPS) { IommuState::On } else { IommuState::Off }
}

fn groups(reader: &Reader<'_>, gpus: &[Gpu]) -> Vec<IommuGroup> {
    let functions = gpus.iter().filter_map(|gpu| gpu.sr_iov.as_ref()).flat_map(|s| &s.functions);
    let numbers = gpus.iter().filter_map(|gpu| gpu.iommu_group);
    let numbers: BTreeSet<u32> = numbers.chain(functions.filter_map(|f| f.iommu_group)).collect();
    let group = |number| {
        let members = addresses(reader, &format!("{GROUPS}/{number}/devices")).into_iter();
        let members = members.filter_map(|address| Device { reader, address }.member()).collect();
        IommuGroup { number, members }
    };
    numbers.into_iter().map(group).collect()
}

/// Returns the addresses of the devices that a folder links to.
fn addresses(reader: &Reader<'_>, folder: &str) -> BTreeSet<PciAddress> {
    let parse = |name: String| reader.understood(folder, name.parse());
    reader.names(folder).into_iter().filter_map(parse).collect()
}

/// The sysfs folder of one device.
struct Device<'a> {
    reader: &'a Reader<'a>,
    address: PciAddress,
}

impl Device<'_> {
    fn path(&self, file: &str) -> String {
        format!("{DEVICES}/{}/{file}", self.address)
    }

    fn gpu(&self) -> Option<Gpu> {
        let resource = self.reader.text(&self.path("resource")).unwrap_or_default();
        let config = self.reader.bytes(&self.path("config")).unwrap_or_default();
        Some(Gpu {
            address: self.address,
            id: self.id()?,
            class: self.class()?,
            driver: self.driver(),
            iommu_group: self.group(),
            boot_display: self.reader.value(&self.path("boot_vga")) == Some(1),
            bars: bars::parse(&resource, &config),
            sr_iov: self.sr_iov(),
            vgpu: self.vgpu(),
        })
    }

    fn function(&self) -> VirtualFunction {
        VirtualFunction {
            address: self.address,
            driver: self.driver(),
            iommu_group: self.group(),
            vgpu: self.vgpu(),
        }
    }

    fn member(&self) -> Option<GroupMember> {
        Some(GroupMember {
            address: self.address,
            id: self.id()?,
            class: self.class()?,
            driver: self.driver(),
        })
    }

    fn class(&self) -> Option<PciClass> {
        self.number("class").map(PciClass::new)
    }

    fn id(&self) -> Option<PciId> {
        let half = |file| u16::try_from(self.number(file)?).ok();
        let id = PciId::new(half("vendor")?, half("device")?);
        // A board without a vendor id has no meaningful subsystem ids.
        let board = half("subsystem_vendor").zip(half("subsystem_device"));
        let board = board.filter(|(vendor, _)| !matches!(vendor, 0 | 0xffff));
        Some(board.map_or(id, |(vendor, device)| id.with_subsystem(vendor, device)))
    }

    fn driver(&self) -> Option<Name> {
        let path = self.path("driver");
        self.reader.understood(&path, self.reader.link_name(&path)?.parse())
    }

    fn group(&self) -> Option<u32> {
        let path = self.path("iommu_group");
        self.reader.understood(&path, self.reader.link_name(&path)?.parse())
    }

    fn physical_function(&self) -> Option<PciAddress> {
        let path = self.path("physfn");
        self.reader.understood(&path, self.reader.link_name(&path)?.parse())
    }

    /// The virtual functions are filled in once all devices have been read.
    fn sr_iov(&self) -> Option<SrIov> {
        let total = self.reader.value(&self.path("sriov_totalvfs")).filter(|total| *total > 0)?;
        let current = self.reader.value(&self.path("sriov_numvfs")).unwrap_or_default();
        Some(SrIov { total, current, functions: Vec::new() })
    }

    fn vgpu(&self) -> Option<VgpuInterface> {
        if self.reader.is_dir(&self.path("mdev_supported_types")) {
            Some(VgpuInterface::Mdev)
        } else if self.reader.exists(&self.path("nvidia/creatable_vgpu_types")) {
            Some(VgpuInterface::Vendor)
        } else {
            None
        }
    }

    /// Parses a number as sysfs writes ids: `0x10de`.
    fn number(&self, file: &str) -> Option<u32> {
        let path = self.path(file);
        let text = self.reader.text(&path)?;
        self.reader.understood(&path, hexadecimal(text.trim()))
    }
}

fn hexadecimal(text: &str) -> Result<u32, &'static str> {
    let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.ok_or("not a hexadecimal number")
}

/// Returns the names of these devices, as `lspci` shows them; those that the host's list lacks are
/// left out.
pub(super) fn names(reader: &Reader<'_>, ids: &BTreeSet<PciId>) -> BTreeMap<PciId, String> {
    let Some(list) = reader.large(NAMES, MAX_NAMES) else { return BTreeMap::new() };
    let list = String::from_utf8_lossy(&list);
    ids.iter().filter_map(|id| Some((*id, name(&list, *id)?.to_owned()))).collect()
}

/// Finds a device in the list: a line `VENDOR  NAME`, below it `<tab>DEVICE  NAME`.
fn name(list: &str, id: PciId) -> Option<&str> {
    let vendor = format!("{:04x}  ", id.vendor());
    let device = format!("\t{:04x}  ", id.device());
    let mut lines = list.lines();
    lines.find(|line| line.starts_with(&vendor))?;
    let mut devices = lines.take_while(|line| line.starts_with(['\t', '#']) || line.is_empty());
    devices.find_map(|line| line.strip_prefix(&device))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::testing::MemHost;

    #[test]
    fn the_name_is_that_of_the_vendor_s_device() {
        let list = "# comment\n\n10dd  Another\n\t1eb8  Not this one\n10de  NVIDIA Corporation\n\
                    \t1eb8  TU104GL [Tesla T4]\n\t\t10de 12a2  T4 of a maker\n# more\n\
                    \t2235  GA102GL [A40]\n10df  Emulex\n\t2236  Not of NVIDIA\n";
        let host = MemHost::with_files(&[(NAMES, list)]);
        let ids = ["10de:1eb8", "10de:2235", "10de:2236"].map(|id| id.parse::<PciId>().unwrap());
        let names = names(&Reader::new(&host), &ids.into());
        let names: Vec<_> = names.iter().map(|(id, name)| format!("{id} {name}")).collect();
        assert_eq!(names, ["10de:1eb8 TU104GL [Tesla T4]", "10de:2235 GA102GL [A40]"]);
    }

    #[test]
    fn a_host_without_the_list_has_no_names() {
        let ids = BTreeSet::from(["10de:1eb8".parse().unwrap()]);
        assert!(names(&Reader::new(&MemHost::default()), &ids).is_empty());
    }

    #[test]
    fn numbers_are_hexadecimal_with_a_prefix() {
        assert_eq!(hexadecimal("0x10de"), Ok(0x10de));
        for bad in ["", "10de", "0x", "0x+1", "0x-1", "0x100000000", "0xg"] {
            assert!(hexadecimal(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(0x)?[0-9a-g+]{0,10}|\\PC*") {
            let _ = hexadecimal(&text);
        }
    }
}
