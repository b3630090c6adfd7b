use std::fs::File;

use anyhow::{Context as _, bail};
use vgpu_manifest::catalog::{Catalog, DriverVersion, Md5, NameOf};
use vgpu_manifest::driver::{
    ArchiveMember, DriverKind, DriverRecord, PackageFile, PatchRecord, Variant,
};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{Digest, ItemName, Kind};

use super::config::NO_CONFIG;
use super::walk::Proof;
use super::{
    Examined, Known, Package, Portal, check_windows, config_again, is_zip, patches, unusable,
};
use crate::cache::CacheError;
use crate::items::source::Sources;
use crate::lock::{Lock, LockedItem};
use crate::recipe::{Entry, Role};
use crate::types::{Expected, FileName, Origin, Pin};

/// Extracts the drivers among `entries` from their archives, examines them, and applies their
/// patches.
///
/// Adds records to the pins of drivers and patches. The pin of a driver in an archive becomes the
/// pin of the driver itself. Bytes that the `previous` lock describes are not examined again.
pub(crate) fn records(
    sources: &Sources<'_>,
    entries: &[Entry],
    pins: &mut [Pin],
    previous: Option<&Lock>,
) -> anyhow::Result<()> {
    for at in 0..entries.len() {
        let Role::Driver(kind) = entries[at].role else { continue };
        let intake = Intake { sources, entry: &entries[at], kind, previous };
        if kind == DriverKind::ConfigOnly {
            pins[at] = intake.config_only(&pins[at])?;
            continue;
        }
        let (pin, archive) = intake.unpack(&pins[at], kind)?;
        let is_for =
            |entry: &Entry| matches!(&entry.role, Role::Patch { of } if *of == entries[at].name);
        let patches = entries.iter().zip(&*pins).filter(|(entry, _)| is_for(entry));
        let patches: Vec<(&Entry, &Pin)> = patches.collect();
        let (record, files) = match intake.known(&pin, archive.as_ref(), &patches) {
            Some(known) => known,
            None => intake.examine(&pin, archive, &patches)?,
        };
        pins[at] = Pin { kind: Kind::Driver(record), ..pin };
        let patches = entries.iter().zip(&mut *pins).filter(|(entry, _)| is_for(entry));
        for ((_, patch), files) in patches.zip(files) {
            patch.kind = Kind::Patch(PatchRecord { driver: entries[at].name.clone(), files });
        }
    }
    Ok(())
}

/// Extracts the driver of `pin` from its archive again.
pub(crate) fn unpack_again(
    sources: &Sources<'_>,
    item: &ItemName,
    origin: &Origin,
    archive: &ArchiveMember,
    driver: Digest,
) -> anyhow::Result<()> {
    let ArchiveMember { sha256, size, member } = archive;
    let cap = ByteSize::new(*size);
    let want = Expected { name: item, sha256: Some(*sha256), size: Some(*size), cap };
    let have = sources.fetcher.cache.cache().has(*sha256);
    if !have {
        sources.obtain(origin, want).with_context(|| unusable(item))?;
    }
    let unpack = || {
        let mut portal = Portal::open(open(sources, *sha256)?, "")?;
        extract(sources, item, &mut portal, member.as_str(), Some(driver))
    };
    unpack().map(drop).with_context(|| unusable(item))
}

/// A driver during resolution.
#[derive(Clone, Copy)]
struct Intake<'i> {
    sources: &'i Sources<'i>,
    entry: &'i Entry,
    kind: DriverKind,
    previous: Option<&'i Lock>,
}

