//! The rows of `catalog/gpus.toml`, updated from a newer pci.ids.
//!
//! Ids, names and chips come from pci.ids; every other field is written by hand. A new card gets
//! its architecture from its chip.

use vgpu_manifest::catalog::{Architecture, CardUnlock, Catalog, DeviceId, Gpu};
use vgpu_manifest::platform::PciId;

/// An NVIDIA graphics device in pci.ids.
struct Device {
    id: DeviceId,
    /// The board, or the whole entry where it names no board.
    name: String,
    /// The chip without the letters for its use: `GP104` of `GP104GLM`.
    chip: String,
}

/// The updated rows, and the cards that need attention.
pub(crate) struct Refreshed {
    /// The rows, as they are in the file after `gpus = [`.
    pub(crate) lines: Vec<String>,
    /// Cards that are new in the catalog.
    pub(crate) new: Vec<DeviceId>,
    /// Cards of the catalog that are not in pci.ids. They are left out.
    pub(crate) gone: Vec<DeviceId>,
    /// Cards whose chip matches no architecture in the catalog. They are left out.
    pub(crate) strange: Vec<DeviceId>,
}

/// Returns the NVIDIA graphics devices in a pci.ids, which has no device classes.
///
/// The entry of a graphics device is the code of its chip, followed by nothing, a name in brackets
/// or parentheses, or "Engineering Sample". Every other device has its function after the code:
/// audio, USB, bridges, memory controllers. Only `NVSwitch`es are left out by name.
fn graphics_devices(pci_ids: &str) -> Vec<Device> {
    let vendor = format!("{:04x} ", PciId::NVIDIA);
    let lines = pci_ids.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let ours = lines.skip_while(|line| !line.starts_with(&vendor)).skip(1);
    let devices = ours.take_while(|line| line.starts_with('\t'));
    devices.filter_map(graphics_device).collect()
}

/// Returns the device of one line; `None` for a subsystem and for any other device.
fn graphics_device(line: &str) -> Option<Device> {
    let (id, entry) = line.strip_prefix('\t')?.split_once("  ")?;
    let id = id.parse().ok()?;
    let (chip, rest) = chip(entry)?;
    let rest = rest.trim_start();
    let board = rest.ends_with(']') || (rest.starts_with('(') && rest.ends_with(')'));
    let graphics = rest.is_empty() || board || rest == "Engineering Sample";
    if !graphics || entry.contains("NVSwitch") {
        return None;
    }
    let name = entry.strip_suffix(']').and_then(|entry| entry.split_once('['));
    let name = name.map_or(entry, |(_, name)| name).to_owned();
    Some(Device { id, name, chip: chip.to_owned() })
}

/// Splits an entry after the chip's code. Chips in nForce chipsets have the chipset's name first.
fn chip(entry: &str) -> Option<(&str, &str)> {
    let entry = match entry.strip_prefix("nForce ") {
        Some(chipset) => chipset.split_once(' ')?.1,
        None => entry,
    };
    let len = FAMILIES.iter().filter_map(|(letters, digits)| code(entry, letters, digits)).max()?;
    let (chip, rest) = entry.split_at(len);
    Some((chip, rest.trim_start_matches(|c: char| c.is_ascii_uppercase())))
}

/// The codes of graphics chips: letters, then one character of each set.
const FAMILIES: &[(&str, &[&str])] = &[
    ("NV", &[HEX]),
    ("NV", &[HEX, HEX]),
    ("G", &["789", DEC]),
    ("GT", &["2", DEC, DEC]),
    ("GF", &[DEC, DEC, DEC]),
    ("GK", &[DEC, DEC, DEC]),
    ("GK", &[DEC, DEC, "x"]),
    ("GM", &[DEC, DEC, DEC]),
    ("GP", &[DEC, DEC, DEC]),
    ("GV", &[DEC, DEC, DEC]),
    ("TU", &[DEC, DEC, DEC]),
    ("GA", &[DEC, DEC, DEC]),
    ("GH", &[DEC, DEC, DEC]),
    ("AD", &[DEC, DEC, DEC]),
    ("GB", &[DEC, DEC, DEC]),
    ("GB", &[DEC, DEC, "B"]),
    ("GB6-", &[DEC, DEC, DEC]),
    ("GR", &[DEC, DEC, DEC]),
    ("C", &["567", DEC]),
    ("MCP7", &["9A"]),
    ("MCP8", &["9"]),
];

const DEC: &str = "0123456789";
const HEX: &str = "0123456789ABCDEF";

/// Returns the length of the code at the start of `entry`, if it is a code of this family.
fn code(entry: &str, letters: &str, digits: &[&str]) -> Option<usize> {
    let tail = entry.strip_prefix(letters)?;
    let mut chars = tail.chars();
    digits.iter().all(|set| chars.next().is_some_and(|c| set.contains(c))).then_some(())?;
    let len = letters.len() + digits.len();
    // Letters for the use and the revision of the chip may follow, or a second chip.
    let ends = |c: char| c.is_ascii_uppercase() || " (/b".contains(c);
    entry[len..].chars().next().is_none_or(ends).then_some(len)
}

