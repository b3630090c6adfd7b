use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use serde::Serialize;
use vgpu_manifest::driver::DriverRecord;
use vgpu_manifest::package::ArchiveName;
use vgpu_manifest::{BundleName, Content, Digest, ItemName};

use super::Context;
use crate::apt::{AptError, Expansion, Renewal, expand};
use crate::cache::CacheLock;
use crate::changes::{self, Change, Outline};
use crate::driver;
use crate::exit::Advise as _;
use crate::fetch::Fetcher;
use crate::headers;
use crate::image;
use crate::lock::{Found, Lock, Pin};
use crate::options::{Network, NetworkArgs, Project, ProjectArgs, UnsuitableArgs};
use crate::pack;
use crate::parallel::parallel;
use crate::recipe::{Entry, Recipe};
use crate::source::{Expected, Origin, SourceError, Sources};
use crate::ui::print_json;
use crate::unlock::{self, Making};

/// Re-resolve downloads and update the lock
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Items to update [default: all]. `apt` means all packages, `apt/RELEASE` those of a release
    #[arg(value_name = "ITEM")]
    items: Vec<ItemName>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    unsuitable: UnsuitableArgs,
}

/// How to treat the pins of an earlier lock.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pins<'p> {
    Keep,
    /// Resolve these items again, or all if the list is empty.
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

/// Checks whether the item means packages of `release`: `apt`, or `apt/bookworm`.
fn is_packages(item: &ItemName, release: &ArchiveName) -> bool {
    let rest = item.as_str().strip_prefix("apt");
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/') == Some(release.as_str()))
}

impl Args {
    pub(crate) fn run(&self, context: &Context) -> anyhow::Result<()> {
        let project = self.project.resolve()?;
        let Recipe { entries, apt, .. } = &project.recipe;
        let is_known = |item: &&ItemName| {
            entries.iter().any(|entry| entry.name == **item)
                || apt.iter().any(|apt| is_packages(item, &apt.release))
        };
        if let Some(unknown) = self.items.iter().find(|item| !is_known(item)) {
            bail!("the recipe has no item `{unknown}`");
        }
        let network = self.network.resolve();
        let cache = context.cache()?;
        let lock = context.lock(&cache)?;
        let pins = Pins::Renew(&self.items);
        let relocked = relock(context, &project, &network, &lock, pins, self.unsuitable)?;
        if self.json { relocked.print(&project) } else { Ok(()) }
    }
}

/// What came of locking a recipe.
#[derive(Debug)]
pub(super) struct Relocked {
    pub(super) lock: Lock,
    state: State,
    changes: Vec<Change>,
}

/// What `--json` prints of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report<'r> {
    lock: &'r Utf8Path,
    name: &'r BundleName,
    sequence: u64,
    state: State,
    /// What is another now; everything, if there was no lock.
    changes: &'r [Change],
}

/// What became of the lock's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Written,
    UpToDate,
}

impl Relocked {
    /// Print it as JSON.
    pub(super) fn print(&self, project: &Project) -> anyhow::Result<()> {
        let Self { lock, state, changes } = self;
        Ok(print_json(&Report {
            lock: &project.lock_path,
            name: &lock.name,
            sequence: lock.sequence,
            state: *state,
            changes,
        })?)
    }
}

