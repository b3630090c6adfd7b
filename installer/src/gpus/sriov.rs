//! Virtual functions of NVIDIA GPUs, enabled at boot.
//!
//! They do not persist across boots and are therefore not journaled; the unit that runs this is.
//! `sriov-manage` of some drivers exits with zero right after the module was loaded without having
//! done anything, so only the number of virtual functions afterwards counts.

use std::collections::BTreeSet;
use std::time::Duration;

use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::{PciAddress, PciId};

use crate::facts::gpus;
use crate::host::{Command, Host, HostError, Look};
use crate::journal::run_transient;
use crate::state::fixed;

/// NVIDIA's program for SR-IOV.
const MANAGE: &str = "/usr/lib/nvidia/sriov-manage";

/// Where the kernel binds a device to NVIDIA's driver.
const BIND: &str = "/sys/bus/pci/drivers/nvidia/bind";

/// The number of attempts for a GPU. The pause doubles after each: what an attempt fails for, such
/// as an open session of NVML, is gone after seconds, or after none of them.
const TRIES: u32 = 6;

/// The number of checks during a delay.
const LOOKS: u32 = 20;

/// The number of pauses to wait for the driver, whose first load may take minutes.
const WAITS: u32 = 60;

/// The result for one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Functions {
    /// The PCI address of the GPU.
    pub(crate) address: PciAddress,
    /// The number of enabled virtual functions.
    pub(crate) there: u32,
    /// The number of supported virtual functions.
    pub(crate) total: u32,
}

/// A failure to enable virtual functions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SriovError {
    /// The GPUs of the host could not be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The driver was not loaded in time.
    #[error(
        "the `nvidia` module is not loaded; run `modprobe nvidia`, then `journalctl -k` for details"
    )]
    NoDriver,
    /// All attempts failed.
    #[error(
        "the GPU at {address} has no virtual functions after {TRIES} attempts to enable them, and is bound to {}; run `journalctl -k` for details", driver(*.is_bound)
    )]
    None {
        address: PciAddress,
        /// Whether the GPU is bound to the driver now.
        is_bound: bool,
    },
}

fn driver(is_bound: bool) -> &'static str {
    if is_bound { "nvidia" } else { "no driver" }
}

/// Enables the virtual functions of these GPUs, or of all if none is named, with `pause` after the
/// first of several attempts.
pub(crate) fn enable(
    host: &mut dyn Host,
    which: &BTreeSet<PciAddress>,
    pause: Duration,
) -> Result<Vec<Functions>, SriovError> {
    let mut all = Vec::new();
    for gpu in capable(host, which) {
        let there = enable_on(host, gpu.address, pause)?;
        let total = gpu.sr_iov.as_ref().map_or(there, |sr_iov| sr_iov.total);
        all.push(Functions { address: gpu.address, there, total });
    }
    Ok(all)
}

fn enable_on(host: &mut dyn Host, address: PciAddress, pause: Duration) -> Result<u32, SriovError> {
    let mut waits = 0..WAITS;
    while host.stat(&fixed("/sys/module/nvidia"))?.is_none() {
        waits.next().ok_or(SriovError::NoDriver)?;
        wait(pause, || Ok(host.stat(&fixed("/sys/module/nvidia"))?.is_some()))?;
    }
    for tries in 0..TRIES {
        if tries > 0 {
            wait(pause * 2_u32.pow(tries - 1), || Ok(count(host, address)? > 0))?;
        }
        let there = count(host, address)?;
        if there > 0 {
            return Ok(there);
        }
        bind(host, address)?;
        tolerate(run_transient(host, &Command::new(MANAGE, &["-e", &address.to_string()])))?;
        // It unbinds the GPU first, and races with udev at boot (seen with vGPU 17.4).
        bind(host, address)?;
    }
    match count(host, address)? {
        0 => Err(SriovError::None { address, is_bound: is_bound(host, address)? }),
        there => Ok(there),
    }
}

/// Waits for `pause`, or until `is_there`: guests start only afterwards.
fn wait(
    pause: Duration,
    mut is_there: impl FnMut() -> Result<bool, HostError>,
) -> Result<(), HostError> {
    for _ in 0..LOOKS {
        if is_there()? {
            break;
        }
        std::thread::sleep(pause / LOOKS);
    }
    Ok(())
}

/// Binds a GPU to NVIDIA's driver if it is bound to none.
fn bind(host: &mut dyn Host, address: PciAddress) -> Result<(), HostError> {
    if is_bound(host, address)? {
        return Ok(());
    }
    let bind = Command::new("tee", &[BIND]).with_input(address.to_string());
    tolerate(run_transient(host, &bind))
}

fn is_bound(look: &dyn Look, address: PciAddress) -> Result<bool, HostError> {
    Ok(look.link(&fixed(&format!("/sys/bus/pci/devices/{address}/driver")))?.is_some())
}

/// Both may fail while the driver is not ready.
fn tolerate(result: Result<(), HostError>) -> Result<(), HostError> {
    match result {
        Err(HostError::Failed { .. }) => Ok(()),
        result => result,
    }
}

