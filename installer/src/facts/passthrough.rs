//! Leftovers of an earlier passthrough: settings that keep NVIDIA's driver from a GPU.
//!
//! Guides for passthrough bind GPUs to `vfio-pci` by their ids, load it before NVIDIA's driver, and
//! keep that driver from loading. What this program itself sets for passthrough is not a leftover.

use std::collections::BTreeSet;

use vgpu_manifest::HostPath;
use vgpu_manifest::inventory::{Among, Gpu, Leftover, LeftoverKind, LeftoverLine};
use vgpu_manifest::platform::{PciAddress, PciId};

use super::reader::Reader;

/// The folders of modprobe's configuration, the strongest first: a file hides those of the same
/// name in later folders (`modprobe.d(5)`).
const MODPROBE: [&str; 4] =
    ["/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/lib/modprobe.d"];

/// The files with kernel parameters of the next boot; GRUB's drop-ins come in addition.
const PARAMETERS: [&str; 2] = ["/etc/kernel/cmdline", "/etc/default/grub"];
const GRUB_DROP_INS: &str = "/etc/default/grub.d";
const CMDLINE: &str = "/proc/cmdline";

const UNITS: &str = "/etc/systemd/system";
/// The rules of this program for passthrough.
const OUR_RULES: &str = "/etc/udev/rules.d/62-vgpu-offline.rules";

/// The modules without which there are no vGPUs.
const NEEDED: [&str; 2] = ["nvidia", "nvidia_vgpu_vfio"];

/// Returns all leftovers, in no particular order.
pub(super) fn look(reader: &Reader<'_>, gpus: &[Gpu]) -> Vec<Leftover> {
    let gpus: Vec<_> = gpus.iter().filter(|gpu| gpu.id.vendor() == PciId::NVIDIA).collect();
    if gpus.is_empty() {
        return Vec::new();
    }
    let mut found = modprobe(reader, &gpus);
    found.extend(parameters(reader, &gpus));
    found.extend(units(reader, &gpus));
    found.extend(bound(reader, &gpus));
    found
}

/// The effect of a line on NVIDIA's driver.
#[derive(Debug, PartialEq, Eq)]
enum Effect {
    /// It takes the GPUs away, or all if none is named.
    Takes(LeftoverKind, Vec<PciAddress>),
    /// It is of use only for passthrough.
    Belongs,
    /// It takes these GPUs away, and has another effect.
    TakesAmongOthers(LeftoverKind, Vec<PciAddress>),
    Other,
}

fn modprobe(reader: &Reader<'_>, gpus: &[&Gpu]) -> Vec<Leftover> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for folder in MODPROBE {
        let names = reader.names_with(folder, "conf").into_iter();
        let names = names.filter(|name| !name.starts_with("vgpu-offline"));
        for name in names.filter(|name| seen.insert(name.clone())) {
            let path = format!("{folder}/{name}");
            let text = reader.text(&path).unwrap_or_default();
            found.extend(of_file(&path, &text, gpus));
        }
    }
    found
}

/// Returns the leftovers in a file of modprobe.
fn of_file(path: &str, text: &str, gpus: &[&Gpu]) -> Vec<Leftover> {
    let lines = text.lines().map(str::trim).zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let effects: Vec<_> = lines.map(|(line, number)| (line, number, effect(line, gpus))).collect();
    let is_pure =
        |(.., effect): &(&str, u32, Effect)| matches!(effect, Effect::Takes(..) | Effect::Belongs);
    let among = if effects.iter().all(is_pure) { Among::Leftovers } else { Among::Others };
    let found = effects.into_iter().filter_map(|(line, number, effect)| match effect {
        Effect::Takes(kind, gpus) | Effect::TakesAmongOthers(kind, gpus) => {
            leftover(kind, path, Some(LeftoverLine::new(number, line, among)), gpus)
        }
        Effect::Belongs | Effect::Other => None,
    });
    found.collect()
}