/// Write the lock of a recipe, and show what that changes.
pub(super) fn relock(
    context: &Context,
    project: &Project,
    network: &Network,
    cache: &CacheLock<'_>,
    pins: Pins<'_>,
    unsuitable: UnsuitableArgs,
) -> anyhow::Result<Relocked> {
    let previous = project.any_lock()?;
    let now = now()?;
    let sources = sources(context, project, network, cache);
    let recipe = settle(&sources, &project.recipe, previous.as_ref(), pins)?;
    let expansion = expand(&sources, &recipe, previous.as_ref(), &pins);
    let Expansion { entries, pins: known, apt, archives, packages } = advised(expansion)?;
    let kept = |entry: &Entry| {
        let lock = previous.as_ref().filter(|_| pins.keep(&entry.name));
        lock.and_then(|lock| lock.pin(entry))
    };
    let known = entries.iter().zip(known).map(|(entry, pin)| pin.or_else(|| kept(entry))).collect();
    let mut pinned = pin_all(context, &sources, network, &entries, known)?;
    let drivers = driver::records(&sources, &entries, &mut pinned, previous.as_ref())?;
    let making = Making {
        sources: &sources,
        entries: &entries,
        targets: recipe.targets.as_ref(),
        drivers: &drivers,
        kept: &|item| previous.as_ref().filter(|_| pins.keep(item)),
    };
    let (unlock, builds) = unlock::records(making, &mut pinned)?;
    let found = Found {
        drivers,
        unlock,
        builds,
        headers: headers::records(&sources, &entries, &pinned, previous.as_ref())?,
        images: image::records(&sources, &entries, &pinned, previous.as_ref())?,
        apt,
        archives,
        packages,
    };
    describe_drivers(context, cache, &found)?;
    pin_catalog(&sources, &entries, &mut pinned, &found.drivers)?;
    let lock = Lock::new(&recipe, &entries, &pinned, found, previous.as_ref(), now);
    pack::check(&lock)?;
    unsuitable.check(context, &lock)?;

    if previous.as_ref() == Some(&lock) {
        Lock::confirm(&project.lock_path)?;
        context.ui.note(format_args!("`{}` is up to date", project.lock_path));
        return Ok(Relocked { lock, state: State::UpToDate, changes: Vec::new() });
    }
    lock.write(&project.lock_path)?;
    let new = Outline::from(&lock);
    let changes = match &previous {
        Some(previous) => changes::between(&Outline::from(previous), &new),
        None => changes::all_of(&new),
    };
    for line in changes::lines(&changes) {
        context.ui.note(line);
    }
    let (path, name, sequence) = (&project.lock_path, &lock.name, lock.sequence);
    context.ui.note(format_args!("wrote `{path}`: {name} {sequence}"));
    Ok(Relocked { lock, state: State::Written, changes })
}

/// The recipe with the commit of each branch and tag: the one that the previous lock has, unless it
/// is to be looked up again.
fn settle(
    sources: &Sources<'_>,
    recipe: &Recipe,
    previous: Option<&Lock>,
    pins: Pins<'_>,
) -> Result<Recipe, SourceError> {
    recipe.settled(|entry| {
        let Some(origin) = entry.origin.git() else { return Ok(entry.origin.clone()) };
        let lock = previous.filter(|_| pins.keep(&entry.name));
        if let Some(locked) = lock.and_then(|lock| lock.locked_origin(entry)) {
            return Ok(locked.clone());
        }
        let settled = sources.settle(origin);
        settled.map(Origin::Git).map_err(|error| SourceError::git(&entry.name, error))
    })
}

/// With the ways out of what cannot be had, if there are any.
fn advised(expansion: Result<Expansion, AptError>) -> anyhow::Result<Expansion> {
    let error = match expansion {
        Ok(expansion) => return Ok(expansion),
        Err(error) => error,
    };
    let ways_out = error.ways_out();
    let hinted = |result: anyhow::Result<_>, way: String| result.hint(way);
    // The last hint that is added is told first.
    ways_out.into_iter().rev().fold(Err(error.into()), hinted)
}

/// The catalogue has what the drivers say, so it is the last to be made.
fn pin_catalog(
    sources: &Sources<'_>,
    entries: &[Entry],
    pins: &mut [Pin],
    drivers: &[DriverRecord],
) -> anyhow::Result<()> {
    let Some(at) = entries.iter().position(|entry| entry.origin == Origin::Catalog) else {
        return Ok(());
    };
    let known = drivers.iter().filter_map(|record| {
        let at = entries.iter().position(|entry| entry.name == record.item)?;
        Some(driver::Known { record, origin: &entries[at].origin, pin: pins[at] })
    });
    let known: Vec<_> = known.collect();
    let configs = driver::configs(sources, &known)?;
    let Entry { name, sha256, max_size: cap, .. } = &entries[at];
    let want = Expected { name, sha256: *sha256, size: None, cap: *cap };
    pins[at] = Pin::from(&sources.catalog(&configs, want)?);
    Ok(())
}

