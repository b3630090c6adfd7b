//! Checks whether the virtual functions exist.

use vgpu_manifest::inventory::{Gpu, SrIov};
use vgpu_manifest::platform::PciId;

use super::Finding;
use super::expected::Functions;

pub(super) fn check(gpus: &[Gpu], expected: &Functions) -> Finding {
    let Functions::All(serving) = expected else {
        return Finding::not_asked("no GPU needs any");
    };
    let mut says = Vec::new();
    let serving = gpus.iter().filter(|gpu| serving.contains(&gpu.address));
    for (gpu, sr_iov) in serving.filter_map(|gpu| Some((gpu, with_functions(gpu)?))) {
        let (there, total) = (sr_iov.current, sr_iov.total);
        let shown = u32::try_from(sr_iov.functions.len()).unwrap_or(u32::MAX);
        let told = format!("{} has {there} of {total} virtual functions", gpu.address);
        if there < total || shown < there {
            let reason = if there < total { told } else { format!("{told}, but {shown} exist") };
            return Finding::missing(
                reason,
                "enable them and check the kernel log: `vgpu-installer sriov`, `journalctl -k`",
            );
        }
        says.push(told);
    }
    if says.is_empty() {
        return Finding::missing(
            "no GPU of the host has virtual functions",
            "check that SR-IOV is enabled in the firmware and that the GPU is present: \
                `lspci -d 10de:`",
        );
    }
    Finding::good(says.join(", "))
}

/// Returns the SR-IOV state of an NVIDIA GPU that is not passed through.
fn with_functions(gpu: &Gpu) -> Option<&SrIov> {
    let foreign = gpu.driver.as_ref().is_some_and(|driver| driver.as_str() != "nvidia");
    let sr_iov = gpu.sr_iov.as_ref().filter(|sr_iov| sr_iov.total > 0);
    sr_iov.filter(|_| gpu.id.vendor() == PciId::NVIDIA && !foreign)
}
