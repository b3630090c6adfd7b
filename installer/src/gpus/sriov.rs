//! Virtual functions of NVIDIA GPUs, enabled at boot.
//!
//! They do not persist across boots and are therefore not journaled; the unit that runs this is.
//! `sriov-manage` of some drivers exits with zero right after the module was loaded without having
//! done anything, so only the number of virtual functions afterwards counts.

use std::time::Duration;

use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::{PciAddress, PciId};

use crate::facts::gpus;
use crate::host::{Command, Host, HostError, Look};
use crate::journal::run_transient;
use crate::state::fixed;

/// NVIDIA's program for SR-IOV.
const MANAGE: &str = "/usr/lib/nvidia/sriov-manage";

/// The number of attempts and the pause between them: loading the driver may take minutes.
const TRIES: u32 = 60;

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
    /// All attempts failed.
    #[error(
        "the GPU at {0} has no virtual functions after {TRIES} attempts to enable them; run `journalctl -k` for details"
    )]
    None(PciAddress),
}

/// Enables the virtual functions of every NVIDIA GPU that supports them and is bound to NVIDIA's
/// driver, with `pause` between two attempts.
pub(crate) fn enable(host: &mut dyn Host, pause: Duration) -> Result<Vec<Functions>, SriovError> {
    let mut all = Vec::new();
    for gpu in capable(host) {
        let mut tries = 0;
        let there = loop {
            let there = count(host, gpu.address)?;
            if there > 0 {
                break there;
            }
            if tries == TRIES {
                return Err(SriovError::None(gpu.address));
            }
            if tries > 0 {
                std::thread::sleep(pause);
            }
            tries += 1;
            let address = gpu.address.to_string();
            match run_transient(host, &Command::new(MANAGE, &["-e", &address])) {
                // It may fail while the driver is not ready.
                Ok(()) | Err(HostError::Failed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let total = gpu.sr_iov.as_ref().map_or(there, |sr_iov| sr_iov.total);
        all.push(Functions { address: gpu.address, there, total });
    }
    Ok(all)
}

/// Checks whether every such GPU has virtual functions.
pub(crate) fn are_on(look: &dyn Look) -> Result<bool, HostError> {
    for gpu in capable(look) {
        if count(look, gpu.address)? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the GPUs that support virtual functions and are bound to the host's driver, which a
/// passthrough GPU is not.
fn capable(look: &dyn Look) -> Vec<Gpu> {
    let mut gpus = gpus(look);
    gpus.retain(|gpu| {
        let foreign = gpu.driver.as_ref().is_some_and(|driver| driver.as_str() != "nvidia");
        gpu.id.vendor() == PciId::NVIDIA
            && !foreign
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
    use crate::host::testing::{MemHost, Program};

    const DEVICE: &str = "/sys/bus/pci/devices/0000:81:00.0";

    fn host() -> MemHost {
        let mut host = MemHost::with_files(&[]);
        for (name, text) in [
            ("vendor", "0x10de\n"),
            ("device", "0x2235\n"),
            ("class", "0x030200\n"),
            ("sriov_totalvfs", "32\n"),
            ("sriov_numvfs", "0\n"),
        ] {
            host.place(&format!("{DEVICE}/{name}"), text);
        }
        host
    }

    fn with(mut host: MemHost, manage: Program) -> MemHost {
        host.programs.insert(MANAGE, manage);
        host
    }

    #[test]
    fn it_is_tried_until_the_functions_can_be_counted() {
        let mut host = with(host(), |host, args| {
            assert_eq!(args, ["-e", "0000:81:00.0"]);
            // The first two runs report success without any effect.
            let tries = host.text_of("/run/tries").unwrap_or_default() + "x";
            let functions = if tries.len() > 2 { "32\n" } else { "0\n" };
            host.scribble("/run/tries", &tries)?;
            host.scribble(&format!("{DEVICE}/sriov_numvfs"), functions)?;
            Ok(i32::from(tries.len() == 2))
        });
        let all = enable(&mut host, Duration::ZERO).unwrap();
        let address = "0000:81:00.0".parse().unwrap();
        assert_eq!(all, [Functions { address, there: 32, total: 32 }]);
        assert_eq!(host.text_of("/run/tries").unwrap(), "xxx");
    }

    #[test]
    fn a_gpu_that_never_has_any_is_named() {
        let mut host = with(host(), |_, _| Ok(0));
        let error = enable(&mut host, Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("the GPU at 0000:81:00.0 has no virtual functions"), "{error}");
        assert_eq!(host.ran.len(), 60);
    }
}