/// Say what the drivers are.
fn describe_drivers(context: &Context, cache: &CacheLock<'_>, found: &Found) -> anyhow::Result<()> {
    for line in driver::lines(&found.drivers) {
        context.ui.note(line);
    }
    for record in &found.drivers {
        if let Some(config) = driver::config_of(cache.cache(), record)? {
            let (item, types) = (&record.item, config.types.len());
            context.ui.note(format_args!("{item}: {types} vGPU types"));
        }
    }
    Ok(())
}

/// Everything that a source may need.
pub(super) fn sources<'s>(
    context: &'s Context,
    project: &'s Project,
    network: &'s Network,
    cache: &'s CacheLock<'s>,
) -> Sources<'s> {
    let fetcher = Fetcher {
        client: network.client.as_ref(),
        cache,
        patience: network.patience,
        ui: &context.ui,
    };
    Sources { fetcher, base: &project.base, width: network.width }
}

/// What all entries are: what is known, and otherwise what is found out, once for each source:
/// several drivers come in one archive.
fn pin_all(
    context: &Context,
    sources: &Sources<'_>,
    network: &Network,
    entries: &[Entry],
    mut pins: Vec<Option<Pin>>,
) -> anyhow::Result<Vec<Pin>> {
    let mut open: Vec<&Entry> = Vec::new();
    for (entry, pin) in entries.iter().zip(&mut pins) {
        if entry.origin == Origin::Catalog {
            // It is made when the drivers are known.
            *pin = Some(Pin { size: 0, sha256: Digest::of(b""), content: Content::Catalog });
        }
        if pin.is_none() && !open.iter().any(|other| is_same_source(other, entry)) {
            open.push(entry);
        }
    }
    let batch = context.ui.batch(open.len(), None);
    let results = parallel(network.width, &open, |entry| pin(sources, entry));
    drop(batch);
    let found = all(context, results)?;
    for (entry, pin) in entries.iter().zip(&mut pins).filter(|(_, pin)| pin.is_none()) {
        let at = open.iter().position(|other| is_same_source(other, entry));
        *pin = at.map(|at| found[at]);
    }
    Ok(pins.into_iter().flatten().collect())
}

fn is_same_source(a: &Entry, b: &Entry) -> bool {
    a.origin == b.origin && a.sha256 == b.sha256 && a.max_size == b.max_size
}

/// Find out what an entry is.
fn pin(sources: &Sources<'_>, entry: &Entry) -> Result<Pin, SourceError> {
    let Entry { name, sha256, max_size: cap, .. } = entry;
    let want = Expected { name, sha256: *sha256, size: None, cap: *cap };
    sources.obtain(&entry.origin, want).map(|obtained| Pin::from(&obtained))
}

/// All results, or every error told and one for them all.
pub(super) fn all<T>(
    context: &Context,
    results: Vec<Result<T, SourceError>>,
) -> anyhow::Result<Vec<T>> {
    let count = results.len();
    let (good, bad): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    let mut errors: Vec<anyhow::Error> =
        bad.into_iter().filter_map(Result::err).map(Into::into).collect();
    match errors.len() {
        0 => Ok(good.into_iter().filter_map(Result::ok).collect()),
        1 => Err(errors.remove(0)),
        failed => {
            for error in &errors {
                crate::exit::tell(&context.ui, error);
            }
            bail!("{failed} of {count} items could not be had");
        }
    }
}

/// The time that a new lock gets, in seconds since 1970.
///
/// `SOURCE_DATE_EPOCH` is how builds that are to be repeated say what time it is.
fn now() -> anyhow::Result<u64> {
    match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text.parse().with_context(|| {
            format!("`SOURCE_DATE_EPOCH` is `{}`, not a number of seconds", text.escape_debug())
        }),
        Err(_) => Ok(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())),
    }
}
