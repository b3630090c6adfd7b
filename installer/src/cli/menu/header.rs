use std::collections::BTreeSet;

use vgpu_manifest::inventory::Gpu;

use super::gpus::held;
use crate::cli::Target;
use crate::cli::commands::title;
use crate::facts::{gpu_names, nvidia_gpus, pve_release};
use crate::host::Look;
use crate::journal::TxState;
use crate::state::fixed;
use crate::store::Bundles;
use crate::trust;
use crate::ui::{Ui, printable};

/// Describes this host: its name and release, its NVIDIA GPUs, the trusted keys, and the applied
/// bundle. Returns the GPUs.
///
/// It checks nothing, so that the menu appears at once. Of a host that cannot be read, it shows less:
/// the chosen command then reports the reason.
pub(super) fn show(target: Target, ui: &Ui) -> Vec<Gpu> {
    let look: &dyn Look = &target.host;
    let gpus = nvidia_gpus(look);
    let mut lines = vec![host(look)];
    let names = gpu_names(look, &gpus.iter().map(|gpu| gpu.id).collect::<BTreeSet<_>>());
    for gpu in &gpus {
        let name = names.get(&gpu.id).map_or_else(String::new, |name| format!("{name} "));
        lines.push(format!("GPU      {name}[{}] at {}{}", gpu.id, gpu.address, held(gpu)));
    }
    if gpus.is_empty() {
        lines.push("GPU      none of NVIDIA".to_owned());
    }
    lines.push(format!("trusts   {}", trusted(look)));
    lines.push(format!("applied  {}", applied(target)));
    for line in lines {
        ui.say(printable(&line));
    }
    gpus
}

fn host(look: &dyn Look) -> String {
    let name = look.text(&fixed("/proc/sys/kernel/hostname")).ok().flatten();
    let name = name.or_else(|| look.text(&fixed("/etc/hostname")).ok().flatten());
    let release = pve_release(look);
    let release = release
        .map_or_else(|| "no Proxmox VE".to_owned(), |release| format!("Proxmox VE {release}"));
    format!("host     {}, {release}", name.as_deref().unwrap_or("without a name"))
}

fn trusted(look: &dyn Look) -> String {
    match trust::load(look) {
        Ok(Some(policy)) => {
            let signers = policy.allowed_signers().iter();
            let names: BTreeSet<_> = signers.map(|signer| signer.principal().to_string()).collect();
            names.into_iter().collect::<Vec<_>>().join(", ")
        }
        Ok(None) => "no key yet".to_owned(),
        Err(_) => "unknown: its policy cannot be read".to_owned(),
    }
}

fn applied(target: Target) -> String {
    let read = || -> anyhow::Result<Option<String>> {
        let known = Bundles::load(&target.host);
        let Some(journaled) = target.journaled()? else { return Ok(None) };
        let Some(last) = journaled.current()? else { return Ok(None) };
        let bundle = last.new.bundle;
        let name = known.get(bundle).map_or_else(|| bundle.to_string(), title);
        Ok(Some(match last.state {
            TxState::Applying => format!("{name}, not completely"),
            _ => name,
        }))
    };
    match read() {
        Ok(Some(bundle)) => bundle,
        Ok(None) => "nothing".to_owned(),
        Err(_) => "unknown: the installer's own state cannot be read".to_owned(),
    }
}
