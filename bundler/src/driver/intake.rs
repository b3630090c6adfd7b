use std::fs::File;

use vgpu_manifest::catalog::{Catalog, Md5};
use vgpu_manifest::driver::{ArchiveMember, DriverKind, DriverRecord, PackageFile, PatchRecord};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Content, Digest, ItemName};

use super::refusal::{Refusal, RefusalError};
use super::{
    DriverError, Examined, FileName, Known, Package, Portal, check_windows, config_again, is_zip,
    patches,
};
use crate::cache::CacheError;
use crate::lock::{Lock, Pin};
use crate::recipe::{Entry, Role};
use crate::source::{Expected, Origin, Sources};

/// What the drivers among `entries` are, which turned out to be `pins`: taken out of their
/// archives, looked into, and proven to take their patches.
///
/// The pin of a driver that comes in an archive becomes that of the driver itself. What the
/// `previous` lock has found out about the same bytes is not found out again.
pub(crate) fn records(
    sources: &Sources<'_>,
    entries: &[Entry],
    pins: &mut [Pin],
    previous: Option<&Lock>,
) -> Result<Vec<DriverRecord>, RefusalError> {
    let mut records = Vec::new();
    for at in 0..entries.len() {
        let Role::Driver(kind) = entries[at].role else { continue };
        let intake = Intake { sources, entry: &entries[at], kind, previous };
        if kind == DriverKind::ConfigOnly {
            let (pin, record) = intake.config_only(pins[at])?;
            pins[at] = pin;
            records.push(record);
            continue;
        }
        let (pin, archive) = intake.unpack(pins[at], kind)?;
        pins[at] = pin;
        let patches = entries.iter().zip(&*pins).filter(
            |(entry, _)| matches!(&entry.role, Role::Patch { of } if *of == entries[at].name),
        );
        let patches: Vec<(&Entry, Pin)> = patches.map(|(entry, pin)| (entry, *pin)).collect();
        let record = match intake.known(pin, archive.as_ref(), &patches) {
            Some(record) => record.clone(),
            None => intake.examine(pin, archive, &patches)?,
        };
        records.push(record);
    }
    Ok(records)
}

/// Take the driver that is wanted as `pin` out of its archive again.
pub(crate) fn unpack_again(
    sources: &Sources<'_>,
    item: &ItemName,
    origin: &Origin,
    archive: &ArchiveMember,
    driver: Digest,
) -> Result<(), RefusalError> {
    let refuse = |refusal| RefusalError::new(item, refusal);
    let ArchiveMember { sha256, size, member } = archive;
    let cap = ByteSize::new(*size);
    let want = Expected { name: item, sha256: Some(*sha256), size: Some(*size), cap };
    let have = sources.fetcher.cache.cache().has(*sha256);
    if !have {
        sources.obtain(origin, want).map_err(|error| RefusalError::new(item, error))?;
    }
    let file = open(sources, *sha256).map_err(refuse)?;
    let mut portal = Portal::open(file, "").map_err(|error| RefusalError::new(item, error))?;
    extract(sources, item, &mut portal, member.as_str(), Some(driver)).map(drop).map_err(refuse)
}

/// A driver on its way into a lock.
#[derive(Clone, Copy)]
struct Intake<'i> {
    sources: &'i Sources<'i>,
    entry: &'i Entry,
    kind: DriverKind,
    previous: Option<&'i Lock>,
}