fn effect(line: &str, gpus: &[&Gpu]) -> Effect {
    let words: Vec<_> = line.split_whitespace().collect();
    let (Some(directive), Some(module)) = (words.first(), words.get(1)) else {
        return Effect::Other;
    };
    // To modprobe, a dash in a module's name is an underscore.
    let module = module.replace('-', "_");
    let rest = &words[2..];
    let is_driver = module == "nvidia" || module.starts_with("nvidia_");
    let all = |kind| {
        let is_needed = NEEDED.contains(&module.as_str());
        if is_needed { Effect::Takes(kind, Vec::new()) } else { Effect::Belongs }
    };
    match *directive {
        "options" if module == "vfio_pci" => {
            let ids = rest.iter().find_map(|word| word.strip_prefix("ids="));
            ids.map_or(Effect::Belongs, |ids| by_ids(ids.trim_matches(['"', '\'']), gpus))
        }
        "softdep" if loads_vfio_first(rest) => match rest.len() {
            2 if is_driver => all(LeftoverKind::VfioSoftdep),
            2 => Effect::Belongs,
            _ if NEEDED.contains(&module.as_str()) => {
                Effect::TakesAmongOthers(LeftoverKind::VfioSoftdep, Vec::new())
            }
            _ => Effect::Other,
        },
        "blacklist" if is_driver => all(LeftoverKind::NvidiaBlacklist),
        "install" if is_driver && rest.first().is_some_and(|program| is_nothing(program)) => {
            all(LeftoverKind::NvidiaInstall)
        }
        _ => Effect::Other,
    }
}

/// Checks whether a soft dependency, `pre: a b post: c`, loads a module of VFIO first.
fn loads_vfio_first(rest: &[&str]) -> bool {
    let after = rest.iter().skip_while(|word| **word != "pre:");
    let mut before = after.take_while(|word| **word != "post:");
    before.any(|word| matches!(word.replace('-', "_").as_str(), "vfio_pci" | "vfio"))
}

/// Checks for the programs that only end.
fn is_nothing(program: &str) -> bool {
    matches!(program.rsplit('/').next(), Some("false" | "true"))
}

/// Returns the effect of ids for `vfio-pci`: `10de:1eb8,10de:10f0`, each with further optional
/// fields.
fn by_ids(ids: &str, gpus: &[&Gpu]) -> Effect {
    let number = |field: Option<&str>| u16::from_str_radix(field?, 16).ok();
    let ids: Vec<_> = ids
        .split(',')
        .map(|id| {
            let mut fields = id.split(':');
            Some(PciId::new(number(fields.next())?, number(fields.next())?))
        })
        .collect();
    let names = |gpu: &&&Gpu| ids.contains(&Some(gpu.id.without_subsystem()));
    let taken: Vec<_> = gpus.iter().filter(names).map(|gpu| gpu.address).collect();
    let is_nvidia = |id: &Option<PciId>| id.is_some_and(|id| id.vendor() == PciId::NVIDIA);
    if taken.is_empty() {
        Effect::Other
    } else if ids.iter().all(is_nvidia) {
        Effect::Takes(LeftoverKind::VfioIds, taken)
    } else {
        Effect::TakesAmongOthers(LeftoverKind::VfioIds, taken)
    }
}

/// Returns the kernel parameters of the next boot that take GPUs away; those of this boot only if
/// no file explains them.
fn parameters(reader: &Reader<'_>, gpus: &[&Gpu]) -> Vec<Leftover> {
    let drop_ins = reader.names_with(GRUB_DROP_INS, "cfg").into_iter();
    let drop_ins = drop_ins.map(|name| format!("{GRUB_DROP_INS}/{name}"));
    let paths = PARAMETERS.map(str::to_owned).into_iter().chain(drop_ins);
    let of_path = |path: String| {
        let text = reader.text(&path).unwrap_or_default();
        let is_grub = path != PARAMETERS[0];
        // The first line is the command line; the others are ignored.
        let lines = text.lines().zip(1..).take(if is_grub { usize::MAX } else { 1 });
        let lines = lines.filter(|(line, _)| !is_grub || sets_parameters(line));
        lines.flat_map(|(line, at)| of_words(&path, line, at, gpus)).collect::<Vec<_>>()
    };
    let mut found: Vec<_> = paths.flat_map(of_path).collect();
    if found.is_empty() {
        let line = reader.text(CMDLINE).unwrap_or_default();
        found = of_words(CMDLINE, &line, 1, gpus);
    }
    found
}