impl Intake<'_> {
    fn unusable(&self) -> String {
        unusable(&self.entry.name)
    }

    /// The driver itself, and the archive that contained it, if any.
    fn unpack(
        &self,
        pin: &Pin,
        wanted: DriverKind,
    ) -> anyhow::Result<(Pin, Option<ArchiveMember>)> {
        let mut pin = pin.clone();
        if let Some((DriverRecord { archive: Some(archive), kind, .. }, locked)) = self.before() {
            let is_driver = pin.sha256 == locked.sha256;
            let is_here = pin.sha256 == archive.sha256 && self.has(locked.sha256);
            if *kind == self.kind && (is_driver || is_here) {
                return Ok((locked.pin(), Some(archive.clone())));
            }
            if is_driver {
                // The pin was retained, but the recipe now asks for another driver of the archive.
                pin = Pin { size: archive.size, sha256: archive.sha256, ..pin };
            }
        }
        make_present(self.sources, self.entry, &pin)?;
        let mut file = open(self.sources, pin.sha256).with_context(|| self.unusable())?;
        if !is_zip(&mut file).with_context(|| self.unusable())? {
            return Ok((pin, None));
        }
        let source = self.entry.origin.to_string();
        let mut portal = Portal::open(file, &source).with_context(|| self.unusable())?;
        let name = portal.find(wanted).with_context(|| self.unusable())?;
        let driver = extract(self.sources, &self.entry.name, &mut portal, &name, None)
            .with_context(|| self.unusable())?;
        let member = name.parse().with_context(|| self.unusable())?;
        Ok((driver, Some(ArchiveMember { sha256: pin.sha256, size: pin.size, member })))
    }

    /// Returns the record of this driver in the previous lock.
    fn before(&self) -> Option<(&DriverRecord, &LockedItem)> {
        let locked = self.previous?.known(&self.entry.name)?;
        Some((locked.kind.driver()?, locked))
    }

    fn has(&self, digest: Digest) -> bool {
        self.sources.fetcher.cache.cache().has(digest)
    }

    /// Handles a request for the `vgpuConfig.xml` of a host driver only.
    fn config_only(&self, pin: &Pin) -> anyhow::Result<Pin> {
        if let Some((record, locked)) = self.before().filter(|(it, _)| it.kind == self.kind) {
            // The retained pin may be of the file, of its package, or of the archive around that.
            let package = record.package.map(|package| package.sha256);
            let archive = record.archive.as_ref().map(|archive| archive.sha256);
            if [Some(locked.sha256), package, archive].contains(&Some(pin.sha256)) {
                let Entry { name, origin, .. } = self.entry;
                let bytes = (locked.sha256, locked.size);
                config_again(self.sources, Known { name, record, origin, bytes }, locked.sha256)?;
                return Ok(locked.pin());
            }
        }
        let (package, archive) = self.unpack(pin, DriverKind::Host)?;
        let host = Intake { kind: DriverKind::Host, ..*self };
        let (record, _) = host.examine(&package, archive, &[])?;
        let sha256 = record.config.context(NO_CONFIG).with_context(|| self.unusable())?;
        let measured = self.sources.fetcher.cache.measured(sha256);
        let size = measured.with_context(|| self.unusable())?.size;
        let package = Some(PackageFile { sha256: package.sha256, size: package.size });
        let kind = Kind::Driver(DriverRecord { kind: self.kind, package, ..record });
        Ok(Pin { size, sha256, kind })
    }

    /// Returns the record of the same driver with the same patches in the previous lock.
    fn known(
        &self,
        pin: &Pin,
        archive: Option<&ArchiveMember>,
        patches: &[(&Entry, &Pin)],
    ) -> Option<(DriverRecord, Vec<Proof>)> {
        let (record, locked) = self.before()?;
        let items = self.previous?.items.iter();
        let had = items.filter_map(|it| Some((it, it.kind.patch_of(&self.entry.name)?)));
        let same_patches = had
            .clone()
            .map(|(patch, _)| (&patch.name, patch.sha256))
            .eq(patches.iter().map(|(entry, pin)| (&entry.name, pin.sha256)));
        let same = locked.sha256 == pin.sha256
            && record.kind == self.kind
            && record.archive.as_ref() == archive
            && same_patches;
        same.then(|| (record.clone(), had.map(|(_, patch)| patch.files.clone()).collect()))
    }

    /// Examines the driver and checks that its patches apply.
    fn examine(
        &self,
        pin: &Pin,
        archive: Option<ArchiveMember>,
        patches: &[(&Entry, &Pin)],
    ) -> anyhow::Result<(DriverRecord, Vec<Proof>)> {
        if let Some(archive) = archive.as_ref().filter(|_| !self.has(pin.sha256)) {
            let Entry { name, origin, .. } = self.entry;
            unpack_again(self.sources, name, origin, archive, pin.sha256)?;
        }
        make_present(self.sources, self.entry, pin)?;
        let file = open(self.sources, pin.sha256).with_context(|| self.unusable())?;
        let item = &self.entry.name;
        if self.kind == DriverKind::WindowsGuest {
            return Ok((self.examine_windows(file, archive)?, Vec::new()));
        }
        let transfer = self.sources.fetcher.ui.transfer("examine", item.as_str());
        let package = Package::open(file).with_context(|| self.unusable())?;
        package.expect(self.kind).with_context(|| self.unusable())?;
        let variant = package.variant();
        let version = package.version().clone();
        self.check_names(&version, archive.as_ref())?;
        let known = self.published_md5(&package);
        let parsed = patches::load(self.sources, patches, item, &version)?;
        let examined = package
            .examine(known, &parsed)
            .map_err(|error| patches::blame(error, &version, patches, &parsed))
            .with_context(|| self.unusable())?;
        transfer.done(pin.size);
        let Examined { config, proofs } = examined;
        let gpus = config.as_ref().map(|config| config.parsed.devices()).unwrap_or_default();
        let kept = config.as_ref().map(|config| keep(self.sources, &config.bytes));
        let config = kept.transpose().with_context(|| self.unusable())?;
        let (kind, package) = (self.kind, None);
        Ok((DriverRecord { version, kind, variant, config, gpus, archive, package }, proofs))
    }

    /// Checks that no name of the driver states another version than its header.
    fn check_names(
        &self,
        version: &DriverVersion,
        archive: Option<&ArchiveMember>,
    ) -> anyhow::Result<()> {
        let source = self.entry.origin.to_string();
        let member = archive.map(|archive| archive.member.as_str());
        // Some sources distribute a driver under a wrong name that is known.
        let is_misnamed = |name: &str| {
            let name = name.rsplit('/').next().unwrap_or(name);
            let known = Catalog::embedded().driver_by_file(name).is_some_and(
                |it| matches!(it, NameOf::Misnamed(driver) if driver.host == *version),
            );
            known && name != self.entry.name.as_str()
        };
        for name in [Some(self.entry.name.as_str()), Some(&*source), member].into_iter().flatten() {
            let stated = FileName::of(name).version().filter(|stated| stated != version);
            if let Some(stated) = stated.filter(|_| !is_misnamed(name)) {
                let item = &self.entry.name;
                bail!(
                    "item `{item}`: the name `{}` states driver {stated}, but the header of the file states {version}; name the item and the file after the version, or use the file that is meant",
                    name.escape_debug()
                );
            }
        }
        Ok(())
    }

    /// Returns the record of a Windows driver, which depends on its file name only.
    fn examine_windows(
        &self,
        mut file: File,
        archive: Option<ArchiveMember>,
    ) -> anyhow::Result<DriverRecord> {
        check_windows(&mut file).with_context(|| self.unusable())?;
        let member = archive.as_ref().map(|archive| FileName::of(archive.member.as_str()));
        let names = [
            member,
            Some(FileName::of(&self.entry.origin.to_string())),
            Some(FileName::of(self.entry.name.as_str())),
        ];
        let version = names.into_iter().flatten().find_map(|name| match name {
            FileName::Driver(DriverKind::WindowsGuest, version) => Some(version),
            _ => None,
        });
        let version = version.context(
            "the file name has no driver version; keep the NVIDIA name, `539.19_grid_win10_…_64bit_….exe`",
        );
        let version = version.with_context(|| self.unusable())?;
        let (kind, variant) = (self.kind, Variant::Original);
        let (config, gpus, package) = (None, Vec::new(), None);
        Ok(DriverRecord { version, kind, variant, config, gpus, archive, package })
    }

    /// Returns the MD5 in the catalog for a host driver, unless the recipe has a digest.
    fn published_md5(&self, package: &Package) -> Option<Md5> {
        let is_open = self.entry.sha256.is_none() && package.variant() == Variant::Original;
        if !is_open || package.kind() != DriverKind::Host {
            return None;
        }
        let catalog = &self.sources.catalog.catalog;
        catalog.drivers_by_host(package.version()).find_map(|driver| driver.md5)
    }
}

