//! Virtual functions of NVIDIA's GPUs, switched on at boot.
//!
//! They are no state of the host: every boot begins without them. So they are not journaled; what is
//! journaled is the unit that runs this. `sriov-manage` of some drivers returns zero although it has
//! done nothing, right after the module was loaded, so only what can be counted afterwards counts.

use std::time::Duration;

use vgpu_manifest::inventory::Gpu;
use vgpu_manifest::platform::{PciAddress, PciId};

use crate::facts::gpus;
use crate::host::{Command, Host, HostError, Look};
use crate::journal::run_transient;
use crate::state::fixed;

/// NVIDIA's own program for it.
const MANAGE: &str = "/usr/lib/nvidia/sriov-manage";

/// How often it is tried, and how long to wait in between: the driver may take minutes to be there.
const TRIES: u32 = 60;

/// What came of it on one GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Functions {
    /// Where the GPU is.
    pub address: PciAddress,
    /// How many virtual functions there are now.
    pub there: u32,
    /// How many there can be.
    pub total: u32,
}

/// Virtual functions could not be switched on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SriovError {
    /// The host would not show its GPUs.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It was tried long enough.
    #[error(
        "the GPU at {0} has no virtual functions after {TRIES} attempts to enable them; run `journalctl -k` for details"
    )]
    None(PciAddress),
}

/// Switch on the virtual functions of every GPU of NVIDIA's that has some and whose driver is
/// NVIDIA's, waiting `pause` between two tries.
pub fn enable(host: &mut dyn Host, pause: Duration) -> Result<Vec<Functions>, SriovError> {
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
                // It may say no for as long as the driver is not ready.
                Ok(()) | Err(HostError::Failed { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let total = gpu.sr_iov.as_ref().map_or(there, |sr_iov| sr_iov.total);
        all.push(Functions { address: gpu.address, there, total });
    }
    Ok(all)
}

/// Whether every such GPU has some.
pub(crate) fn are_on(look: &dyn Look) -> Result<bool, HostError> {
    for gpu in capable(look) {
        if count(look, gpu.address)? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The GPUs that can have virtual functions and are the host's: one that a guest has whole is held
/// by another driver.
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
            // The first two times it says that all is well, and nothing has happened.
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