impl Intake<'_> {
    fn refuse(&self, refusal: impl Into<Refusal>) -> RefusalError {
        RefusalError::new(&self.entry.name, refusal)
    }

    /// The driver itself, and the archive that it came in, if it did.
    fn unpack(
        &self,
        mut pin: Pin,
        wanted: DriverKind,
    ) -> Result<(Pin, Option<ArchiveMember>), RefusalError> {
        let known = self.previous.and_then(|lock| lock.driver_of(&self.entry.name));
        if let Some((DriverRecord { archive: Some(archive), kind, .. }, locked)) = known {
            let is_driver = pin.sha256 == locked.sha256;
            let driver = Pin { size: locked.size, sha256: locked.sha256, ..pin };
            let is_here = pin.sha256 == archive.sha256 && self.has(locked.sha256);
            if *kind == self.kind && (is_driver || is_here) {
                return Ok((driver, Some(archive.clone())));
            }
            if is_driver {
                // The pin was kept, but now another driver of the archive is wanted.
                pin = Pin { size: archive.size, sha256: archive.sha256, ..pin };
            }
        }
        make_present(self.sources, self.entry, pin)?;
        let mut file = open(self.sources, pin.sha256).map_err(|error| self.refuse(error))?;
        if !is_zip(&mut file).map_err(|error| self.refuse(error))? {
            return Ok((pin, None));
        }
        let source = self.entry.origin.to_string();
        let mut portal = Portal::open(file, &source).map_err(|error| self.refuse(error))?;
        let name = portal.find(wanted).map_err(|error| self.refuse(error))?;
        let driver = extract(self.sources, &self.entry.name, &mut portal, &name, None)
            .map_err(|error| self.refuse(error))?;
        let member = name.parse().map_err(|error| self.refuse(Refusal::MemberName(error)))?;
        Ok((driver, Some(ArchiveMember { sha256: pin.sha256, size: pin.size, member })))
    }

    fn has(&self, digest: Digest) -> bool {
        self.sources.fetcher.cache.cache().has(digest)
    }

    /// The `vgpuConfig.xml` of a host driver, and nothing else of it.
    fn config_only(&self, pin: Pin) -> Result<(Pin, DriverRecord), RefusalError> {
        let known = self.previous.and_then(|lock| lock.driver_of(&self.entry.name));
        if let Some((record, locked)) = known.filter(|(record, _)| record.kind == self.kind) {
            // The pin was kept, or is that of the same package, or of the same archive, again.
            let package = record.package.map(|package| package.sha256);
            let archive = record.archive.as_ref().map(|archive| archive.sha256);
            if [Some(locked.sha256), package, archive].contains(&Some(pin.sha256)) {
                let item = Pin { size: locked.size, sha256: locked.sha256, ..pin };
                let known = Known { record, origin: &self.entry.origin, pin: item };
                config_again(self.sources, known, locked.sha256)?;
                return Ok((item, record.clone()));
            }
        }
        let (package, archive) = self.unpack(pin, DriverKind::Host)?;
        let host = Intake { kind: DriverKind::Host, ..*self };
        let record = host.examine(package, archive, &[])?;
        let sha256 = record.config.ok_or_else(|| self.refuse(DriverError::NoConfig))?;
        let measured = self.sources.fetcher.cache.measured(sha256);
        let size = measured.map_err(|error| self.refuse(error))?.size;
        let package = Some(PackageFile { sha256: package.sha256, size: package.size });
        let item = Pin { size, sha256, content: Content::Plain };
        Ok((item, DriverRecord { kind: self.kind, package, ..record }))
    }

    /// What the previous lock says of the same driver with the same patches.
    fn known(
        &self,
        pin: Pin,
        archive: Option<&ArchiveMember>,
        patches: &[(&Entry, Pin)],
    ) -> Option<&DriverRecord> {
        let lock = self.previous?;
        let (record, locked) = lock.driver_of(&self.entry.name)?;
        let same_patches = record
            .patches
            .iter()
            .map(|patch| &patch.item)
            .eq(patches.iter().map(|(entry, _)| &entry.name))
            && patches.iter().all(|(entry, pin)| lock.has_item(&entry.name, pin.sha256));
        let same = locked.sha256 == pin.sha256
            && record.kind == self.kind
            && record.archive.as_ref() == archive
            && same_patches;
        same.then_some(record)
    }

    /// Look into the driver, and prove its patches.
    fn examine(
        &self,
        pin: Pin,
        archive: Option<ArchiveMember>,
        patches: &[(&Entry, Pin)],
    ) -> Result<DriverRecord, RefusalError> {
        if let Some(archive) = archive.as_ref().filter(|_| !self.has(pin.sha256)) {
            let Entry { name, origin, .. } = self.entry;
            unpack_again(self.sources, name, origin, archive, pin.sha256)?;
        }
        make_present(self.sources, self.entry, pin)?;
        let file = open(self.sources, pin.sha256).map_err(|error| self.refuse(error))?;
        let item = self.entry.name.clone();
        if self.kind == DriverKind::WindowsGuest {
            return self.examine_windows(file, archive);
        }
        let transfer = self.sources.fetcher.ui.transfer("examine", item.as_str());
        let package = Package::open(file).map_err(|error| self.refuse(error))?;
        package.expect(self.kind).map_err(|error| self.refuse(error))?;
        if !package.is_original() {
            let ui = self.sources.fetcher.ui;
            ui.note(format_args!(
                "item `{item}` is not as NVIDIA made it: somebody has patched it"
            ));
        }
        let version = package.version().clone();
        let known = self.published_md5(&package);
        let parsed = patches::load(self.sources, patches, &item, &version)?;
        let examined = package
            .examine(known, &parsed)
            .map_err(|error| self.refuse(Refusal::examined(error, &version, patches, &parsed)))?;
        transfer.done(pin.size);
        let Examined { config, proofs } = examined;
        let record =
            |(entry, files): (&(&Entry, Pin), _)| PatchRecord { item: entry.0.name.clone(), files };
        let patches = patches.iter().zip(proofs).map(record).collect();
        let gpus = config.as_ref().map(|config| config.parsed.devices()).unwrap_or_default();
        let kept = config.as_ref().map(|config| keep(self.sources, &config.bytes));
        let config = kept.transpose().map_err(|error| self.refuse(error))?;
        let (kind, package) = (self.kind, None);
        Ok(DriverRecord { item, version, kind, config, gpus, archive, package, patches })
    }

    /// All that can be known of a driver for Windows is what its file is called.
    fn examine_windows(
        &self,
        mut file: File,
        archive: Option<ArchiveMember>,
    ) -> Result<DriverRecord, RefusalError> {
        check_windows(&mut file).map_err(|error| self.refuse(error))?;
        let item = self.entry.name.clone();
        let member = archive.as_ref().map(|archive| FileName::of(archive.member.as_str()));
        let names = [
            member,
            Some(FileName::of(&self.entry.origin.to_string())),
            Some(FileName::of(item.as_str())),
        ];
        let version = names.into_iter().flatten().find_map(|name| match name {
            FileName::Driver(DriverKind::WindowsGuest, version) => Some(version),
            _ => None,
        });
        let version = version.ok_or_else(|| self.refuse(Refusal::NoVersion))?;
        let (kind, config, gpus, patches) = (self.kind, None, Vec::new(), Vec::new());
        let package = None;
        Ok(DriverRecord { item, version, kind, config, gpus, archive, package, patches })
    }

    /// The MD5 under which a host driver is known, unless the recipe says itself what it must be.
    fn published_md5(&self, package: &Package) -> Option<Md5> {
        let is_open = self.entry.sha256.is_none() && package.is_original();
        if !is_open || package.kind() != DriverKind::Host {
            return None;
        }
        Catalog::embedded().drivers_by_host(package.version()).find_map(|driver| driver.md5)
    }
}

