//! How `catalog/gpus.toml` is written again from a newer pci.ids.
//!
//! Ids, names and chips come from pci.ids, everything else from people; a card that is new gets
//! its architecture from its chip and waits for somebody to say more.

use super::{Architecture, CardUnlock, Catalog, DeviceId, Gpu};
use crate::platform::PciId;

/// A graphics device of NVIDIA's, as pci.ids names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The device id.
    pub id: DeviceId,
    /// The board, or the whole entry where it names no board.
    pub name: String,
    /// The chip, without the letters for its use: `GP104` of `GP104GLM`.
    pub chip: String,
}

/// What came of writing the file again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refreshed {
    /// The rows, as they stand in the file after `gpus = [`.
    pub lines: Vec<String>,
    /// Cards that the catalogue did not have.
    pub new: Vec<DeviceId>,
    /// Cards of the catalogue that pci.ids does not have; they are left out.
    pub gone: Vec<DeviceId>,
    /// Cards whose chip is of no architecture in the catalogue; they are left out.
    pub strange: Vec<DeviceId>,
}

/// The graphics devices of NVIDIA's in a pci.ids, which has no device classes.
///
/// An entry is one if it is a graphics chip's code and then nothing, a name in brackets or
/// parentheses to the end, or "Engineering Sample". Every other device has its function after the
/// code: audio, USB, bridges, memory controllers. Only `NVSwitch`es are left out by name.
#[must_use]
pub fn graphics_devices(pci_ids: &str) -> Vec<Named> {
    let vendor = format!("{:04x} ", PciId::NVIDIA);
    let lines = pci_ids.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let ours = lines.skip_while(|line| !line.starts_with(&vendor)).skip(1);
    let devices = ours.take_while(|line| line.starts_with('\t'));
    devices.filter_map(graphics_device).collect()
}

/// The device of one line; `None` for subsystems and what is no graphics device.
fn graphics_device(line: &str) -> Option<Named> {
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
    Some(Named { id, name, chip: chip.to_owned() })
}

/// A chip's code and what follows it; chips inside of nForce chipsets have that before them.
fn chip(entry: &str) -> Option<(&str, &str)> {
    let entry = match entry.strip_prefix("nForce ") {
        Some(chipset) => chipset.split_once(' ')?.1,
        None => entry,
    };
    let len = FAMILIES.iter().filter_map(|(letters, digits)| code(entry, letters, digits)).max()?;
    let (chip, rest) = entry.split_at(len);
    Some((chip, rest.trim_start_matches(|c: char| c.is_ascii_uppercase())))
}

/// How graphics chips are called: letters, and the characters that may follow, one by one.
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

/// How long the code at the start of `entry` is, if it is of this family and ends there.
fn code(entry: &str, letters: &str, digits: &[&str]) -> Option<usize> {
    let tail = entry.strip_prefix(letters)?;
    let mut chars = tail.chars();
    digits.iter().all(|set| chars.next().is_some_and(|c| set.contains(c))).then_some(())?;
    let len = letters.len() + digits.len();
    // Letters for the use and the revision of the chip, or a second chip.
    let ends = |c: char| c.is_ascii_uppercase() || " (/b".contains(c);
    entry[len..].chars().next().is_none_or(ends).then_some(len)
}

/// The rows of the catalogue with the ids, names and chips of a pci.ids.
#[must_use]
pub fn refresh(catalog: &Catalog, pci_ids: &str) -> Refreshed {
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

/// The row of a card that nobody has looked at yet.
fn fresh(catalog: &Catalog, device: &Named) -> Option<Gpu> {
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

/// A row as one line of the file.
fn line(gpu: &Gpu) -> String {
    // Nothing in a row needs a line of its own, and nothing in it can fail to be written.
    let text = toml::to_string(gpu).unwrap_or_default();
    let fields: Vec<_> = text.lines().collect();
    format!("  {{ {} }},", fields.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PCI_IDS: &str = "\
# comment
10dd  Somebody else
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
10df  Somebody else again
\t2684  AD102 [not ours either]
";

    #[test]
    fn tells_graphics_devices_from_the_others() {
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
    fn keeps_what_people_added_and_names_what_changed() {
        let catalog = Catalog::embedded();
        let pci_ids = PCI_IDS.replace("Tesla T4", "T4").replace("GB999", "GB209");
        let refreshed = refresh(&catalog, &pci_ids);
        let t4 = refreshed.lines.iter().find(|line| line.contains("\"1eb8\"")).unwrap();
        assert!(t4.contains("name = \"T4\"") && t4.contains("native = \"16.0-20.1\""), "{t4}");
        assert_eq!(refreshed.new, [DeviceId(0x2fff)]);
        assert_eq!(
            *refreshed.lines.last().unwrap(),
            "  { id = \"2fff\", name = \"A card of tomorrow\", chip = \"GB209\", arch = \"blackwell\", evidence = [\"pci-ids\"] },"
        );
        assert!(refreshed.gone.contains(&DeviceId(0x1e07)));
        assert_eq!(refresh(&catalog, PCI_IDS).strange, [DeviceId(0x2fff)]);
    }

    #[test]
    fn the_file_is_as_it_would_be_written() {
        let file = include_str!("../../catalog/gpus.toml");
        let body = file.split_once("gpus = [\n").unwrap().1.strip_suffix("]\n").unwrap();
        let catalog = Catalog::embedded();
        let written: Vec<_> = catalog.gpus().iter().map(line).collect();
        let lines: Vec<_> = body.lines().collect();
        assert_eq!(lines, written);
    }
}
