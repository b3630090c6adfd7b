//! From what a recipe wants of unlock libraries to what the lock says of them, and back to bytes.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use vgpu_manifest::catalog::Catalog;
use vgpu_manifest::driver::DriverRecord;
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::ui::Exit;
use vgpu_manifest::unlock::{BuiltLibrary, CommitId, GlibcVersion, UnlockRecord};
use vgpu_manifest::verdict::Targets;
use vgpu_manifest::{Content, Digest, ItemName};

use super::build::{Built, build};
use super::crates::{self, Versions};
use super::error::{UnlockError, Why};
use super::fork::{self, Fit};
use super::toolchain::Toolchain;
use super::workshop::Workshop;
use crate::cache::CacheError;
use crate::git::{GitError, GitOrigin, Reach, Selection};
use crate::lock::{Lock, LockedItem, Pin};
use crate::recipe::{Entry, FitCheck, Role};
use crate::source::{Expected, Origin, SourceError, Sources};
use crate::tree;

/// What it takes to make an unlock library and its sources again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct BuildRecord {
    /// The item that is the sources.
    pub(crate) source: ItemName,
    /// The `Cargo.lock` that the commit lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cargo_lock: Option<String>,
    /// How the library was built, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) library: Option<LibraryRecord>,
}

/// How a library was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct LibraryRecord {
    /// The item that is the library.
    pub(crate) item: ItemName,
    /// The glibc of the hosts that it is for.
    pub(crate) glibc: GlibcVersion,
    /// What built it.
    pub(crate) tools: Toolchain,
}

/// The most bytes that a repository may have.
const MAX_SOURCES: ByteSize = ByteSize::new(512 << 20);

/// What making libraries needs.
#[derive(Clone, Copy)]
pub(crate) struct Making<'m> {
    /// The repositories and the cache.
    pub(crate) sources: &'m Sources<'m>,
    /// What is wanted.
    pub(crate) entries: &'m [Entry],
    /// The machines that the bundle is made for.
    pub(crate) targets: Option<&'m Targets>,
    /// What is known of the drivers in it.
    pub(crate) drivers: &'m [DriverRecord],
    /// What there was before, for those items that are to stay as they are.
    pub(crate) kept: &'m dyn Fn(&ItemName) -> Option<&'m Lock>,
}

/// What the unlock libraries among the entries are, and how they were made. Their pins become those
/// of what was made.
pub(crate) fn records(
    making: Making<'_>,
    pins: &mut [Pin],
) -> anyhow::Result<(Vec<UnlockRecord>, Vec<BuildRecord>)> {
    let (mut records, mut builds) = (Vec::new(), Vec::new());
    for (at, entry) in making.entries.iter().enumerate() {
        let (Role::Unlock { fit }, Some(origin)) = (&entry.role, entry.origin.git()) else {
            continue;
        };
        let name = &entry.name;
        let refuse = |why: Why| UnlockError::new(name, why);
        let commit = origin.revision.commit().cloned();
        let commit = commit.ok_or_else(|| refuse(GitError::Open(origin.to_string()).into()))?;
        making.check_fit(name, &commit, *fit)?;
        let library = making.library_of(name);
        let made = match making.known(entry, library) {
            Some(known) => known,
            None => making.make(entry, origin, library)?,
        };
        pins[at] = made.source;
        let built = library.zip(made.library).map(|((at, _, _), (pin, built))| {
            pins[at] = pin;
            built
        });
        let id = fork::library_of(&Catalog::embedded(), &commit).map(|library| library.id.clone());
        records.push(UnlockRecord { source: name.clone(), commit, library: id, built });
        builds.push(made.record);
    }
    Ok((records, builds))
}

/// A library and its sources.
struct Made {
    source: Pin,
    library: Option<(Pin, BuiltLibrary)>,
    record: BuildRecord,
}

/// Where a library is wanted: which entry, its name, and the glibc of its hosts.
type Wanted<'m> = (usize, &'m ItemName, GlibcVersion);

