//! Unlock libraries of a recipe, their records in the lock, and their reproduction.

use std::collections::BTreeMap;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::driver::DriverRecord;
use vgpu_manifest::ui::{ByteSize, Exit};
use vgpu_manifest::unlock::{CommitId, GlibcVersion, LibraryRecord, UnlockRecord};
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{Digest, ItemName, Kind, Tree};

use super::build::{Built, build};
use super::cannot_make;
use super::crates::{self, Versions};
use super::fork::{self, Fit};
use super::workshop::Workshop;
use crate::cache::{BuiltBefore, CacheError};
use crate::items::git::{self, Reach, Selection};
use crate::items::source::{Changed, Sources};
use crate::items::tree;
use crate::lock::{Lock, LockedItem};
use crate::recipe::{Entry, FitCheck, Role};
use crate::types::{Build, Expected, GitOrigin, Origin, Pin, Toolchain};

/// The most bytes of a repository.
const MAX_SOURCES: ByteSize = ByteSize::new(512 << 20);

/// The context for building libraries.
#[derive(Clone, Copy)]
pub(crate) struct Making<'m> {
    pub(crate) sources: &'m Sources<'m>,
    pub(crate) entries: &'m [Entry],
    /// The target machines of the bundle.
    pub(crate) targets: Option<&'m Targets>,
    /// Returns the previous lock for an item that is not to be updated.
    pub(crate) kept: &'m dyn Fn(&ItemName) -> Option<&'m Lock>,
}

/// Refuses commits that the catalog records for other drivers than the target, before they are
/// fetched.
pub(crate) fn check_targets(entries: &[Entry], targets: Option<&Targets>) -> anyhow::Result<()> {
    for entry in entries {
        let (Role::Unlock { fit: FitCheck::Required }, Some(origin)) =
            (&entry.role, entry.origin.git())
        else {
            continue;
        };
        let Some(commit) = origin.revision.commit() else { continue };
        if let Fit::Bad(why) = fork::judge(&Catalog::embedded(), commit, targets, &[]) {
            return Err(Exit::Unsuitable.error(why).into());
        }
    }
    Ok(())
}

/// Builds the unlock libraries among the entries and their sources, and returns the inputs of each.
///
/// Their pins are replaced by those of the results.
pub(crate) fn records(
    making: Making<'_>,
    pins: &mut [Pin],
) -> anyhow::Result<BTreeMap<ItemName, Build>> {
    let mut builds = BTreeMap::new();
    for (at, entry) in making.entries.iter().enumerate() {
        let (Role::Unlock { fit }, Some(origin)) = (&entry.role, entry.origin.git()) else {
            continue;
        };
        let name = &entry.name;
        let commit = origin.revision.commit().cloned();
        let commit = commit.ok_or_else(|| git::unresolved(origin));
        let commit = commit.with_context(|| cannot_make(name))?;
        let drivers: Vec<&DriverRecord> = pins.iter().filter_map(|pin| pin.kind.driver()).collect();
        making.check_fit(name, &commit, &drivers, *fit)?;
        let library = making.library_of(name);
        let ((source, build), made) = match making.known(entry, library) {
            Some(known) => known,
            None => making.make(entry, origin, &commit, library)?,
        };
        pins[at] = source;
        builds.insert(name.clone(), build);
        if let Some(((at, name, _), (pin, build))) = library.zip(made) {
            pins[at] = pin;
            builds.insert(name.clone(), build);
        }
    }
    Ok(builds)
}

/// An item, and how it was made.
type Made = (Pin, Build);

/// A wanted library: the index of its entry, its name, and the glibc of its hosts.
type Wanted<'m> = (usize, &'m ItemName, GlibcVersion);

impl<'m> Making<'m> {
    fn check_fit(
        self,
        name: &ItemName,
        commit: &CommitId,
        drivers: &[&DriverRecord],
        fit: FitCheck,
    ) -> anyhow::Result<()> {
        let ui = self.sources.fetcher.ui;
        match (fork::judge(&self.sources.catalog.catalog, commit, self.targets, drivers), fit) {
            (Fit::Good, _) => {}
            (Fit::Doubted(why), _) => ui.note(format_args!("{name}: {why}")),
            (Fit::Bad(why), FitCheck::Waived) => {
                ui.say(format_args!("warning: {name}: {why}, which the recipe does"));
            }
            (Fit::Bad(why), FitCheck::Required) => return Err(Exit::Unsuitable.error(why).into()),
        }
        Ok(())
    }

