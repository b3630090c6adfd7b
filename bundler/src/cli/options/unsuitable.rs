use std::collections::BTreeSet;

use vgpu_manifest::Kind;
use vgpu_manifest::catalog::{Catalog, Rule};
use vgpu_manifest::driver::DriverKind;
use vgpu_manifest::ui::Exit;
use vgpu_manifest::verdict::{Choice, Suitability, Targets};

use crate::cli::commands::Context;
use crate::lock::Lock;
use crate::ui::Advise as _;

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
            if let Some(lack) = lacks_unlock(&suitability, lock) {
                return Err(Exit::Unsuitable.error(format!("{REFUSED}: {lack}")))
                    .hint("add an `[[unlock]]` table to the recipe");
            }
            if let Some(missing) = missing_packages(&suitability, lock) {
                context.ui.say(format_args!(
                    "warning: the bundle lacks {missing}; nodes without them are refused"
                ));
            }
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

/// Returns why the bundle needs an unlock library, if it needs one that it does not have.
fn lacks_unlock(suitability: &Suitability<'_>, lock: &Lock) -> Option<String> {
    let has_unlock = lock.items.iter().any(|it| matches!(it.kind, Kind::UnlockSource(_)));
    if has_unlock || !brings_driver(lock) {
        return None;
    }
    let mut suitable = suitability.gpus.iter().filter_map(|gpu| gpu.verdict.suitable());
    match suitable.find(|suitable| suitable.unlock.is_some()) {
        Some(suitable) => Some(format!("{} needs an unlock library", suitable.gpu.name)),
        None if !lock.host.overrides.is_empty() => {
            Some("`[host.overrides]` needs an unlock library".to_owned())
        }
        None => None,
    }
}

/// Returns the packages that the driver needs and the bundle does not have.
fn missing_packages(suitability: &Suitability<'_>, lock: &Lock) -> Option<String> {
    if !brings_driver(lock) {
        return None;
    }
    let has = |name: &str| {
        let mut packages = lock.items.iter().filter_map(|item| item.kind.package());
        packages.any(|package| package.name.as_str() == name)
    };
    let suitable = suitability.gpus.iter().filter_map(|gpu| gpu.verdict.suitable());
    let needed: BTreeSet<_> = suitable.flat_map(|suitable| &suitable.packages).collect();
    let missing: Vec<_> = needed.into_iter().filter(|name| !has(name)).cloned().collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// Returns the security bulletins against the driver.
fn bulletins<'s>(suitability: &'s Suitability<'_>) -> BTreeSet<&'s str> {
    let suitable = suitability.gpus.iter().filter_map(|gpu| gpu.verdict.suitable());
    let notes = suitable.flat_map(|it| &it.warnings);
    notes.filter(|note| note.rule == Rule::Bulletin).map(|note| &*note.says).collect()
}

fn brings_driver(lock: &Lock) -> bool {
    let mut drivers = lock.items.iter().filter_map(|item| item.kind.driver());
    drivers.any(|record| record.kind == DriverKind::Host)
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
