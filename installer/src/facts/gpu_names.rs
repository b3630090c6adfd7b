use std::collections::{BTreeMap, BTreeSet};

use vgpu_manifest::platform::PciId;

use super::reader::Reader;

/// The list of Debian's package `pci.ids`, which `lspci` reads as well.
const LIST: &str = "/usr/share/misc/pci.ids";

/// The list is larger than the reader's default: 1.4 MB in 2026.
const MAX: u64 = 8 << 20;

/// Returns the names of these devices, as `lspci` shows them; those that the host's list lacks are
/// left out.
pub(super) fn look(reader: &Reader<'_>, ids: &BTreeSet<PciId>) -> BTreeMap<PciId, String> {
    let Some(list) = reader.large(LIST, MAX) else { return BTreeMap::new() };
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
    use super::*;
    use crate::host::testing::MemHost;

    #[test]
    fn the_name_is_that_of_the_vendor_s_device() {
        let list = "# comment\n\n10dd  Another\n\t1eb8  Not this one\n10de  NVIDIA Corporation\n\
                    \t1eb8  TU104GL [Tesla T4]\n\t\t10de 12a2  T4 of a maker\n# more\n\
                    \t2235  GA102GL [A40]\n10df  Emulex\n\t2236  Not of NVIDIA\n";
        let host = MemHost::with_files(&[(LIST, list)]);
        let ids = ["10de:1eb8", "10de:2235", "10de:2236"].map(|id| id.parse::<PciId>().unwrap());
        let names = look(&Reader::new(&host), &ids.into());
        let names: Vec<_> = names.iter().map(|(id, name)| format!("{id} {name}")).collect();
        assert_eq!(names, ["10de:1eb8 TU104GL [Tesla T4]", "10de:2235 GA102GL [A40]"]);
    }

    #[test]
    fn a_host_without_the_list_has_no_names() {
        let ids = BTreeSet::from(["10de:1eb8".parse().unwrap()]);
        assert!(look(&Reader::new(&MemHost::default()), &ids).is_empty());
    }
}