/// Writes a `vgpuConfig.xml` to the cache, so that the driver need not be unpacked for it again.
pub(super) fn keep(sources: &Sources<'_>, bytes: &[u8]) -> Result<Digest, CacheError> {
    let mut incoming = sources.fetcher.cache.incoming()?;
    incoming.add(bytes)?;
    incoming.finish(Some(Digest::of(bytes))).map(|measured| measured.sha256)
}

/// Loads the bytes of a pin into the cache. A retained pin has a digest, but the cache may have
/// lost the bytes.
pub(super) fn make_present(sources: &Sources<'_>, entry: &Entry, pin: &Pin) -> anyhow::Result<()> {
    if sources.fetcher.cache.cache().has(pin.sha256) {
        return Ok(());
    }
    let Entry { name, origin, .. } = entry;
    sources.obtain(origin, Expected::again(name, pin)).map(drop).with_context(|| unusable(name))
}

pub(super) fn open(sources: &Sources<'_>, digest: Digest) -> anyhow::Result<File> {
    Ok(sources.fetcher.cache.cache().open_content(digest)?)
}

/// Writes a member of an archive to the cache.
fn extract(
    sources: &Sources<'_>,
    item: &ItemName,
    portal: &mut Portal,
    member: &str,
    expected: Option<Digest>,
) -> anyhow::Result<Pin> {
    let transfer = sources.fetcher.ui.transfer("unpack", item.as_str());
    let mut incoming = sources.fetcher.cache.incoming()?;
    portal.extract(member, &mut incoming, &|n| transfer.advance(n as u64))?;
    let measured = incoming.finish(expected)?;
    transfer.done(measured.size);
    Ok(Pin::plain(&measured))
}