/// Checks whether every such GPU has virtual functions.
pub(crate) fn are_on(look: &dyn Look, which: &BTreeSet<PciAddress>) -> Result<bool, HostError> {
    for gpu in capable(look, which) {
        if count(look, gpu.address)? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the GPUs among these, or among all if none is named, that support virtual functions and
/// are not bound to another driver, as a passthrough GPU is.
fn capable(look: &dyn Look, which: &BTreeSet<PciAddress>) -> Vec<Gpu> {
    let mut gpus = gpus(look);
    gpus.retain(|gpu| {
        let foreign = gpu.driver.as_ref().is_some_and(|driver| driver.as_str() != "nvidia");
        gpu.id.vendor() == PciId::NVIDIA
            && !foreign
            && (which.is_empty() || which.contains(&gpu.address))
            && gpu.sr_iov.as_ref().is_some_and(|sr_iov| sr_iov.total > 0)
    });
    gpus
}

fn count(look: &dyn Look, address: PciAddress) -> Result<u32, HostError> {
    let path = fixed(&format!("/sys/bus/pci/devices/{address}/sriov_numvfs"));
    Ok(look.text(&path)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Node;
    use crate::host::testing::{MemHost, Program};

    const DEVICE: &str = "/sys/bus/pci/devices/0000:81:00.0";

    /// A host with an SR-IOV GPU that is bound to the loaded driver, and another one beside it.
    fn host() -> MemHost {
        let mut host = MemHost::with_files(&[("/sys/module/nvidia/version", "580.105.06\n")]);
        for device in [DEVICE, "/sys/bus/pci/devices/0000:c1:00.0"] {
            for (name, text) in [
                ("vendor", "0x10de\n"),
                ("device", "0x2235\n"),
                ("class", "0x030200\n"),
                ("sriov_totalvfs", "32\n"),
                ("sriov_numvfs", "0\n"),
            ] {
                host.place(&format!("{device}/{name}"), text);
            }
            bound(&mut host, device);
        }
        host
    }

    fn bound(host: &mut MemHost, device: &str) {
        let driver = Node::link("../../../bus/pci/drivers/nvidia");
        host.place_node(&format!("{device}/driver"), driver, b"");
    }

    fn with(mut host: MemHost, manage: Program) -> MemHost {
        host.programs.insert(MANAGE, manage);
        host.programs.insert("tee", |host, args| {
            assert_eq!(args, [BIND]);
            bound(host, DEVICE);
            Ok(0)
        });
        host
    }

    fn only() -> BTreeSet<PciAddress> {
        ["0000:81:00.0".parse().unwrap()].into()
    }

    #[test]
    fn it_is_tried_until_the_functions_can_be_counted() {
        let mut host = with(host(), |host, args| {
            assert_eq!(args, ["-e", "0000:81:00.0"], "the other GPU is left alone");
            // The first two runs report success without any effect.
            let tries = host.text_of("/run/tries").unwrap_or_default() + "x";
            let functions = if tries.len() > 2 { "32\n" } else { "0\n" };
            host.scribble("/run/tries", &tries)?;
            host.scribble(&format!("{DEVICE}/sriov_numvfs"), functions)?;
            Ok(i32::from(tries.len() == 2))
        });
        assert!(!are_on(&host, &only()).unwrap());
        let all = enable(&mut host, &only(), Duration::ZERO).unwrap();
        let address = "0000:81:00.0".parse().unwrap();
        assert_eq!(all, [Functions { address, there: 32, total: 32 }]);
        assert_eq!(host.text_of("/run/tries").unwrap(), "xxx");
        assert!(are_on(&host, &only()).unwrap());
        assert!(!are_on(&host, &BTreeSet::new()).unwrap(), "of all GPUs, one has none");
    }

    #[test]
    fn a_gpu_that_lost_its_driver_is_bound_again() {
        // It works only on a GPU that is bound, and the first run leaves the GPU without a driver.
        let mut host = with(host(), |host, _| {
            let link = format!("{DEVICE}/driver");
            if host.nodes.contains_key(&fixed(&link)) && host.text_of("/run/tried").is_some() {
                host.scribble(&format!("{DEVICE}/sriov_numvfs"), "32\n")?;
                return Ok(0);
            }
            host.scribble("/run/tried", "")?;
            host.scratch(&link)?;
            Ok(1)
        });
        assert_eq!(enable(&mut host, &only(), Duration::ZERO).unwrap()[0].there, 32);
        let bind = format!("tee {BIND}");
        let manage = format!("{MANAGE} -e 0000:81:00.0");
        assert_eq!(host.ran, [bind, manage]);
    }

    #[test]
    fn a_gpu_that_never_has_any_is_named_and_keeps_its_driver() {
        let mut host = with(host(), |host, _| {
            host.scratch(&format!("{DEVICE}/driver"))?;
            Ok(0)
        });
        let error = enable(&mut host, &only(), Duration::ZERO).unwrap_err().to_string();
        let says = "the GPU at 0000:81:00.0 has no virtual functions after 6 attempts to enable them, \
                    and is bound to nvidia; run";
        assert!(error.starts_with(says), "{error}");
        assert_eq!(host.ran.iter().filter(|line| line.starts_with(MANAGE)).count(), 6);
    }

    #[test]
    fn without_the_driver_nothing_is_tried() {
        let mut host = with(host(), |_, _| panic!("there is no driver"));
        host.nodes.retain(|path, _| !path.as_path().starts_with("/sys/module/nvidia"));
        let error = enable(&mut host, &only(), Duration::ZERO).unwrap_err().to_string();
        assert!(error.starts_with("the `nvidia` module is not loaded"), "{error}");
        assert_eq!(host.ran, Vec::<String>::new());
    }
}
