//! Converts a solution to items and records of a lock.

use std::collections::BTreeMap;

use vgpu_manifest::package::{ArchiveRecord, PackageReason, PackageRecord};
use vgpu_manifest::ui::ByteSize;
use vgpu_manifest::{DebVersion, Digest, ItemMode, ItemName, Kind, ParseTextError};

use super::error::AptError;
use super::expand::Part;
use super::index::{Deb, Indexes, Packed};
use super::model::Candidate;
use super::names;
use super::renew::Used;
use super::solve::{Cause, Change, Installed};
use crate::recipe::{self, Apt, Entry, Role};
use crate::types::{Origin, Pin, Retained};

/// Returns the items of a table: packages in the order of their names, then signed files and
/// indexes.
pub(super) fn part(
    table: &Apt,
    used: &[Used<'_>],
    indexes: &Indexes,
    changes: &[Change],
    riding: &[Candidate],
) -> Result<Part, AptError> {
    let mut part = Part::default();
    let add = |candidate: &Candidate, reason, installed: Option<&DebVersion>, part: &mut Part| {
        let deb = indexes.deb(candidate)??;
        let archive = used.iter().find(|it| it.archive.name == candidate.offer.archive);
        let mirrors = archive.map_or(&[][..], |it| &it.archive.mirrors);
        let origin = Origin::Archive {
            addresses: mirrors.iter().filter_map(|mirror| mirror.join(&deb.path)).collect(),
        };
        let describe = |source| describe(candidate.name.as_str(), source);
        let name = names::of_package(&table.release, candidate, &deb).map_err(describe)?;
        let record = record(candidate, &deb, reason, installed).map_err(describe)?;
        let (entry, pin) = item(name, deb.size, deb.sha256, origin);
        part.items.push((entry, Pin { kind: Kind::Package(record), ..pin }));
        Ok::<(), AptError>(())
    };
    for Change { candidate, cause, installed } in changes {
        let reason = match (cause, installed) {
            (Cause::Requested, _) => PackageReason::Requested,
            (_, Some(_)) => PackageReason::Upgrade,
            (_, None) => PackageReason::Needed,
        };
        let version = installed.as_ref().map(|installed| &installed.version);
        add(candidate, reason, version, &mut part)?;
        if let Some(Installed { version, offered: Some(old) }) = installed {
            add(old, PackageReason::Return, Some(version), &mut part)?;
        }
    }
    for candidate in riding {
        add(candidate, PackageReason::Upgrade, None, &mut part)?;
    }
    for used in used {
        evidence(table, used, &mut part)?;
    }
    Ok(part)
}

/// Returns the record of a package in a bundle.
fn record(
    candidate: &Candidate,
    deb: &Deb,
    reason: PackageReason,
    installed: Option<&DebVersion>,
) -> Result<PackageRecord, ParseTextError> {
    let field = |(name, value): &(&str, String)| Ok((name.parse()?, value.parse()?));
    Ok(PackageRecord {
        name: candidate.name.clone(),
        arch: candidate.arch.clone(),
        version: candidate.version.text().clone(),
        reason,
        installed: installed.map(|version| version.text().clone()),
        archive: candidate.offer.archive.clone(),
        fields: deb.fields.iter().map(field).collect::<Result<BTreeMap<_, _>, _>>()?,
        headers: None,
    })
}

/// Adds the signed files of an archive, and its indexes if they are included.
fn evidence(table: &Apt, used: &Used<'_>, part: &mut Part) -> Result<(), AptError> {
    let archive = &used.archive.name;
    let name = |file: &str| {
        let name = names::of_archive(&table.release, archive, file);
        name.map_err(|source| describe(archive.as_str(), source))
    };
    let mut items = Vec::new();
    for document in &used.opened.evidence {
        let bytes = &document.bytes;
        let kept = Retained::new(bytes)
            .map_err(|source| AptError::Keep { archive: archive.clone(), source })?;
        let origin = Origin::Evidence { addresses: document.addresses.clone(), kept };
        items.push(item(name(document.file)?, bytes.len() as u64, Digest::of(bytes), origin));
    }
    let mut documents = items.iter().map(|(entry, _)| entry.name.clone());
    let release = match documents.next() {
        Some(release) => release,
        None => name("InRelease")?,
    };
    let signature = documents.next();
    let mut indexes = Vec::new();
    if table.indexes == recipe::Indexes::Carry {
        for (file, Packed { file: it, addresses, .. }) in &used.packed {
            let origin = Origin::Archive { addresses: addresses.clone() };
            indexes.push(name(file)?);
            items.push(item(name(file)?, it.size, it.sha256, origin));
        }
    }
    part.items.extend(items);
    part.archives.push(ArchiveRecord {
        name: archive.clone(),
        codename: table.release.clone(),
        release,
        signature,
        signed_by: used.opened.release.signed_by.clone(),
        dated: used.opened.release.dated,
        indexes,
    });
    Ok(())
}

fn describe(package: &str, source: ParseTextError) -> AptError {
    AptError::Describe { package: package.to_owned(), source }
}

fn item(name: ItemName, size: u64, sha256: Digest, origin: Origin) -> (Entry, Pin) {
    let pin = Pin { size, sha256, kind: Kind::Plain };
    let (mode, max_size, role) = (ItemMode::Plain, ByteSize::new(size), Role::Plain);
    (Entry { name, mode, origin, sha256: Some(sha256), max_size, role }, pin)
}
