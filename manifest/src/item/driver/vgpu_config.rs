use serde::{Deserialize, Serialize};

use crate::catalog::DeviceId;
use crate::text;

text! {
    /// The name of a vGPU type: `GRID RTX6000-4Q`.
    VgpuName,
    "the name of a vGPU type",
    "printable ASCII, at most 64 bytes",
    is_label
}

text! {
    /// The class of a vGPU type: `Quadro`, `NVS`, `Compute`.
    VgpuClass,
    "the class of a vGPU type",
    "printable ASCII, at most 64 bytes",
    is_label
}

fn is_label(text: &str) -> bool {
    let plain = |b: u8| b == b' ' || b.is_ascii_graphic();
    (1..=64).contains(&text.len()) && text.trim() == text && text.bytes().all(plain)
}

/// The contents of a driver's `vgpuConfig.xml`: the vGPU types, and the number of each that a GPU
/// can host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VgpuConfig {
    /// The vGPU types, by id.
    pub types: Vec<VgpuType>,
    /// The GPUs, by device id and board.
    pub gpus: Vec<GpuSupport>,
}

/// A vGPU type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VgpuType {
    /// Its number: `N` in `nvidia-N` in sysfs.
    pub id: u32,
    /// Its name.
    pub name: VgpuName,
    /// Its class.
    pub class: VgpuClass,
    /// The memory that a guest sees, in bytes.
    pub framebuffer: u64,
    /// The memory that it takes from the GPU, in bytes, if stated.
    pub profile_size: Option<u64>,
    /// The maximum number of displays.
    pub heads: Option<u32>,
    /// The largest display.
    pub resolution: Option<Resolution>,
}

/// The size of a display, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Resolution {
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// The capabilities of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GpuSupport {
    /// The device id.
    pub device: DeviceId,
    /// The subsystem id of the board, if only that board is meant.
    pub subsystem: Option<DeviceId>,
    /// The vGPU types that it can host.
    pub types: Vec<SupportedType>,
}

/// A vGPU type on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SupportedType {
    /// The number of the type.
    pub id: u32,
    /// The number of instances that the GPU can host at a time.
    pub instances: u32,
}

impl VgpuConfig {
    /// Returns the device ids of the GPUs, in ascending order, each once.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceId> {
        let mut devices: Vec<_> = self.gpus.iter().map(|gpu| gpu.device).collect();
        devices.sort_unstable();
        devices.dedup();
        devices
    }

    /// Returns the type with this number.
    #[must_use]
    pub fn vgpu_type(&self, id: u32) -> Option<&VgpuType> {
        self.types.iter().find(|vgpu_type| vgpu_type.id == id)
    }
}