impl<'m> Making<'m> {
    fn check_fit(self, name: &ItemName, commit: &CommitId, fit: FitCheck) -> anyhow::Result<()> {
        let ui = self.sources.fetcher.ui;
        match (fork::judge(&Catalog::embedded(), commit, self.targets, self.drivers), fit) {
            (Fit::Good, _) => {}
            (Fit::Doubted(why), _) => ui.note(format_args!("{name}: {why}")),
            (Fit::Bad(why), FitCheck::Waived) => {
                ui.say(format_args!("warning: {name}: {why}, which the recipe does"));
            }
            (Fit::Bad(why), FitCheck::Required) => return Err(Exit::Unsuitable.error(why).into()),
        }
        Ok(())
    }

    /// The library that is to be built of these sources.
    fn library_of(self, source: &ItemName) -> Option<Wanted<'m>> {
        self.entries.iter().enumerate().find_map(|(at, entry)| match &entry.role {
            Role::Library { of, glibc } if of == source => Some((at, &entry.name, *glibc)),
            _ => None,
        })
    }

    /// What the previous lock says of the same sources and the same library.
    fn known(self, entry: &Entry, library: Option<Wanted<'_>>) -> Option<Made> {
        let lock = (self.kept)(&entry.name)?;
        lock.locked_origin(entry)?;
        let (build, source) = lock.build_of(&entry.name)?;
        let mut record = build.clone();
        let mut made = None;
        if let Some((_, name, glibc)) = library {
            (self.kept)(name)?;
            let same = build.library.as_ref().filter(|it| it.item == *name && it.glibc == glibc);
            same?;
            let known = lock.unlock.iter().find(|record| record.source == entry.name)?;
            let locked = lock.items.iter().find(|item| item.name == *name)?;
            made = Some((pin_of(locked), known.built.clone()?));
        } else {
            record.library = None;
        }
        Some(Made { source: pin_of(source), library: made, record })
    }

    fn make(
        self,
        entry: &Entry,
        origin: &GitOrigin,
        library: Option<Wanted<'_>>,
    ) -> Result<Made, UnlockError> {
        let refuse = |why: Why| UnlockError::new(&entry.name, why);
        // Another version of our program packs otherwise, but crates keep their versions.
        let lock = (self.kept)(&entry.name).filter(|lock| lock.locked_origin(entry).is_some());
        let build = lock.and_then(|lock| lock.builds.iter().find(|it| it.source == entry.name));
        let kept = build.and_then(|build| build.cargo_lock.as_deref());
        let want = expected(&entry.name, None);
        let (source, versions) = make_sources(self.sources, origin, kept, want).map_err(refuse)?;
        let cargo_lock = match versions {
            Versions::Committed => None,
            Versions::Kept(text) => Some(text),
        };
        let mut record = BuildRecord { source: entry.name.clone(), cargo_lock, library: None };
        let mut made = None;
        if let Some((_, name, glibc)) = library {
            let refuse = |why: Why| UnlockError::new(name, why);
            let tools = Toolchain::find().map_err(|lacking| refuse(lacking.into()))?;
            let Built { bytes, glibc: oldest } =
                make_library(self.sources, name, source, &tools, glibc).map_err(refuse)?;
            let pin = keep(self.sources, &bytes, None).map_err(|error| refuse(error.into()))?;
            made = Some((pin, BuiltLibrary { item: name.clone(), glibc: oldest }));
            record.library = Some(LibraryRecord { item: name.clone(), glibc, tools });
        }
        Ok(Made { source, library: made, record })
    }
}

/// Whether an item is made: the sources of an unlock library, or one.
#[must_use]
pub(crate) fn is_made(lock: &Lock, item: &LockedItem) -> bool {
    let is_it = |build: &BuildRecord| build.source == item.name || build.makes(&item.name);
    lock.builds.iter().any(is_it)
}

/// Get an item that is made into the cache again, unless it is there.
pub(crate) fn make_again(
    sources: &Sources<'_>,
    lock: &Lock,
    item: &LockedItem,
) -> Result<(), UnlockError> {
    let cache = sources.fetcher.cache;
    if cache.cache().has(item.sha256) {
        cache.touch(item.sha256, SystemTime::now());
        return Ok(());
    }
    let build = lock.builds.iter().find(|build| build.makes(&item.name));
    let made = match build {
        Some(build) => library_again(sources, lock, item, build),
        None => sources_again(sources, lock, &item.name).map(drop),
    };
    made.map_err(|why| UnlockError::new(&item.name, why))
}

