use std::collections::BTreeSet;

use vgpu_manifest::catalog::{Catalog, Rule};
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::ui::Exit;
use vgpu_manifest::verdict::{Choice, Suitability, Targets};

use crate::cli::commands::Context;
use crate::exit::Advise as _;
use crate::lock::Lock;

/// How to handle a bundle that cannot work on its targets.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct UnsuitableArgs {
    /// Accept a bundle that cannot work on its `[targets]`; recorded in the manifest
    #[arg(long)]
    allow_unsuitable: bool,
}

const REFUSED: &str = "the bundle cannot work on its targets";

impl UnsuitableArgs {
    /// Refuses a bundle that cannot work on its targets, unless the option allows it.
    pub(crate) fn check(
        self,
        context: &Context,
        catalog: &Catalog,
        lock: &Lock,
    ) -> anyhow::Result<()> {
        let Some(purpose) = &lock.purpose else { return Ok(()) };
        let mut catalog = catalog.clone();
        lock.contents().admit_to(&mut catalog, Some(purpose.targets.driver));
        if let Some(contradiction) = contradiction(&catalog, &purpose.targets, lock) {
            let release = lock.contents().release(&catalog);
            let release = release.map_or_else(|| "…".to_owned(), |release| release.to_string());
            return Err(Exit::Unsuitable.error(format!("{REFUSED}: {contradiction}")))
                .hint(format!("set `driver = \"{release}\"` in `[targets]`"));
        }
        let suitability = purpose.targets.judge(&catalog, &lock.contents());
        for says in bulletins(&suitability) {
            context.ui.say(format_args!("warning: {says}"));
        }
        if purpose.unsuitable.is_empty() {
            return Ok(());
        }
        let refusal = format!("{REFUSED}: {}", reasons(&suitability).join("; "));
        if self.allow_unsuitable {
            context.ui.say(format_args!("warning: {refusal}"));
            return Ok(());
        }
        let mut hint = String::from("run `vgpu-bundler catalog why` for details");
        if let Some(choice) = nearest(&suitability) {
            hint = format!("{choice} instead; {hint}");
        }
        Err(Exit::Unsuitable.error(refusal))
            .hint(format!("{hint}, or build it anyway with `--allow-unsuitable`"))
    }
}

/// Returns how the host drivers of the bundle contradict its targets.
fn contradiction(catalog: &Catalog, targets: &Targets, lock: &Lock) -> Option<String> {
    let meant = catalog.driver(targets.driver)?;
    let drivers = lock.items.iter().filter_map(|item| item.kind.driver());
    let hosts = drivers.filter(|record| record.kind == DriverKind::Host);
    let versions: Vec<_> = hosts.map(|record| &record.version).collect();
    let other = versions.first().filter(|_| !versions.contains(&&meant.host))?;
    let (release, host) = (meant.release, &meant.host);
    Some(format!("they are for vGPU {release} ({host}), but it has {other}"))
}

/// Returns the security bulletins against the driver.
fn bulletins<'s>(suitability: &'s Suitability<'_>) -> BTreeSet<&'s str> {
    let suitable = suitability.gpus.iter().filter_map(|gpu| gpu.verdict.suitable());
    let notes = suitable.flat_map(|it| &it.warnings);
    notes.filter(|note| note.rule == Rule::Bulletin).map(|note| &*note.says).collect()
}

fn reasons(suitability: &Suitability<'_>) -> Vec<String> {
    let unsuitable = suitability.gpus.iter().filter_map(|gpu| gpu.verdict.unsuitable());
    let mut reasons: Vec<_> = unsuitable.map(|it| it.reason.says.clone()).collect();
    reasons.extend(suitability.clashes.iter().map(|clash| clash.says.clone()));
    reasons.dedup();
    reasons
}

fn nearest<'s>(suitability: &'s Suitability<'_>) -> Option<&'s Choice> {
    suitability.gpus.iter().find_map(|gpu| gpu.verdict.unsuitable())?.nearest.first()
}
