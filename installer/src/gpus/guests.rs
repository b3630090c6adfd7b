//! Guests that currently use a GPU, according to their processes.
//!
//! Proxmox VE starts a guest with each device on QEMU's command line: a whole device or a virtual
//! function as `host=ADDRESS`, a mediated device as `sysfsdev=PATH`. The configuration may have
//! changed since the start; the command line of the process has not.

use std::collections::BTreeSet;
use std::fmt;

use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::{PciAddress, PciId};

use super::Slot;
use crate::host::{HostError, Look};
use crate::state::fixed;

/// The folder with the PID file of each running guest: `qemu-server` of Proxmox VE 7 to 9.
const RUNNING: &str = "/run/qemu-server";

/// The size limit for a command line: a guest with many disks has about 10 KiB.
const MAX_LINE: u64 = 256 << 10;

/// The VMID of a guest: `100`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GuestId(u32);

impl fmt::Display for GuestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A running guest that uses devices of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    /// Its VMID.
    pub(crate) id: GuestId,
    /// Its name, if the process has it. Not safe to display.
    pub(crate) name: Option<String>,
    /// The devices that it uses; for a mediated device, the parent device.
    pub(crate) devices: BTreeSet<PciAddress>,
}

/// A GPU cannot be changed while guests use it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InUse {
    /// Guests use it.
    #[error("{}; shut them down or migrate them first", uses(.0))]
    Guests(Vec<(PciAddress, Guest)>),
    /// The guests of the host could not be read.
    #[error("cannot determine which guests are running: {0}")]
    Host(#[from] HostError),
}

fn uses(uses: &[(PciAddress, Guest)]) -> String {
    let told = uses.iter().map(|(gpu, guest)| {
        let name = guest.name.as_ref().map(|name| format!(" (`{}`)", name.escape_debug()));
        format!("VM {}{} uses the GPU at {gpu}", guest.id, name.unwrap_or_default())
    });
    told.collect::<Vec<_>>().join("; ")
}

/// Checks that no running guest uses an NVIDIA GPU or a part of one: they all share the driver, so
/// replacing it would take the GPU from every guest.
pub(crate) fn check_idle(look: &dyn Look) -> Result<(), InUse> {
    let gpus = crate::facts::gpus(look);
    refuse_if_used(look, gpus.iter().filter(|gpu| gpu.id.vendor() == PciId::NVIDIA))
}

/// Checks that no running guest uses a GPU in these slots.
pub(crate) fn check_slots_idle(look: &dyn Look, slots: &[Slot]) -> Result<(), InUse> {
    let gpus = crate::facts::gpus(look);
    let has = |gpu: &&Gpu| slots.iter().any(|slot| slot.has(gpu.address));
    refuse_if_used(look, gpus.iter().filter(has))
}

/// Checks that no running guest uses one of these GPUs, or a part of it.
fn refuse_if_used<'g>(
    look: &dyn Look,
    gpus: impl IntoIterator<Item = &'g Gpu>,
) -> Result<(), InUse> {
    let guests = guests(look)?;
    let mut uses = Vec::new();
    for gpu in gpus {
        let parts = gpu.sr_iov.iter().flat_map(|sr_iov| &sr_iov.functions);
        let parts: BTreeSet<_> = parts.map(|part| part.address).chain([gpu.address]).collect();
        let of_it = guests.iter().filter(|guest| !guest.devices.is_disjoint(&parts));
        uses.extend(of_it.map(|guest| (gpu.address, guest.clone())));
    }
    if uses.is_empty() { Ok(()) } else { Err(InUse::Guests(uses)) }
}

/// Returns the running guests that use devices of the host.
pub(crate) fn guests(look: &dyn Look) -> Result<Vec<Guest>, HostError> {
    let mut guests = Vec::new();
    for file in look.list(&fixed(RUNNING))?.unwrap_or_default() {
        let Some(id) = file.strip_suffix(".pid").and_then(|id| id.parse().ok()) else { continue };
        let Some(process) = look.text(&fixed(&format!("{RUNNING}/{file}")))? else { continue };
        let Some(line) = command_line(look, &process)? else { continue };
        let words: Vec<&str> = line.split('\0').collect();
        // The PID file of a killed guest stays, and its PID may belong to another process now.
        if value(&words, "-id") != Some(&GuestId(id).to_string()) {
            continue;
        }
        let name = value(&words, "-name").and_then(|name| name.split(',').next());
        let devices = devices(look, &words)?;
        guests.push(Guest { id: GuestId(id), name: name.map(str::to_owned), devices });
    }
    guests.sort_by_key(|guest| guest.id);
    guests.retain(|guest| !guest.devices.is_empty());
    Ok(guests)
}

fn command_line(look: &dyn Look, process: &str) -> Result<Option<String>, HostError> {
    let Ok(process) = process.parse::<u32>() else { return Ok(None) };
    let path = fixed(&format!("/proc/{process}/cmdline"));
    let bytes = look.read_up_to(&path, MAX_LINE)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Returns the argument after an option.
fn value<'w>(words: &[&'w str], option: &str) -> Option<&'w str> {
    let at = words.iter().position(|word| *word == option)?;
    words.get(at + 1).copied()
}

