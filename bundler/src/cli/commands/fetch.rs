use std::collections::BTreeSet;
use std::fs;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use vgpu_manifest::driver::{DriverKind, DriverRecord};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{ItemName, Kind, parallel};

use super::Context;
use crate::cache::CacheLock;
use crate::cli::options::{InputArgs, Network, Project};
use crate::items::driver::{self, Known};
use crate::items::source::{Changed, Sources};
use crate::items::{image, unlock};
use crate::lock::{Lock, LockedItem};
use crate::relock::all;
use crate::types::{Origin, SavedImage};
use crate::ui::{Advise as _, print_json};

/// Download all locked inputs into the cache
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    inputs: InputArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let (project, network) = self.inputs.resolve()?;
        let locked = project.lock()?;
        let cache = context.cache()?;
        let lock = context.lock(&cache)?;
        let fetched: Vec<_> =
            missing(&lock, &locked).into_iter().map(|item| item.name.clone()).collect();
        fetch(context, &project, &network, &lock, &locked)?;
        let size: u64 = locked.items.iter().map(|item| item.size).sum();
        let items = locked.items.len();
        let shown = ByteSize::new(size);
        context.ui.note(format_args!("all items are in the cache: {items} items, {shown}"));
        if self.json {
            print_json(&Report { items, size, fetched })?;
        }
        Ok(())
    }
}

/// The downloaded inputs of a lock.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Report {
    /// The number of items of the bundle.
    items: usize,
    /// Their size in bytes.
    size: u64,
    /// The items that were not cached.
    fetched: Vec<ItemName>,
}

/// Download all locked inputs into the cache
pub(super) fn fetch(
    context: &Context,
    project: &Project,
    network: &Network,
    cache: &CacheLock<'_>,
    lock: &Lock,
) -> anyhow::Result<()> {
    let sources = context.sources(project, network, cache);
    let missing = missing(cache, lock);
    let size = missing.iter().map(|item| item.size).sum();
    let batch = context.ui.batch(missing.len(), Some(size));
    // Items that are made from other items come last.
    let (made, others): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|item| item.build.is_some());
    let (catalogs, plain): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|item| item.origin == Origin::Catalog);
    let mut results = parallel(network.width, &plain, |item| ensure(&sources, item));
    if results.iter().all(Result::is_ok) {
        results.extend(catalogs.into_iter().map(|item| catalog(&sources, lock, item)));
    }
    let is_changed = |error: &anyhow::Error| error.is::<Changed>();
    let changed = results.iter().any(|result| result.as_ref().is_err_and(is_changed));
    warn_of_newer(context, project, lock);
    let all = all(&context.ui, results).map(drop);
    if changed {
        return all.hint("run `vgpu-bundler lock` if the new content is correct");
    }
    all?;
    for item in made {
        unlock::make_again(&sources, lock, item)?;
    }
    drop(batch);
    Ok(())
}

/// Warns about files that changed after they were locked: the bundle gets the locked content.
fn warn_of_newer(context: &Context, project: &Project, lock: &Lock) {
    let changed = |path: &Utf8Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    // A change of an image layout replaces its index.
    let newest = |path: Utf8PathBuf| changed(&path).max(changed(&path.join("index.json")));
    let Some(locked) = changed(&project.lock_path) else { return };
    for LockedItem { name, origin, .. } in &lock.items {
        let (Origin::File { path } | Origin::SavedImage(SavedImage { path, .. })) = origin else {
            continue;
        };
        if newest(path.below(&project.base)).is_some_and(|time| time > locked) {
            context.ui.note(format_args!(
                "`{path}` was changed after item `{name}` was locked; run `vgpu-bundler lock` to include the change"
            ));
        }
    }
}

/// Returns the items that are not cached, each content once, largest first, so that no large
/// download runs alone at the end.
fn missing<'l>(cache: &CacheLock<'_>, lock: &'l Lock) -> Vec<&'l LockedItem> {
    let (mut missing, mut seen) = (Vec::new(), BTreeSet::new());
    for item in &lock.items {
        if cache.cache().has(item.sha256) {
            cache.touch(item.sha256, SystemTime::now());
        } else if seen.insert(item.sha256) {
            missing.push(item);
        }
    }
    missing.sort_by_key(|item| std::cmp::Reverse(item.size));
    missing
}

fn catalog(sources: &Sources<'_>, lock: &Lock, item: &LockedItem) -> anyhow::Result<()> {
    let configs = driver::configs(sources, &lock.items)?;
    sources.catalog(&configs, item.expected()).map(drop)
}

fn ensure(sources: &Sources<'_>, item: &LockedItem) -> anyhow::Result<()> {
    let LockedItem { name, origin, sha256, .. } = item;
    match (&item.kind, origin) {
        (Kind::Driver(DriverRecord { kind: DriverKind::ConfigOnly, .. }), _) => {
            let known = Known::of(item).map(|known| driver::config_again(sources, known, *sha256));
            known.transpose().map(drop)
        }
        (Kind::Driver(DriverRecord { archive: Some(archive), .. }), _) => {
            driver::unpack_again(sources, name, origin, archive, *sha256)
        }
        (Kind::Image(record), Origin::Image(source)) => {
            image::pull_again(sources, source, item.expected(), record).map(drop)
        }
        _ => sources.obtain(origin, item.expected()).map(drop),
    }
}
