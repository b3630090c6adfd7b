//! The requested changes to a host, as text.

use vgpu_manifest::{GuestTool, WantedDropIn, WantedFile, WantedUnit, Wants};

/// Returns a line for each requested change to a host.
pub(crate) fn lines(wants: &Wants) -> Vec<String> {
    let mut lines = Vec::new();
    if wants.iommu.is_some() {
        lines.push("IOMMU on".to_owned());
    }
    lines.extend(wants.kernel_words.iter().map(|word| format!("kernel parameter `{word}`")));
    lines.extend(wants.modules.iter().map(|module| format!("module `{module}` at boot")));
    lines.extend(wants.modprobe.iter().map(|line| format!("modprobe `{line}`")));
    if let Some(names) = &wants.packages.install {
        let names: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_str())).collect();
        lines.push(format!("of the packages only {}", names.join(", ")));
    }
    let overrides = &wants.overrides;
    lines.extend(overrides.profile.keys().map(|it| format!("vGPU type `{}` changed", it.as_str())));
    lines.extend(overrides.mdev.keys().map(|it| format!("device `{}` changed", it.as_str())));
    lines.extend(overrides.vm.keys().map(|it| format!("vGPU of guest `{}` changed", it.as_str())));
    if wants.unlock.unlock_migration == Some(true) {
        lines.push("migration unlocked".to_owned());
    }
    lines.extend(wants.unlock.pci_info_map.iter().map(|(gpu, shown)| {
        format!("GPU `{gpu}` presented as {:#06x}/{:#06x}", shown.device_id, shown.sub_system_id)
    }));
    if wants.packages.repository.is_some() {
        lines.push("the packages as a permanent repository".to_owned());
    }
    lines.extend(wants.files.iter().map(|WantedFile { item, path, mode }| {
        format!("file `{path}` from `{item}`, mode {mode}")
    }));
    lines.extend(wants.units.iter().map(|WantedUnit { name, item, wanted_by }| {
        let wanted_by = wanted_by.as_ref().map(|by| format!(", wanted by `{by}`"));
        format!("unit `{name}` from `{item}`{}", wanted_by.unwrap_or_default())
    }));
    lines.extend(wants.drop_ins.iter().map(|WantedDropIn { unit, name, item }| {
        format!("drop-in `{name}` of `{unit}` from `{item}`")
    }));
    lines.extend(
        wants
            .guest_tools
            .iter()
            .map(|GuestTool { item }| format!("guest tool `{item}`, only on request")),
    );
    lines
}