fn devices(look: &dyn Look, words: &[&str]) -> Result<BTreeSet<PciAddress>, HostError> {
    let mut devices = BTreeSet::new();
    for device in words.iter().filter(|word| word.starts_with("vfio-pci")) {
        for property in device.split(',') {
            match property.split_once('=') {
                Some(("host", address)) => devices.extend(address.parse::<PciAddress>().ok()),
                Some(("sysfsdev", path)) => devices.extend(parent(look, path)?),
                _ => {}
            }
        }
    }
    Ok(devices)
}

/// Returns the device of a sysfs folder: the device itself, or the parent of a mediated one.
///
/// `/sys/bus/mdev/devices/UUID` is a link into the folder of the parent device.
fn parent(look: &dyn Look, path: &str) -> Result<Option<PciAddress>, HostError> {
    let last = |path: &str| path.rsplit('/').find_map(|part| part.parse::<PciAddress>().ok());
    if let Some(address) = last(path) {
        return Ok(Some(address));
    }
    let Ok(path) = vgpu_manifest::HostPath::new(path) else { return Ok(None) };
    Ok(look.link(&path)?.and_then(|target| last(&target)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Node;
    use crate::host::testing::MemHost;

    fn host() -> MemHost {
        let words = |words: &[&str]| words.join("\0") + "\0";
        let a = words(&[
            "/usr/bin/kvm",
            "-id",
            "100",
            "-name",
            "web\u{1b}[2J,debug-threads=on",
            "-device",
            "vfio-pci,host=0000:81:00.4,id=hostpci0,bus=ich9-pcie-port-1",
        ]);
        let b = words(&[
            "/usr/bin/kvm",
            "-id",
            "101",
            "-name",
            "db",
            "-device",
            "vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000101,id=h",
        ]);
        let plain = words(&["/usr/bin/kvm", "-id", "102", "-name", "plain"]);
        let mut host = MemHost::with_files(&[
            ("/run/qemu-server/100.pid", "4100\n"),
            ("/run/qemu-server/100.qmp", ""),
            ("/run/qemu-server/101.pid", "4101\n"),
            ("/run/qemu-server/102.pid", "4102\n"),
            ("/run/qemu-server/103.pid", "4103\n"),
            ("/run/qemu-server/104.pid", "4102\n"),
            ("/proc/4100/cmdline", &a),
            ("/proc/4101/cmdline", &b),
            ("/proc/4102/cmdline", &plain),
        ]);
        let target = "../../../devices/pci0000:40/0000:40:01.1/0000:41:00.0/00000000-0000-0000-0000-000000000101";
        let path = "/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000101";
        host.place_node(path, Node::Link { target: target.to_owned(), uid: 0, gid: 0 }, &[]);
        host
    }

    #[test]
    fn guests_are_known_by_what_they_were_started_with() {
        let seen = guests(&host()).unwrap();
        let ids: Vec<_> = seen.iter().map(|guest| guest.id.to_string()).collect();
        assert_eq!(ids, ["100", "101"]);
        assert_eq!(seen[0].devices, BTreeSet::from(["0000:81:00.4".parse().unwrap()]));
        assert_eq!(seen[1].devices, BTreeSet::from(["0000:41:00.0".parse().unwrap()]));
    }

    #[test]
    fn a_guest_in_the_way_is_named_and_its_name_does_no_harm() {
        let guest = guests(&host()).unwrap().remove(0);
        let error = InUse::Guests(vec![("0000:81:00.0".parse().unwrap(), guest)]).to_string();
        assert!(
            error.starts_with("VM 100 (`web\\u{1b}[2J`) uses the GPU at 0000:81:00.0"),
            "{error}"
        );
    }

    #[test]
    fn a_gpu_of_nvidias_must_be_idle() {
        let mut host = host();
        assert!(check_idle(&host).is_ok(), "there is no GPU");
        for (file, text) in [("vendor", "0x10de"), ("device", "0x1eb8"), ("class", "0x030200")] {
            host.place(&format!("/sys/bus/pci/devices/0000:41:00.0/{file}"), text);
        }
        let error = check_idle(&host).unwrap_err().to_string();
        assert!(error.starts_with("VM 101 (`db`) uses the GPU at 0000:41:00.0"), "{error}");
        let slot = |address: &str| [Slot::of(address.parse().unwrap())];
        check_slots_idle(&host, &slot("0000:41:00.0")).unwrap_err();
        assert!(check_slots_idle(&host, &slot("0000:81:00.0")).is_ok(), "it is another one");
        host.nodes.remove(&fixed("/proc/4101/cmdline"));
        assert!(check_idle(&host).is_ok());
    }

    #[test]
    fn without_guests_nothing_is_in_the_way() {
        assert!(guests(&MemHost::default()).unwrap().is_empty());
        assert!(refuse_if_used(&MemHost::default(), []).is_ok());
    }
}