impl BuildRecord {
    /// Whether this item is the library.
    fn makes(&self, item: &ItemName) -> bool {
        self.library.as_ref().is_some_and(|library| library.item == *item)
    }
}

fn sources_again(sources: &Sources<'_>, lock: &Lock, name: &ItemName) -> Result<Pin, Why> {
    let (build, item) = lock.build_of(name).ok_or(Why::NoRecord)?;
    if sources.fetcher.cache.cache().has(item.sha256) {
        return Ok(pin_of(item));
    }
    let Origin::Git(origin) = &item.origin else { return Err(Why::NoRecord) };
    let want = expected(name, Some(item.sha256));
    let made = make_sources(sources, origin, build.cargo_lock.as_deref(), want);
    match made {
        Err(Why::Source(error)) if matches!(*error, SourceError::OtherCommit { .. }) => {
            Err(Why::OtherSources(error))
        }
        made => made.map(|(pin, _)| pin),
    }
}

fn library_again(
    sources: &Sources<'_>,
    lock: &Lock,
    item: &LockedItem,
    how: &BuildRecord,
) -> Result<(), Why> {
    let record = how.library.as_ref().ok_or(Why::NoRecord)?;
    let source = sources_again(sources, lock, &how.source)?;
    let tools = Toolchain::find()?;
    let built = make_library(sources, &item.name, source, &tools, record.glibc)?;
    match keep(sources, &built.bytes, Some(item.sha256)) {
        Err(source @ CacheError::Mismatch(_)) => {
            let (locked, here) = (record.tools.to_string(), tools.to_string());
            Err(Why::OtherLibrary { locked, here, source })
        }
        kept => Ok(kept.map(drop)?),
    }
}

/// The sources of a commit with all crates, as one tree in the cache.
fn make_sources(
    sources: &Sources<'_>,
    origin: &GitOrigin,
    kept: Option<&str>,
    want: Expected<'_>,
) -> Result<(Pin, Versions), Why> {
    let reach = match sources.fetcher.client {
        Some(_) => Reach::Network,
        None => Reach::Here,
    };
    let workshop = Workshop::new()?;
    let all = Selection { folder: None, exclude: &[], cap: MAX_SOURCES };
    sources.check_out(origin, all, &workshop.sources())?;
    let transfer = sources.fetcher.ui.transfer("crates", want.name.as_str());
    let versions = crates::add(&workshop, kept, reach)?;
    drop(transfer);
    let obtained = sources.pack(&workshop.sources(), want)?;
    Ok((Pin::from(&obtained), versions))
}

/// The library, built from nothing but the tree of its sources.
fn make_library(
    sources: &Sources<'_>,
    name: &ItemName,
    source: Pin,
    tools: &Toolchain,
    glibc: GlibcVersion,
) -> Result<Built, Why> {
    let Content::Tree { unpacked, .. } = source.content else { return Err(Why::NoRecord) };
    let workshop = Workshop::new()?;
    let archive = sources.fetcher.cache.cache().open_content(source.sha256)?;
    tree::unpack(archive, unpacked, &workshop.sources())?;
    let transfer = sources.fetcher.ui.transfer("build", name.as_str());
    let built = build(&workshop, tools, glibc)?;
    transfer.done(built.bytes.len() as u64);
    Ok(built)
}

fn keep(sources: &Sources<'_>, bytes: &[u8], digest: Option<Digest>) -> Result<Pin, CacheError> {
    let mut incoming = sources.fetcher.cache.incoming()?;
    incoming.add(bytes)?;
    let measured = incoming.finish(digest)?;
    Ok(Pin { size: measured.size, sha256: measured.sha256, content: Content::Plain })
}

fn expected(name: &ItemName, sha256: Option<Digest>) -> Expected<'_> {
    Expected { name, sha256, size: None, cap: MAX_SOURCES }
}

fn pin_of(item: &LockedItem) -> Pin {
    Pin { size: item.size, sha256: item.sha256, content: item.content }
}