/// Returns the rows of the catalog with the ids, names and chips of a pci.ids.
pub(crate) fn refresh(catalog: &Catalog, pci_ids: &str) -> Refreshed {
    let (mut lines, mut new, mut strange) = (Vec::new(), Vec::new(), Vec::new());
    let devices = graphics_devices(pci_ids);
    for device in &devices {
        let row = if let Some(known) = catalog.gpu(device.id) {
            let (name, chip) = (device.name.clone(), device.chip.clone());
            Some(Gpu { name, chip, ..known.clone() })
        } else {
            new.push(device.id);
            fresh(catalog, device)
        };
        match row {
            Some(row) => lines.push(line(&row)),
            None => strange.push(device.id),
        }
    }
    let kept = |gpu: &&Gpu| !devices.iter().any(|device| device.id == gpu.id);
    let gone = catalog.gpus().iter().filter(kept).map(|gpu| gpu.id).collect();
    Refreshed { lines, new, gone, strange }
}

/// Returns the row of a new card.
fn fresh(catalog: &Catalog, device: &Device) -> Option<Gpu> {
    let longest = |arch: &&Architecture| {
        let starts = arch.chips.iter().filter(|chip| device.chip.starts_with(chip.as_str()));
        starts.map(String::len).max()
    };
    let matching = catalog.rows().architectures.iter().filter(|arch| longest(arch).is_some());
    let arch = matching.max_by_key(longest)?.id.clone();
    Some(Gpu {
        id: device.id,
        name: device.name.clone(),
        chip: device.chip.clone(),
        arch,
        native: None,
        native_unproven: None,
        sriov: None,
        display: None,
        subsystems: Vec::new(),
        unlock: None,
        unlock_state: CardUnlock::Works,
        platform: None,
        evidence: "pci-ids".parse().into_iter().collect(),
    })
}

/// Returns a row as one line of the file.
fn line(gpu: &Gpu) -> String {
    // No field of a row needs more than one line, and none can fail to serialize.
    let text = toml::to_string(gpu).unwrap_or_default();
    let fields: Vec<_> = text.lines().collect();
    format!("  {{ {} }},", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCI_IDS: &str = "\
# comment
10dd  Another vendor
\t1eb8  GP104 [not ours]
10de  NVIDIA Corporation
\t0036  MCP04 Serial ATA Controller
\t0568  MCP78S [GeForce 8200] Memory Controller
\t01a0  nForce 220/420 NV1A [GeForce2 MX]
\t01ab  nForce 420 Memory Controller (DDR)
\t0d88  MCP89 SATA Controller (AHCI mode)
\t00f5  G70/G71 [GeForce 7800 GS AGP]
\t05e0  GT200b [GeForce GTX 295]
\t086f  MCP79 [GeForce 8200M G]
\t1ad7  TU102 USB Type-C UCSI Controller
\t1af1  GA100 [A100 NVSwitch]
\t1bb7  GP104GLM [Quadro P4000 Mobile]
\t\t1028 07b1  Precision 7520
\t1dbe  GV100 Engineering Sample
\t1e3c  TU102GL
\t1eb8  TU104GL [Tesla T4]
\t200a  NPU
\t22ce  GB10 GEN5 X4 PCIe host
\t25ac  GA107BM / GN20-P0-R-K2 [GeForce RTX 3050 6GB Laptop GPU]
\t2c2c  GB6-256(N22W-ES-A1)
\t2e12  GB20B [GB10]
\t2fff  GB999 [A card of tomorrow]
10df  A third vendor
\t2684  AD102 [not ours either]
";

    #[test]
    fn only_graphics_devices_are_found() {
        let found: Vec<_> = graphics_devices(PCI_IDS)
            .into_iter()
            .map(|device| format!("{} {} {}", device.id, device.chip, device.name))
            .collect();
        assert_eq!(
            found,
            [
                "01a0 NV1A GeForce2 MX",
                "00f5 G70 GeForce 7800 GS AGP",
                "05e0 GT200 GeForce GTX 295",
                "086f MCP79 GeForce 8200M G",
                "1bb7 GP104 Quadro P4000 Mobile",
                "1dbe GV100 GV100 Engineering Sample",
                "1e3c TU102 TU102GL",
                "1eb8 TU104 Tesla T4",
                "25ac GA107 GeForce RTX 3050 6GB Laptop GPU",
                "2c2c GB6-256 GB6-256(N22W-ES-A1)",
                "2e12 GB20B GB10",
                "2fff GB999 A card of tomorrow",
            ]
        );
    }

    #[test]
    fn fields_written_by_hand_are_kept_and_changes_are_listed() {
        let catalog = Catalog::embedded();
        let pci_ids = PCI_IDS.replace("Tesla T4", "T4").replace("GB999", "GB209");
        let refreshed = refresh(&catalog, &pci_ids);
        let t4 = refreshed.lines.iter().find(|line| line.contains("\"1eb8\"")).unwrap();
        assert!(t4.contains("name = \"T4\"") && t4.contains("native = \"16.0-20.2\""), "{t4}");
        assert_eq!(refreshed.new, [DeviceId(0x2fff)]);
        assert_eq!(
            *refreshed.lines.last().unwrap(),
            "  { id = \"2fff\", name = \"A card of tomorrow\", chip = \"GB209\", arch = \"blackwell\", evidence = [\"pci-ids\"] },"
        );
        assert!(refreshed.gone.contains(&DeviceId(0x1e07)));
        assert_eq!(refresh(&catalog, PCI_IDS).strange, [DeviceId(0x2fff)]);
    }

    #[test]
    fn the_file_has_the_form_that_this_program_writes() {
        let file = include_str!("../../catalog/gpus.toml");
        let body = file.split_once("gpus = [\n").unwrap().1.strip_suffix("]\n").unwrap();
        let catalog = Catalog::embedded();
        let written: Vec<_> = catalog.gpus().iter().map(line).collect();
        let lines: Vec<_> = body.lines().collect();
        assert_eq!(lines, written);
    }
}
