//! Overrides of vGPU types, compared with the drivers of the bundle.

use anyhow::bail;
use vgpu_manifest::driver::{DriverKind, VgpuConfig};
use vgpu_manifest::profile::ProfileOverrides;

use super::{Known, config_of};
use crate::items::source::Sources;
use crate::lock::LockedItem;

/// Checks that the drivers among `items` can hold the overrides and have their types. Prints a note
/// for each value that does not mean what it says.
pub(crate) fn check_overrides(
    sources: &Sources<'_>,
    overrides: &ProfileOverrides,
    items: &[LockedItem],
) -> anyhow::Result<()> {
    if overrides.is_empty() {
        return Ok(());
    }
    let ui = sources.fetcher.ui;
    overrides.clamped().iter().for_each(|line| ui.note(line));
    let mut configs: Vec<VgpuConfig> = Vec::new();
    for Known { name, record, .. } in items.iter().filter_map(Known::of) {
        let too_long = overrides.too_long(&record.version);
        if let Some(why) = too_long.filter(|_| record.kind == DriverKind::Host) {
            bail!("an override does not fit the driver {} (`{name}`): {why}", record.version);
        }
        configs.extend(config_of(sources.fetcher.cache.cache(), record)?);
    }
    check_types(overrides, &configs)
}

/// Checks that one of the drivers has each type.
fn check_types(overrides: &ProfileOverrides, configs: &[VgpuConfig]) -> anyhow::Result<()> {
    let mut known: Vec<u32> =
        configs.iter().flat_map(|config| config.types.iter().map(|it| it.id)).collect();
    if known.is_empty() {
        return Ok(());
    }
    for name in overrides.profile.keys() {
        let id = name.as_str().strip_prefix("nvidia-").and_then(|id| id.parse::<u32>().ok());
        let Some(id) = id.filter(|id| !known.contains(id)) else { continue };
        known.sort_by_key(|other| (other.abs_diff(id), *other));
        known.dedup();
        let near: Vec<String> = known.iter().take(3).map(|id| format!("`nvidia-{id}`")).collect();
        bail!(
            "`[host.overrides.profile.{name}]`: no driver of the bundle has this vGPU type; the nearest are {}",
            near.join(", ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_the_drivers() {
        let config = |ids: &[u32]| {
            let kind = |id: &u32| {
                format!(
                    "<vgpuType id=\"{id}\" name=\"T-1Q\" class=\"Quadro\"><framebuffer>0x1000</framebuffer></vgpuType>"
                )
            };
            let types: String = ids.iter().map(kind).collect();
            let xml = format!(
                "<vgpuconfig>{types}<pgpu><devId vendorId=\"0x10de\" deviceId=\"0x1E30\" subsystemId=\"0x0\"/><supportedVgpu vgpuId=\"{}\"><maxVgpus>4</maxVgpus></supportedVgpu></pgpu></vgpuconfig>",
                ids[0]
            );
            super::super::vgpu_config::parse(xml.as_bytes()).unwrap()
        };
        let overrides = |name: &str| -> ProfileOverrides {
            toml::from_str(&format!("[profile.{name}]\nfrl_enabled = 0\n")).unwrap()
        };
        let configs = [config(&[256, 257]), config(&[300])];
        for had in ["nvidia-256", "nvidia-300"] {
            check_types(&overrides(had), &configs).unwrap();
        }
        let told = check_types(&overrides("nvidia-259"), &configs).unwrap_err().to_string();
        assert!(
            told.contains("the nearest are `nvidia-257`, `nvidia-256`, `nvidia-300`"),
            "{told}"
        );
        // Without a driver in the bundle, nothing is known of its types.
        check_types(&overrides("nvidia-259"), &[]).unwrap();
    }
}