/// Keep a `vgpuConfig.xml` in the cache, so that the driver need not be unpacked for it again.
pub(super) fn keep(sources: &Sources<'_>, bytes: &[u8]) -> Result<Digest, CacheError> {
    let mut incoming = sources.fetcher.cache.incoming()?;
    incoming.add(bytes)?;
    incoming.finish(Some(Digest::of(bytes))).map(|measured| measured.sha256)
}

/// Get the bytes into the cache. A pin that was kept says what they are, but they may be gone.
pub(super) fn make_present(
    sources: &Sources<'_>,
    entry: &Entry,
    pin: Pin,
) -> Result<(), RefusalError> {
    if sources.fetcher.cache.cache().has(pin.sha256) {
        return Ok(());
    }
    let Entry { name, origin, .. } = entry;
    let cap = ByteSize::new(pin.size);
    let want = Expected { name, sha256: Some(pin.sha256), size: Some(pin.size), cap };
    sources.obtain(origin, want).map(drop).map_err(|error| RefusalError::new(name, error))
}

pub(super) fn open(sources: &Sources<'_>, digest: Digest) -> Result<File, Refusal> {
    Ok(sources.fetcher.cache.cache().open_content(digest)?)
}

/// Put a member of an archive into the cache.
fn extract(
    sources: &Sources<'_>,
    item: &ItemName,
    portal: &mut Portal,
    member: &str,
    expected: Option<Digest>,
) -> Result<Pin, Refusal> {
    let transfer = sources.fetcher.ui.transfer("unpack", item.as_str());
    let mut incoming = sources.fetcher.cache.incoming()?;
    portal.extract(member, &mut incoming, &|n| transfer.advance(n as u64))?;
    let measured = incoming.finish(expected)?;
    transfer.done(measured.size);
    Ok(Pin { size: measured.size, sha256: measured.sha256, content: Content::Plain })
}