    /// Returns the library to build from these sources.
    fn library_of(self, source: &ItemName) -> Option<Wanted<'m>> {
        self.entries.iter().enumerate().find_map(|(at, entry)| match &entry.role {
            Role::Library { of, glibc } if of == source => Some((at, &entry.name, *glibc)),
            _ => None,
        })
    }

    /// Returns the result in the previous lock for the same sources and library.
    fn known(self, entry: &Entry, library: Option<Wanted<'_>>) -> Option<(Made, Option<Made>)> {
        let lock = (self.kept)(&entry.name)?;
        lock.serving(entry)?;
        let made = |name: &ItemName| {
            let item = (self.kept)(name)?.known(name)?;
            Some((item.pin(), item.build.clone()?))
        };
        let source = made(&entry.name)?;
        let Some((_, name, wanted)) = library else { return Some((source, None)) };
        let library = made(name)?;
        let is_same = matches!(&library.1, Build::Library { glibc, .. } if *glibc == wanted);
        let is_of = library.0.kind.library_of(&entry.name).is_some();
        (is_same && is_of).then_some((source, Some(library)))
    }

    fn make(
        self,
        entry: &Entry,
        origin: &GitOrigin,
        commit: &CommitId,
        library: Option<Wanted<'_>>,
    ) -> anyhow::Result<(Made, Option<Made>)> {
        // Another version of this program may pack differently, but crates keep their versions.
        let before = (self.kept)(&entry.name).and_then(|lock| lock.serving(entry));
        let kept = match before.and_then(|item| item.build.as_ref()) {
            Some(Build::Sources { cargo_lock }) => cargo_lock.as_deref(),
            _ => None,
        };
        let want = expected(&entry.name, None);
        let (pin, tree, versions) = make_sources(self.sources, origin, kept, want)
            .with_context(|| cannot_make(&entry.name))?;
        let cargo_lock = match versions {
            Versions::Committed => None,
            Versions::Kept(text) => Some(text),
        };
        let id = fork::library_of(&self.sources.catalog.catalog, commit)
            .map(|library| library.id.clone());
        let record = UnlockRecord { commit: commit.clone(), library: id, tree };
        let made = library.map(|(_, name, wanted)| {
            let make = || {
                let tools = Toolchain::find()?;
                let source = (pin.sha256, tree);
                let (pin, glibc) = build_or_reuse(self.sources, name, source, &tools, wanted)?;
                anyhow::Ok((pin, glibc, tools))
            };
            let (pin, glibc, tools) = make().with_context(|| cannot_make(name))?;
            let record = LibraryRecord { source: entry.name.clone(), glibc };
            let pin = Pin { kind: Kind::UnlockLibrary(record), ..pin };
            anyhow::Ok((pin, Build::Library { glibc: wanted, tools }))
        });
        let source = Pin { kind: Kind::UnlockSource(record), ..pin };
        Ok(((source, Build::Sources { cargo_lock }), made.transpose()?))
    }
}

/// Rebuilds an item into the cache, unless it is there.
pub(crate) fn make_again(
    sources: &Sources<'_>,
    lock: &Lock,
    item: &LockedItem,
) -> anyhow::Result<()> {
    let cache = sources.fetcher.cache;
    if cache.cache().has(item.sha256) {
        cache.touch(item.sha256, SystemTime::now());
        return Ok(());
    }
    let made = if let Some(Build::Library { glibc, tools }) = &item.build {
        library_again(sources, lock, item, *glibc, tools)
    } else {
        let known = lock.known(&item.name).context(NO_RECORD);
        known.and_then(|item| sources_again(sources, item)).map(drop)
    };
    made.with_context(|| cannot_make(&item.name))
}

fn sources_again(sources: &Sources<'_>, item: &LockedItem) -> anyhow::Result<(Digest, Tree)> {
    let (Origin::Git(origin), Some(Build::Sources { cargo_lock })) = (&item.origin, &item.build)
    else {
        bail!(NO_RECORD);
    };
    let tree = item.kind.tree().context(NO_RECORD)?;
    if !sources.fetcher.cache.cache().has(item.sha256) {
        let want = expected(&item.name, Some(item.sha256));
        let made = make_sources(sources, origin, cargo_lock.as_deref(), want);
        made.map_err(|error| {
            if error.is::<Changed>() {
                return error.context(
                    "the rebuilt sources differ from the locked ones; use the version of cargo that made the lock, or run `vgpu-bundler lock`",
                );
            }
            error
        })?;
    }
    Ok((item.sha256, tree))
}

