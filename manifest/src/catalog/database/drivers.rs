//! What the drivers of a bundle say themselves, from their `vgpuConfig.xml`.

use serde::{Deserialize, Serialize};

use crate::catalog::{DeviceId, DriverVersion};
use crate::driver::{
    GpuSupport, Resolution, SupportedType, VgpuClass, VgpuConfig, VgpuName, VgpuType,
};

/// What a driver's `vgpuConfig.xml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverConfig {
    /// The driver.
    pub driver: DriverVersion,
    /// What it says.
    pub config: VgpuConfig,
}

/// A row of `vgpu_types`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypeRow {
    driver: DriverVersion,
    id: u32,
    name: VgpuName,
    class: VgpuClass,
    framebuffer: u64,
    profile_size: Option<u64>,
    heads: Option<u32>,
    width: Option<u32>,
    height: Option<u32>,
}

/// A row of `vgpu_gpus`: a GPU, and a type that it can hold.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GpuRow {
    driver: DriverVersion,
    deviceid: DeviceId,
    subsystem: Option<DeviceId>,
    /// Neither, if it can hold none.
    r#type: Option<u32>,
    instances: Option<u32>,
}

/// The rows of these drivers, in their order.
pub(super) fn rows(configs: &[DriverConfig]) -> (Vec<TypeRow>, Vec<GpuRow>) {
    let (mut types, mut gpus) = (Vec::new(), Vec::new());
    for DriverConfig { driver, config } in configs {
        types.extend(config.types.iter().map(|it| TypeRow {
            driver: driver.clone(),
            id: it.id,
            name: it.name.clone(),
            class: it.class.clone(),
            framebuffer: it.framebuffer,
            profile_size: it.profile_size,
            heads: it.heads,
            width: it.resolution.map(|resolution| resolution.width),
            height: it.resolution.map(|resolution| resolution.height),
        }));
        for gpu in &config.gpus {
            let row = |held: Option<&SupportedType>| GpuRow {
                driver: driver.clone(),
                deviceid: gpu.device,
                subsystem: gpu.subsystem,
                r#type: held.map(|held| held.id),
                instances: held.map(|held| held.instances),
            };
            if gpu.types.is_empty() {
                gpus.push(row(None));
            }
            gpus.extend(gpu.types.iter().map(|held| row(Some(held))));
        }
    }
    (types, gpus)
}

/// What these rows say, driver by driver. What does not fit together is the fault of the file.
pub(super) fn configs(
    types: Vec<TypeRow>,
    gpus: Vec<GpuRow>,
) -> Result<Vec<DriverConfig>, &'static str> {
    let mut configs: Vec<DriverConfig> = Vec::new();
    for row in types {
        let resolution = match (row.width, row.height) {
            (Some(width), Some(height)) => Some(Resolution { width, height }),
            (None, None) => None,
            _ => return Err("a display has one side only"),
        };
        let config = of(&mut configs, &row.driver);
        let TypeRow { id, name, class, framebuffer, profile_size, heads, .. } = row;
        if config.types.last().is_some_and(|last| last.id >= id) {
            return Err("the vGPU types are not in the order of their ids");
        }
        config.types.push(VgpuType {
            id,
            name,
            class,
            framebuffer,
            profile_size,
            heads,
            resolution,
        });
    }
    for row in gpus {
        let config = of(&mut configs, &row.driver);
        let is_same =
            |last: &&mut GpuSupport| last.device == row.deviceid && last.subsystem == row.subsystem;
        let is_new = !config.gpus.last_mut().is_some_and(|last| is_same(&last));
        let held = match (row.r#type, row.instances) {
            (Some(id), Some(instances)) => Some(SupportedType { id, instances }),
            (None, None) if is_new => None,
            _ => return Err("a GPU holds no vGPU type, and some"),
        };
        let is_there = |id| config.types.binary_search_by_key(&id, |it| it.id).is_ok();
        if held.is_some_and(|held| !is_there(held.id)) {
            return Err("a GPU holds a vGPU type that there is not");
        }
        match config.gpus.last_mut().filter(is_same) {
            Some(gpu) => gpu.types.extend(held),
            None => config.gpus.push(GpuSupport {
                device: row.deviceid,
                subsystem: row.subsystem,
                types: held.into_iter().collect(),
            }),
        }
    }
    Ok(configs)
}

/// What the driver says, to be filled.
fn of<'c>(configs: &'c mut Vec<DriverConfig>, driver: &DriverVersion) -> &'c mut VgpuConfig {
    let at = configs.iter().position(|it| it.driver == *driver).unwrap_or_else(|| {
        configs.push(DriverConfig { driver: driver.clone(), config: VgpuConfig::default() });
        configs.len() - 1
    });
    &mut configs[at].config
}
