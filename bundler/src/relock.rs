//! Resolves a recipe to its lock: obtains, examines and pins every input.

use std::collections::BTreeMap;
use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::ui::{ByteSize, Report, count};
use vgpu_manifest::{CatalogRecord, Digest, ItemName, Kind, parallel};

use crate::apt::{AptError, Expansion, Renewal, expand};
use crate::items::source::Sources;
use crate::items::unlock::{self, Making};
use crate::items::{driver, headers, image, policies};
use crate::lock::{Lock, LockedItem};
use crate::pack;
use crate::recipe::{Entry, Recipe};
use crate::types::{Origin, Pin};
use crate::ui::{Advise as _, Ui};

/// Which pins of an earlier lock are retained.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pins<'p> {
    Keep,
    /// Resolves these again; all of them if the list is empty.
    Renew(&'p [ItemName]),
}

impl Pins<'_> {
    fn keep(self, item: &ItemName) -> bool {
        match self {
            Self::Keep => true,
            Self::Renew(items) => !items.is_empty() && !items.contains(item),
        }
    }
}

impl Renewal for Pins<'_> {
    fn renews(&self, release: &ArchiveName) -> bool {
        match self {
            Self::Keep => false,
            Self::Renew(items) => {
                items.is_empty() || items.iter().any(|item| is_packages(item, release))
            }
        }
    }
}

/// Checks whether a name selects the packages of a release: `apt`, or `apt/bookworm`.
pub(crate) fn is_packages(item: &ItemName, release: &ArchiveName) -> bool {
    let rest = item.as_str().strip_prefix("apt");
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/') == Some(release.as_str()))
}

/// Returns the lock of a recipe, and reuses the pins of the `previous` one that `pins` retains.
pub(crate) fn relock(
    sources: &Sources<'_>,
    recipe: &Recipe,
    previous: Option<&Lock>,
    pins: Pins<'_>,
) -> anyhow::Result<Lock> {
    let now = now()?;
    // Before anything is downloaded: only the operator can get these.
    let found = recipe.entries.iter().filter_map(|entry| match &entry.origin {
        Origin::File { path } => Some(sources.look_for(path, entry.expected())),
        _ => None,
    });
    all(sources.fetcher.ui, found.collect())?;
    unlock::check_targets(&recipe.entries, recipe.targets.as_ref())?;
    let kept = |item: &ItemName| previous.filter(|_| pins.keep(item));
    let recipe = settle(sources, recipe, &kept)?;
    let expansion = expand(sources, &recipe, previous, &pins);
    let Expansion { entries, pins: known, apt, archives } = advised(expansion)?;
    let known = entries.iter().zip(known).map(|(entry, pin)| {
        let pin = pin.or_else(|| kept(&entry.name)?.pin(entry));
        pin.or_else(|| unfinished(entry))
    });
    let mut pinned = pin_all(sources, &entries, known.collect())?;
    driver::records(sources, &entries, &mut pinned, previous)?;
    let targets = recipe.targets.as_ref();
    let making = Making { sources, entries: &entries, targets, kept: &kept };
    let mut builds = unlock::records(making, &mut pinned)?;
    headers::records(sources, &entries, &mut pinned, previous)?;
    image::records(sources, &entries, &mut pinned, previous)?;
    policies::records(sources.fetcher.cache, &entries, &mut pinned)?;
    let items = entries.iter().zip(pinned).map(|(entry, pin)| {
        let build = builds.remove(&entry.name);
        LockedItem::new(entry.clone(), pin, build)
    });
    let mut items: Vec<LockedItem> = items.collect();
    describe_drivers(sources, &items)?;
    driver::check_overrides(sources, &recipe.host.overrides, &items)?;
    finish_catalog(sources, &entries, &mut items)?;
    let lock = Lock::new(&recipe, sources.catalog, items, (archives, apt), previous, now);
    pack::check(&lock)?;
    Ok(lock)
}

/// Returns the recipe with the commit of each branch and tag, from the previous lock unless it is
/// to be resolved again.
fn settle<'l>(
    sources: &Sources<'_>,
    recipe: &Recipe,
    kept: &dyn Fn(&ItemName) -> Option<&'l Lock>,
) -> anyhow::Result<Recipe> {
    recipe.settled(|entry| {
        let Some(origin) = entry.origin.git() else { return Ok(entry.origin.clone()) };
        if let Some(locked) = kept(&entry.name).and_then(|lock| lock.serving(entry)) {
            return Ok(locked.origin.clone());
        }
        sources.settle(&entry.name, origin).map(Origin::Git)
    })
}