fn library_again(
    sources: &Sources<'_>,
    lock: &Lock,
    item: &LockedItem,
    glibc: GlibcVersion,
    locked: &Toolchain,
) -> anyhow::Result<()> {
    let Kind::UnlockLibrary(record) = &item.kind else { bail!(NO_RECORD) };
    let source = lock.known(&record.source).context(NO_RECORD)?;
    let source = sources_again(sources, source)?;
    let tools = Toolchain::find()?;
    let built = make_library(sources, &item.name, source, &tools, glibc)?;
    match keep(sources, &built.bytes, Some(item.sha256)) {
        Err(error @ CacheError::Mismatch(_)) => {
            Err(error).with_context(|| format!(
                "the rebuilt library differs from the locked one, which was made with {locked}, but here is {tools}; use the same tools, or run `vgpu-bundler lock`"
            ))
        }
        kept => Ok(kept.map(drop)?),
    }
}

const NO_RECORD: &str = "the lock has no build record for it; run `vgpu-bundler lock`";

/// Adds the sources of a commit with all crates to the cache, as one tree.
fn make_sources(
    sources: &Sources<'_>,
    origin: &GitOrigin,
    kept: Option<&str>,
    want: Expected<'_>,
) -> anyhow::Result<(Pin, Tree, Versions)> {
    let reach = match sources.fetcher.client {
        Some(_) => Reach::Network,
        None => Reach::Here,
    };
    let workshop = Workshop::new()?;
    let all = Selection { folder: None, exclude: &[], cap: MAX_SOURCES };
    sources.check_out(origin, all, &workshop.sources())?;
    let transfer = sources.fetcher.ui.transfer("crates", want.name.as_str());
    let versions = crates::add(&workshop, kept, reach, &mut |line| transfer.pulse(line))?;
    drop(transfer);
    let pin = sources.pack(&workshop.sources(), want)?;
    let tree = pin.kind.tree().context(NO_RECORD)?;
    Ok((pin, tree, versions))
}

/// Returns the library from these sources, built unless an earlier run has built the same.
fn build_or_reuse(
    sources: &Sources<'_>,
    name: &ItemName,
    source: (Digest, Tree),
    tools: &Toolchain,
    wanted: GlibcVersion,
) -> anyhow::Result<(Pin, GlibcVersion)> {
    let cache = sources.fetcher.cache;
    // Strings and versions always have a JSON form.
    let inputs = serde_json::to_vec(&(source.0, tools, wanted)).unwrap_or_default();
    let inputs = Digest::of(&inputs);
    if let Some(BuiltBefore { sha256, glibc }) = cache.built_before(inputs) {
        cache.touch(sha256, SystemTime::now());
        let measured = cache.measured(sha256)?;
        sources.fetcher.ui.note(format_args!("build {name}: built before, taken from the cache"));
        return Ok((Pin::plain(&measured), glibc));
    }
    let Built { bytes, glibc } = make_library(sources, name, source, tools, wanted)?;
    let pin = keep(sources, &bytes, None)?;
    cache.record_build(inputs, BuiltBefore { sha256: pin.sha256, glibc })?;
    Ok((pin, glibc))
}

/// Builds the library from the tree of its sources only.
fn make_library(
    sources: &Sources<'_>,
    name: &ItemName,
    (source, tree): (Digest, Tree),
    tools: &Toolchain,
    glibc: GlibcVersion,
) -> anyhow::Result<Built> {
    let workshop = Workshop::new()?;
    let archive = sources.fetcher.cache.cache().open_content(source)?;
    tree::unpack(archive, tree.unpacked, &workshop.sources())?;
    let transfer = sources.fetcher.ui.transfer("build", name.as_str());
    transfer.note("compiling, which takes minutes");
    let built = build(&workshop, tools, glibc, &mut |line| transfer.pulse(line))?;
    transfer.done(built.bytes.len() as u64);
    Ok(built)
}

fn keep(sources: &Sources<'_>, bytes: &[u8], digest: Option<Digest>) -> Result<Pin, CacheError> {
    let mut incoming = sources.fetcher.cache.incoming()?;
    incoming.add(bytes)?;
    let measured = incoming.finish(digest)?;
    Ok(Pin::plain(&measured))
}

fn expected(name: &ItemName, sha256: Option<Digest>) -> Expected<'_> {
    Expected { name, sha256, size: None, cap: MAX_SOURCES }
}
