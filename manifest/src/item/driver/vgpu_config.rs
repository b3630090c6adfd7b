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

/// What a driver's `vgpuConfig.xml` says: which vGPU types there are, and which GPU can hold how
/// many of which.
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
    /// Its number, which `nvidia-N` names in sysfs.
    pub id: u32,
    /// Its name.
    pub name: VgpuName,
    /// Its class.
    pub class: VgpuClass,
    /// The memory that a guest sees, in bytes.
    pub framebuffer: u64,
    /// The memory that it takes from the GPU, in bytes, if the file says so.
    pub profile_size: Option<u64>,
    /// How many displays it has.
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

/// What a GPU can hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GpuSupport {
    /// The device id.
    pub device: DeviceId,
    /// The id of the board, where only that one is meant.
    pub subsystem: Option<DeviceId>,
    /// The vGPU types that it can hold.
    pub types: Vec<SupportedType>,
}

/// A vGPU type on a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SupportedType {
    /// The number of the type.
    pub id: u32,
    /// How many of it the GPU can hold at a time.
    pub instances: u32,
}

impl VgpuConfig {
    /// The device ids of the GPUs, in ascending order, each once.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceId> {
        let mut devices: Vec<_> = self.gpus.iter().map(|gpu| gpu.device).collect();
        devices.sort_unstable();
        devices.dedup();
        devices
    }

    /// The type with this number.
    #[must_use]
    pub fn vgpu_type(&self, id: u32) -> Option<&VgpuType> {
        self.types.iter().find(|vgpu_type| vgpu_type.id == id)
    }
}