/// Adds the hints of an unsatisfiable request for packages.
fn advised(expansion: Result<Expansion, AptError>) -> anyhow::Result<Expansion> {
    let error = match expansion {
        Ok(expansion) => return Ok(expansion),
        Err(error) => error,
    };
    let hints = error.hints();
    let hinted = |result: anyhow::Result<_>, hint: String| result.hint(hint);
    // The hint that is added last is printed first.
    hints.into_iter().rev().fold(Err(error.into()), hinted)
}

/// Pins the catalog last, because it includes data of the drivers.
fn unfinished(entry: &Entry) -> Option<Pin> {
    let kind = Kind::Catalog(CatalogRecord {});
    (entry.origin == Origin::Catalog).then(|| Pin { size: 0, sha256: Digest::of(b""), kind })
}

fn finish_catalog(
    sources: &Sources<'_>,
    entries: &[Entry],
    items: &mut [LockedItem],
) -> anyhow::Result<()> {
    let Some(at) = entries.iter().position(|entry| entry.origin == Origin::Catalog) else {
        return Ok(());
    };
    let configs = driver::configs(sources, items)?;
    let pin = sources.catalog(&configs, entries[at].expected())?;
    items[at] = LockedItem::new(entries[at].clone(), pin, None);
    Ok(())
}

fn describe_drivers(sources: &Sources<'_>, items: &[LockedItem]) -> anyhow::Result<()> {
    let ui = sources.fetcher.ui;
    for line in driver::lines(&items.iter().map(|item| (&item.name, &item.kind))) {
        ui.note(line);
    }
    for item in items {
        let Some(record) = item.kind.driver() else { continue };
        if let Some(config) = driver::config_of(sources.fetcher.cache.cache(), record)? {
            ui.note(format_args!("{}: {}", item.name, count(config.types.len(), "vGPU type")));
        }
    }
    Ok(())
}

/// Pins the remaining entries. Entries of the same source are obtained once: one archive can
/// contain several drivers.
fn pin_all(
    sources: &Sources<'_>,
    entries: &[Entry],
    known: Vec<Option<Pin>>,
) -> anyhow::Result<Vec<Pin>> {
    let mut open: Vec<&Entry> = Vec::new();
    let mut places = BTreeMap::new();
    for (entry, _) in entries.iter().zip(&known).filter(|(_, pin)| pin.is_none()) {
        places.entry(source_of(entry)).or_insert_with(|| {
            open.push(entry);
            open.len() - 1
        });
    }
    let ui = sources.fetcher.ui;
    let batch = ui.batch(open.len(), None);
    let obtain = |entry: &&Entry| sources.obtain(&entry.origin, entry.expected());
    let results = parallel(sources.width, &open, obtain);
    drop(batch);
    let found = all(ui, results)?;
    let pin = |(entry, pin): (&Entry, Option<Pin>)| {
        pin.or_else(|| found.get(*places.get(&source_of(entry))?).cloned())
    };
    Ok(entries.iter().zip(known).filter_map(pin).collect())
}

/// Returns a key that entries with the same source share.
fn source_of(entry: &Entry) -> (Option<Digest>, ByteSize, Vec<u8>) {
    // Strings, numbers and lists always have a JSON form.
    (entry.sha256, entry.max_size, serde_json::to_vec(&entry.origin).unwrap_or_default())
}

/// Returns all results, or prints every error and returns one for them all.
pub(crate) fn all<T>(ui: &Ui, results: Vec<anyhow::Result<T>>) -> anyhow::Result<Vec<T>> {
    let count = results.len();
    let (good, bad): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let mut errors: Vec<anyhow::Error> = bad.into_iter().filter_map(Result::err).collect();
    match errors.len() {
        0 => Ok(good.into_iter().filter_map(Result::ok).collect()),
        1 => Err(errors.remove(0)),
        failed => {
            for error in &errors {
                // Their exit statuses do not count, so no list of error types is needed.
                ui.report(&Report::of(error.as_ref(), &[]));
            }
            bail!("{failed} of {count} items are unavailable");
        }
    }
}

/// Returns the time of a new lock or recipe, in seconds since 1970.
///
/// `SOURCE_DATE_EPOCH` overrides the clock, so that builds can be reproduced.
pub(crate) fn now() -> anyhow::Result<u64> {
    match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().with_context(|| {
            format!("`SOURCE_DATE_EPOCH` is `{}`, not a number of seconds", text.escape_debug())
        }),
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())),
    }
}