fn sets_parameters(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    line.starts_with("GRUB_CMDLINE_LINUX")
}

fn of_words(path: &str, line: &str, at: u32, gpus: &[&Gpu]) -> Vec<Leftover> {
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    let words = words.filter_map(|word| {
        let (name, value) = word.split_once('=')?;
        let (kind, taken) = match name.replace('-', "_").as_str() {
            "vfio_pci.ids" => match by_ids(value, gpus) {
                Effect::Takes(kind, taken) | Effect::TakesAmongOthers(kind, taken) => (kind, taken),
                Effect::Belongs | Effect::Other => return None,
            },
            "modprobe.blacklist" | "module_blacklist" => {
                let is_needed = |name: &str| NEEDED.contains(&name.replace('-', "_").as_str());
                if !value.split(',').any(is_needed) {
                    return None;
                }
                (LeftoverKind::NvidiaBlacklist, Vec::new())
            }
            _ => return None,
        };
        // Other parameters stay on the node: they can contain secrets.
        leftover(kind, path, Some(LeftoverLine::new(at, word, Among::Others)), taken)
    });
    words.collect()
}

/// Returns the links that start units which enable virtual functions of NVIDIA GPUs, besides those
/// of Proxmox VE and of this program.
fn units(reader: &Reader<'_>, gpus: &[&Gpu]) -> Vec<Leftover> {
    let is_foreign = |name: &String| {
        let known = ["vgpu-offline", "pve-nvidia-sriov@", "nvidia-"];
        name.ends_with(".service") && !known.iter().any(|known| name.starts_with(known))
    };
    let units = reader.names(UNITS).into_iter().filter(is_foreign);
    let units: Vec<_> = units
        .filter(|name| {
            let text = reader.text(&format!("{UNITS}/{name}")).unwrap_or_default();
            text.lines().any(|line| enables_functions(line, gpus))
        })
        .collect();
    let folders = ["wants", "requires"].map(|kind| reader.names_with(UNITS, kind));
    let folders = folders.into_iter().flatten();
    let links = folders.flat_map(|folder| {
        let names = reader.names(&format!("{UNITS}/{folder}")).into_iter();
        names.map(move |name| (format!("{UNITS}/{folder}/{name}"), name))
    });
    let links = links.filter(|(_, name)| units.contains(name));
    links
        .filter_map(|(path, _)| leftover(LeftoverKind::SriovUnit, &path, None, Vec::new()))
        .collect()
}

/// Checks for a command with NVIDIA's `sriov-manage`, or one that writes `sriov_numvfs` of a GPU.
fn enables_functions(line: &str, gpus: &[&Gpu]) -> bool {
    let writes = |gpu: &&Gpu| {
        let address = gpu.address.to_string();
        line.contains(address.trim_start_matches("0000:"))
    };
    line.trim_start().starts_with("Exec")
        && (line.contains("sriov-manage")
            || (line.contains("sriov_numvfs") && gpus.iter().any(writes)))
}

/// Returns the GPUs that `vfio-pci` holds, although this program has not assigned them.
fn bound(reader: &Reader<'_>, gpus: &[&Gpu]) -> Vec<Leftover> {
    let ours = reader.text(OUR_RULES).unwrap_or_default();
    let is_foreign = |gpu: &&&Gpu| {
        let address = gpu.address.to_string();
        let slot = address.rsplit_once('.').map_or(address.as_str(), |(slot, _)| slot);
        gpu.driver.as_ref().is_some_and(|driver| driver.as_str() == "vfio-pci")
            && !ours.contains(&format!("\"{slot}."))
    };
    let held = gpus.iter().filter(is_foreign).filter_map(|gpu| {
        let path = format!("/sys/bus/pci/devices/{}/driver", gpu.address);
        leftover(LeftoverKind::VfioBound, &path, None, vec![gpu.address])
    });
    held.collect()
}

fn leftover(
    kind: LeftoverKind,
    path: &str,
    line: Option<LeftoverLine>,
    gpus: Vec<PciAddress>,
) -> Option<Leftover> {
    Some(Leftover { kind, path: HostPath::new(path).ok()?, line, gpus })
}

#[cfg(test)]
mod tests;
